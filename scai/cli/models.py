"""`scai models`: tools.models.command."""

from scai.cli._tool import Tool

SECTION = "Models"
main = Tool("tools.models.command", "List, show, install, remove and download models.")
