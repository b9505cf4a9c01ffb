"""The `scai evaluate` command: measure models on labelled pictures."""
