"""`scai bench`: benchmarks.command."""

from scai.cli._tool import Tool

SECTION = "Models"
main = Tool("benchmarks.command", "Measure how fast SCAI is on this machine.")
