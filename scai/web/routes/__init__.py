"""Sets of routes, a file each; a file name is a key."""
