"""What the portal tells of models, from their cards, files and measurements."""
