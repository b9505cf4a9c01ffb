"""Fuzzing of what strangers send: inputs are mutated, and those that reach new code are kept."""
