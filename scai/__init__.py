"""SCAI, Simple Cloud AI: a self-hosted image-recognition server."""

__version__ = "0.1.0"
