"""The `scai list-ops` command: what a model file holds and how to configure it."""
