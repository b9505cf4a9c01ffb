"""The `scai models` command: list, show, install, remove and pull models."""
