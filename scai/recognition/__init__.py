"""From numbers to meaning: results, drawing, recognizers, and how models are loaded."""
