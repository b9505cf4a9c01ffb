"""Ten everyday things on small pictures."""
