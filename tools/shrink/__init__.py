"""The `scai optimize` and `scai quantize` commands: the same network, smaller and faster."""
