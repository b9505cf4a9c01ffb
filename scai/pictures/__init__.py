"""Pictures: what may come in, how it becomes pixels, and PNG."""
