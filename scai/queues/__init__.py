"""Queues: one file per way of keeping waiting jobs."""
