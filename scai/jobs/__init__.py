"""Jobs: all that a client may ask of the server, without HTTP."""
