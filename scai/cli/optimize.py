"""`scai optimize`: tools.shrink.optimize."""

from scai.cli._tool import Tool

SECTION = "Models"
main = Tool("tools.shrink.optimize", "Fold and strip a trained network: the same answers, faster.")
