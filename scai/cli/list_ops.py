"""`scai list-ops`: tools.list_ops.command."""

from scai.cli._tool import Tool

SECTION = "Models"
main = Tool("tools.list_ops.command", "Show the inputs and outputs of a model file.")
