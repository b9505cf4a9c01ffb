"""The `scai retrain` command: train a classifier for your own classes."""
