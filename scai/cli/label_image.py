"""`scai label-image`: tools.label_image."""

from scai.cli._tool import Tool

SECTION = "Models"
main = Tool("tools.label_image", "Classify one picture with any model file.")
