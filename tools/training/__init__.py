"""What every training shares: the loop, the schedule, the learning curve, checkpoints."""
