"""`scai quantize`: tools.shrink.quantize."""

from scai.cli._tool import Tool

SECTION = "Models"
main = Tool(
    "tools.shrink.quantize",
    "Make a trained network smaller, with 8-bit or 16-bit numbers.",
)
