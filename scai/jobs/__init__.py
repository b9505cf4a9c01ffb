"""What anybody may ask of the server, without HTTP."""
