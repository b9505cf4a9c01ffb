"""The `scai train-detector` command: train a detector for your own classes."""
