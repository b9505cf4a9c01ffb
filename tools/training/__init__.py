"""What every training shares: the loop, the schedule, checkpoints, the record of its curves."""
