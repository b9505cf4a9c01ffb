"""What the commands share: errors, progress, tables, cards, files, plots, installing a model."""
