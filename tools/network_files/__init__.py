"""Model files of every format: what is in them, how they are written and run."""
