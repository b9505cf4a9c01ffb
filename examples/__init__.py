"""Tutorials: from a published collection of pictures to a model that the server answers with."""
