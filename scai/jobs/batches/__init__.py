"""Collections of photos that a user uploads and follows as one."""
