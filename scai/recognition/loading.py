"""Which engine runs a model: the one the card names, or the fastest installed one that can read it.

Where the card comes with a folder for it, the fastest engine is measured once
(scai/recognition/speed_trials.py) and kept. Without a measurement the order of docs/performance.md
holds. An engine that cannot read a model raises UnsupportedModel, and the next one is asked.
"""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from scai import plugins
from scai.engines.base import PLAIN, EngineBase, ModelFile, Plan
from scai.errors import ConfigError, EngineError, UnsupportedModel
from scai.models.cards import AUTO, DETECTION, ModelCard
from scai.recognition import speed_records
from scai.recognition.speed_records import Measured

log = logging.getLogger(__name__)

# By kind of file, the fastest first. An engine added later comes after these.
_FASTEST_FIRST = {
    ".pb": ("openvino", "tensorflow"),
    "": ("openvino", "tensorflow"),
    ".onnx": ("openvino",),
    ".tflite": ("litert", "openvino"),
}
# Whose answers are the right ones, by kind of file; where it is not installed, the first above.
_REFERENCE = {".tflite": "litert"}
_OTHER_REFERENCE = "tensorflow"
# Pixels of a picture for a model that takes any.
FREE_SIDE = 320
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
    best = _measured(card, names, model)
    refusals: list[str] = []
    for name, plan in _order(names, best):
        try:
            engine = plugins.load("engines", name).Engine(replace(model, plan=plan))
        except UnsupportedModel as error:
            refusals.append(error.message)
            continue
        except ConfigError as error:
            raise ConfigError(f"{_place(card, error)}: {error.message}") from error
        assert isinstance(engine, EngineBase)
        as_measured = best is not None and (name, plan) == (best.engine, best.plan)
        if best is not None and as_measured:
            engine.measured = best.to_dict()
        why = str(best) if as_measured else _why(card, refusals)
        log.info("%s: %s: %s", card.where("ENGINE"), engine.describe(), why)
        if model.batch != 1:
            _give_back_memory()
        return engine
    raise UnsupportedModel(f"{card.where('ENGINE')}: {'; '.join(refusals)}")


def find_measured(card: ModelCard, batch: int = 0) -> Measured | None:
    """What was measured of a card's model with batches of `batch`, if it still holds.

    Raises ConfigError. Nothing is measured now.
    """
    tuned = card.tuning
    if tuned is None or card.graph is None:
        return None
    names = candidates(card)
    model = model_file(card, names[0], 0, batch)
    try:
        key = speed_records.key(model, names)
    except OSError:
        return None
    return speed_records.read(tuned.folder, key, max(1, model.batch), any_batch=not tuned.measure)


def _order(names: Sequence[str], best: Measured | None) -> list[tuple[str, Plan]]:
    """What to load, the first that can be: as measured, then plainly, in the fixed order.

    An engine that gave other answers, or ended its process, comes last.
    """
    plainly = [(name, PLAIN) for name in names]
    if best is None:
        return plainly
    plainly.sort(key=lambda choice: choice[0] in best.refused)
    chosen = (best.engine, best.plan)
    return [chosen, *(choice for choice in plainly if choice != chosen)]


def _measured(card: ModelCard, names: Sequence[str], model: ModelFile) -> Measured | None:
    """The measurement of this model, made now if there is none and there is something to choose."""
    tuned = card.tuning
    if tuned is None or not tuned.use or not model.path.exists():
        return None
    if not tuned.measure:
        found = find_measured(card, model.batch)
        return found and _for_one_process(found, names)
    # Not at the top: the process of a single picture never gets here, and begins sooner without.
    from scai.recognition import speed_trials

    todo = speed_trials.trials(model, names, _reference(model, names))
    if len(todo) < 2:
        return None
    found = find_measured(card, model.batch)
    if found is not None:
        return found
    log.info(
        "%s: trying %d settings of %s, once", card.where("ENGINE"), len(todo), " and ".join(names)
    )
    with speed_records.alone(tuned.folder, speed_trials.LONGEST):
        # Several workers of one kind start together: the first measures, the others read.
        found = find_measured(card, model.batch)
        if found is not None:
            return found
        try:
            key = speed_records.key(model, names)
            found = speed_trials.measure(
                model, names, todo, speed_trials.Pictures(*_pictures(card))
            )
        except (EngineError, OSError, ValueError) as error:
            log.warning("%s: cannot be measured, taken as it is: %s", card.where("ENGINE"), error)
            return None
        speed_records.write(tuned.folder, key, found, model.path)
    for name, why in found.refused.items():
        log.warning("%s: %s is not taken: %s", card.where("ENGINE"), name, why)
    return found


def _for_one_process(best: Measured, names: Sequence[str]) -> Measured:
    """What a process for a single picture takes of a measurement: what starts soon.

    An engine that is faster once it runs does not make good what its start costs more than that
    of the first of the order, and nothing is loaded for images that come together.
    """
    if best.engine != names[0] and names[0] not in best.refused:
        return replace(best, engine=names[0], plan=PLAIN)
    return replace(best, plan=Plan(1)) if best.plan.whole else best


def _reference(model: ModelFile, names: Sequence[str]) -> str:
    wanted = _REFERENCE.get(file_kind(model.path), _OTHER_REFERENCE)
    return wanted if wanted in names else names[0]


def _pictures(card: ModelCard) -> tuple[float, float, int]:
    """Least and largest value of this card's pictures; a side where the model leaves it free."""
    mean = 0.0 if card.input_mean is None else card.input_mean
    std = 255.0 if card.input_std is None else card.input_std
    side = max(card.input_height or 0, card.input_width or 0)
    return (0 - mean) / std, (255 - mean) / std, side or FREE_SIDE


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
    cache = card.cache or (card.tuning and speed_records.writable(card.tuning.folder))
    outputs = tuple(name.strip() for name in card.output_layer.split(",") if name.strip())
    if engine == "fake":
        outputs = _DETECTION_OUTPUTS if card.kind == DETECTION else ()
    return ModelFile(
        path=model_path(card.graph) if card.graph else Path("."),
        inputs=(card.input_layer,) if card.input_layer else (),
        outputs=outputs,
        threads=card.threads,
        cache=cache or None,
        classes=classes,
        batch=card.batch or batch,
    )


def _give_back_memory() -> None:
    """Let the C library return what loading took for a moment: some 20 MB of a common model."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _why(card: ModelCard, refusals: list[str]) -> str:
    if card.engine != AUTO:
        return "as configured"
    return f"because {'; '.join(refusals)}" if refusals else "the fastest here for this file"
