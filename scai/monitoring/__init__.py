"""How the server is doing: the journal of verdicts, the state of queues, and findings."""
