"""Load a model with the engine that its card names, or with the fastest one that can read it.

Where the card comes with a folder for speed records, the fastest engine and plan are found once by
a speed trial (scai/recognition/speed_trials.py). Without a record the fixed order of
docs/configuration.md holds. An engine that cannot read a model raises UnsupportedModel, and the
next one is tried.
"""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from scai import plugins
from scai.engines.base import PLAIN, EngineBase, ModelFile, Plan
from scai.errors import ConfigError, EngineError, UnsupportedModel
from scai.models.cards import AUTO, DETECTION, ModelCard
from scai.recognition import speed_records
from scai.recognition.speed_records import SpeedRecord

if TYPE_CHECKING:
    from scai.recognition.speed_trials import Trial

log = logging.getLogger(__name__)

# The engines by kind of file, the fastest first. An engine added later comes after these.
_FASTEST_FIRST = {
    ".pb": ("openvino", "tensorflow"),
    "": ("openvino", "tensorflow"),
    ".onnx": ("openvino",),
    ".tflite": ("litert", "openvino"),
}
# The engine whose answers count as right, by kind of file; the first above if it is not installed.
_REFERENCE = {".tflite": "litert"}
_OTHER_REFERENCE = "tensorflow"
# Height and width in pixels of a trial's images for a model that takes any.
TRIAL_SIDE = 320
# How the object detection kind asks the engine without a model for boxes.
_DETECTION_OUTPUTS = (
    "num_detections",
    "detection_boxes",
    "detection_scores",
    "detection_classes",
)


def load_engine(card: ModelCard, classes: int = 0, batch: int = 0) -> EngineBase:
    """Load the model of a card, warm.

    `classes`: how many labels there are, 0 if unknown. `batch`: the most images in one call, 0 if
    unknown. Raises ConfigError, and UnsupportedModel when no engine can read the model.
    """
    names = candidates(card)
    model = model_file(card, names[0], classes, batch)
    record = _speed_record(card, names, model)
    refusals: list[str] = []
    for name, plan in engine_order(names, record):
        try:
            engine = plugins.load("engines", name).Engine(replace(model, plan=plan))
        except UnsupportedModel as error:
            refusals.append(error.message)
            continue
        except ConfigError as error:
            raise ConfigError(f"{_place(card, error)}: {error.message}") from error
        assert isinstance(engine, EngineBase)
        is_fastest = record is not None and (name, plan) == (record.engine, record.plan)
        if record is not None and is_fastest:
            engine.speed_record = record.to_dict()
        reason = str(record) if is_fastest else _reason(card, refusals)
        log.info("%s: %s: %s", card.where("ENGINE"), engine.describe(), reason)
        if model.batch != 1:
            _give_back_memory()
        return engine
    raise UnsupportedModel(f"{card.where('ENGINE')}: {'; '.join(refusals)}")


def find_speed_record(card: ModelCard, batch: int = 0) -> SpeedRecord | None:
    """The speed record of a card's model with batches of `batch`, if it still holds.

    Runs no trial. Raises ConfigError.
    """
    policy = card.speed_policy
    if policy is None or card.graph is None:
        return None
    names = candidates(card)
    model = model_file(card, names[0], 0, batch)
    try:
        key = speed_records.key(model, names)
    except OSError:
        return None
    batch = max(1, model.batch)
    return speed_records.read(policy.folder, key, batch, any_batch=not policy.run_trials)


def engine_order(names: Sequence[str], record: SpeedRecord | None) -> list[tuple[str, Plan]]:
    """The engines and plans to try: the record's, then the default plans in the order of `names`.

    An engine that the record refuses comes last.
    """
    defaults = [(name, PLAIN) for name in names]
    if record is None:
        return defaults
    defaults.sort(key=lambda pair: pair[0] in record.refusals)
    fastest = (record.engine, record.plan)
    return [fastest, *(pair for pair in defaults if pair != fastest)]


def _speed_record(card: ModelCard, names: Sequence[str], model: ModelFile) -> SpeedRecord | None:
    """The speed record of a model; a trial is run if there is none and there is a choice."""
    policy = card.speed_policy
    if policy is None or not policy.use or not model.path.exists():
        return None
    if not policy.run_trials:
        record = find_speed_record(card, model.batch)
        return record and for_one_image(record, names)
    # Not at the top: a process for a single image never gets here, and starts faster without.
    from scai.recognition import speed_trials

    trials = speed_trials.list_trials(model, names, _reference(model, names))
    if len(trials) < 2:
        return None
    record = find_speed_record(card, model.batch)
    if record is not None:
        return record
    log.info(
        "%s: trying %d settings of %s, once", card.where("ENGINE"), len(trials), " and ".join(names)
    )
    with speed_records.trial_lock(policy.folder, speed_trials.MAX_SECONDS):
        # Several workers of one kind start together: the first runs the trial, the others read.
        return find_speed_record(card, model.batch) or _run_trial(
            card, policy.folder, names, model, trials
        )


def _run_trial(
    card: ModelCard, folder: Path, names: Sequence[str], model: ModelFile, trials: Sequence[Trial]
) -> SpeedRecord | None:
    """Run a speed trial and store its record in `folder`; None when it fails."""
    from scai.recognition import speed_trials

    try:
        key = speed_records.key(model, names)
        images = speed_trials.SampleImages(*_sample_values(card))
        record = speed_trials.find_fastest(model, names, trials, images)
    except (EngineError, OSError, ValueError) as error:
        log.warning(
            "%s: the speed trial failed, the default is used: %s", card.where("ENGINE"), error
        )
        return None
    speed_records.write(folder, key, record, model.path)
    for name, refusal in record.refusals.items():
        log.warning("%s: %s is not used: %s", card.where("ENGINE"), name, refusal)
    return record


def for_one_image(record: SpeedRecord, names: Sequence[str]) -> SpeedRecord:
    """Reduce a record to what a process for a single image uses: the engine that starts fastest.

    The first engine of `names` starts fastest; another one never makes up for its longer start by
    running faster. Nothing is loaded for images that come together.
    """
    if record.engine != names[0] and names[0] not in record.refusals:
        return replace(record, engine=names[0], plan=PLAIN)
    return replace(record, plan=Plan(1)) if record.plan.whole else record


def _reference(model: ModelFile, names: Sequence[str]) -> str:
    first = _REFERENCE.get(file_kind(model.path), _OTHER_REFERENCE)
    return first if first in names else names[0]


def _sample_values(card: ModelCard) -> tuple[float, float, int]:
    """Lowest and highest input value of a card, and the side for a model without a size."""
    mean = 0.0 if card.input_mean is None else card.input_mean
    std = 255.0 if card.input_std is None else card.input_std
    side = max(card.input_height or 0, card.input_width or 0)
    return (0 - mean) / std, (255 - mean) / std, side or TRIAL_SIDE


def _place(card: ModelCard, error: ConfigError) -> str:
    """File, section and, for a missing layer, the key that names it, as errors state them."""
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
    first = _FASTEST_FIRST.get(suffix, ())
    others = [name for name in plugins.names("engines") if name not in first]
    readers = [
        name for name in (*first, *others) if suffix in plugins.load("engines", name).SUFFIXES
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
    policy = card.speed_policy
    cache = card.cache or (policy and speed_records.writable(policy.folder))
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
    """Let the C library return what loading needed for a moment: 20 MB for a common model."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _reason(card: ModelCard, refusals: list[str]) -> str:
    if card.engine != AUTO:
        return "as configured"
    return f"because {'; '.join(refusals)}" if refusals else "the fastest here for this file"
