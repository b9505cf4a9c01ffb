"""How it goes: the journal of verdicts, the last hour, and what they mean."""
