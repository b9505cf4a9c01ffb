"""The worker: jobs go through it as through a pipeline."""
