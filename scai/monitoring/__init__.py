"""Monitoring: the journal of verdicts, the state of queues and workers, and findings."""
