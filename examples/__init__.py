"""Tutorials: from a published collection of pictures to a model on the server."""
