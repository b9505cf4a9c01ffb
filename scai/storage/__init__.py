"""Storage: durable writes, sessions, batches, locks, JSON files, and uploads on their way in."""
