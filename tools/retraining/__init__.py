"""The parts of `scai retrain`: pictures in, a model of their classes out."""
