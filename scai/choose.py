"""Which engine runs a model: the one the card names, or the fastest installed one that can read it.

The order comes from measurements (docs/performance.md); an engine that cannot read a model says
so with UnsupportedModel, and the next one is asked.
"""

from __future__ import annotations

import logging
from pathlib import Path

from scai import plugins
from scai.cards import AUTO, DETECTION, ModelCard
from scai.engines.base import EngineBase, ModelFile
from scai.errors import ConfigError, UnsupportedModel

log = logging.getLogger(__name__)

# By kind of file, the fastest first. An engine added later comes after these.
_FASTEST_FIRST = {
    ".pb": ("openvino", "tensorflow"),
    "": ("openvino", "tensorflow"),
    ".onnx": ("openvino",),
    ".tflite": ("litert", "openvino"),
}
# How the object detection kind asks the engine without a model for boxes.
_DETECTION_OUTPUTS = (
    "num_detections",
    "detection_boxes",
    "detection_scores",
    "detection_classes",
)


def load_engine(card: ModelCard, classes: int = 0, batch: int = 0) -> EngineBase:
    """The engine of this card with its model loaded and warm.

    `classes`: how many labels there are, 0 if unknown. `batch`: the most images that will come at
    once, 0 if unknown. Raises ConfigError, and UnsupportedModel when no engine can read the model.
    """
    names = candidates(card)
    model = model_file(card, names[0], classes, batch)
    refusals: list[str] = []
    for name in names:
        try:
            engine = plugins.load("engines", name).Engine(model)
        except UnsupportedModel as error:
            refusals.append(error.message)
            continue
        except ConfigError as error:
            raise ConfigError(f"{_place(card, error)}: {error.message}") from error
        assert isinstance(engine, EngineBase)
        log.info("%s: %s: %s", card.where("ENGINE"), engine.describe(), _why(card, refusals))
        return engine
    raise UnsupportedModel(f"{card.where('ENGINE')}: {'; '.join(refusals)}")


def _place(card: ModelCard, error: ConfigError) -> str:
    """File, section and, for a layer that is not there, the key that names it."""
    layer = error.details.get("layer")
    if layer is None:
        return f"{card.config}: [{card.name}]"
    return card.where("INPUT_LAYER" if layer == card.input_layer else "OUTPUT_LAYER")


def candidates(card: ModelCard) -> list[str]:
    """The engines to try for a card, in order. Raises ConfigError when none is installed."""
    if card.engine != AUTO:
        return [card.engine]
    if card.graph is None:
        raise ConfigError(f"{card.where('GRAPH')}: expected a model file, got nothing")
    suffix = file_kind(model_path(card.graph))
    preferred = _FASTEST_FIRST.get(suffix, ())
    others = [name for name in plugins.names("engines") if name not in preferred]
    readers = [
        name for name in (*preferred, *others) if suffix in plugins.load("engines", name).SUFFIXES
    ]
    if not readers:
        raise ConfigError(
            f"{card.where('GRAPH')}: expected a .pb, .tflite, .onnx or .keras file or a SavedModel "
            f"folder, got {card.graph.name}"
        )
    installed = [name for name in readers if plugins.load("engines", name).available()]
    if not installed:
        raise ConfigError(
            f"{card.where('ENGINE')}: expected {' or '.join(readers)} to be installed, got neither"
        )
    return installed


def file_kind(graph: Path) -> str:
    """The suffix that the engines list: "" for a folder, else the file's own in lower case."""
    return "" if graph.is_dir() else graph.suffix.lower()


def model_path(graph: Path) -> Path:
    """The path that engines load: of a SavedModel its folder, even if its inner file was named."""
    return graph.parent if graph.name == "saved_model.pb" else graph


def model_file(card: ModelCard, engine: str, classes: int, batch: int) -> ModelFile:
    """The part of a card that an engine needs."""
    outputs = tuple(name.strip() for name in card.output_layer.split(",") if name.strip())
    if engine == "fake":
        outputs = _DETECTION_OUTPUTS if card.kind == DETECTION else ()
    return ModelFile(
        path=model_path(card.graph) if card.graph else Path("."),
        inputs=(card.input_layer,) if card.input_layer else (),
        outputs=outputs,
        threads=card.threads,
        cache=card.cache,
        classes=classes,
        batch=card.batch or batch,
    )


def _why(card: ModelCard, refusals: list[str]) -> str:
    if card.engine != AUTO:
        return "as configured"
    return f"because {'; '.join(refusals)}" if refusals else "the fastest here for this file"
