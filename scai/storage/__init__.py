"""How bytes stay: durable writes, sessions, batches, JSON files, and what keeps them safe."""
