"""Many photos under one id: their list on disk, what was taken and refused, how far they are."""
