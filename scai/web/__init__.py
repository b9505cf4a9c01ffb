"""Routes: one file per set. They read a request, ask the service and format the answer."""
