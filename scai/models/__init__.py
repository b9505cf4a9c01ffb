"""Models as their files describe them: cards, labels, notes and speed records; no NumPy."""
