"""`scai train-detector`: tools.train_detector.command."""

from scai.cli._tool import Tool

SECTION = "Models"
main = Tool(
    "tools.train_detector.command",
    "Train a detector for your own classes from pictures with boxes (Pascal VOC, COCO).",
)
