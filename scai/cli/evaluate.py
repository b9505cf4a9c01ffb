"""`scai evaluate`: tools.evaluate.command."""

from scai.cli._tool import Tool

SECTION = "Models"
main = Tool("tools.evaluate.command", "Compare models on pictures with known answers.")
