"""The kinds of recognition; each file is a program: `python -m workers.<kind>`."""
