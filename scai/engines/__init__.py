"""Engines: one file per runtime library. They know tensors, no images."""
