"""The description of the API: one file for each group of operations."""
