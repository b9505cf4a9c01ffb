"""A load generator for HTTP servers, and what its clients send and expect."""
