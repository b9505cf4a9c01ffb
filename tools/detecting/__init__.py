"""The parts of `scai train-detector`: boxes in, a detector of their classes out."""
