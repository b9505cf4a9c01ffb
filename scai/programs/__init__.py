"""The long-running programs: portal, supervisor, and the runner of job mode."""
