"""`scai retrain`: tools.retrain.command."""

from scai.cli._tool import Tool

SECTION = "Models"
main = Tool(
    "tools.retrain.command",
    "Train a classifier for your own classes from folders of pictures.",
)
