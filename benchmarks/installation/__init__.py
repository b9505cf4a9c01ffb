"""The installation that a benchmark measures, its inputs, and the bare loop beside it."""
