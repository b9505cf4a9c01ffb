"""Train the detector: data, schedule, validation, and the choice of NMS parameters."""

from __future__ import annotations

from dataclasses import dataclass

import click
import tensorflow as tf

from tools.common.errors import UserError
from tools.datasets.labelled_boxes import TRAIN, VALIDATION, LabelledBoxes
from tools.train_detector import augmentation, model, model_files, scene_cache, weights
from tools.train_detector.evaluation import MEAN_AVERAGE_PRECISION, Evaluator
from tools.train_detector.options import TrainingOptions
from tools.train_detector.postprocessing import Suppression
from tools.training.checkpoint import State
from tools.training.keras_learner import KerasLearner, adam
from tools.training.loop import Training
from tools.training.schedule import Schedule
from tools.training.validation import Validation

SCORE_THRESHOLD = 0.4  # from which boxes are drawn, unless validation pictures give a better one
_STEPS = 3000
_WARM_UP = 100  # steps


@dataclass(frozen=True)
class Detector:
    """A trained detector, in float32.

    suppression: NMS parameters. threshold: score from which boxes are drawn
    state: of its training, with the learning curve and the options of each run
    left_out: pictures and boxes that could not be used, a sentence each
    """

    model: tf.keras.Model
    suppression: Suppression
    threshold: float
    state: State
    left_out: list[str]


def train(options: TrainingOptions, data: LabelledBoxes, flags: str) -> Detector:
    """Train on the training pictures; `flags`: those that decide the outcome.

    Raises UserError, and ClickException after Ctrl-C.
    """
    tf.get_logger().setLevel("ERROR")
    classes, side = data.classes, options.image_size
    scenes = scene_cache.fill(data.splits[TRAIN], side)
    check = None
    if data.splits[VALIDATION].samples:
        check = scene_cache.fill(data.splits[VALIDATION], side)
    _report([*scenes.left_out, *(check.left_out if check else [])])
    if check is None and (options.patience or options.keep_best):
        raise UserError("--patience and --keep_best need validation pictures.")
    tf.keras.utils.set_random_seed(options.seed)
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16" if options.bfloat16 else "float32")
    network = model.build(len(classes), channels=3, width=options.width)
    if options.start:
        count = weights.start(network, classes, options.start)
        click.echo(f"{options.start}: knows {count} of {len(classes)} classes")
    validation = None
    if check is not None:
        evaluator = Evaluator(network, check, len(classes))
        validation = Validation(
            evaluator.measure,
            MEAN_AVERAGE_PRECISION,
            patience=options.patience,
            keep_best=options.keep_best,
        )
    state = Training(
        KerasLearner(network, model.loss, adam(), keep_best=options.keep_best),
        augmentation.batches(scenes, options.batch_size, augmentation_of(options), options.seed),
        schedule(options, len(scenes)),
        validation,
        options.checkpoint,
        flags,
        options.resume,
    ).run()
    network = model_files.as_float32(network, len(classes), options.width)
    suppression, threshold = _suppression(options, network, check, len(classes))
    return Detector(network, suppression, threshold, state, scenes.left_out)


def augmentation_of(options: TrainingOptions) -> augmentation.Augmentation:
    """Return the augmentation that the options ask for."""
    return augmentation.Augmentation(
        mosaic=options.mosaic,
        nearest=options.zoom,
        farthest=1 / options.zoom,
        turns=options.flip_vertical,
        colour=options.colour,
    )


def schedule(options: TrainingOptions, count: int) -> Schedule:
    """Length and learning rate for `count` pictures."""
    steps = options.how_many_training_steps or _STEPS
    if options.epochs:
        steps = options.epochs * max(1, count // options.batch_size)
    return detector_schedule(options.learning_rate, steps, options.minutes, options.seed)


def detector_schedule(rate: float, steps: int, minutes: float | None, seed: int) -> Schedule:
    """The learning rate that suits this network: a short warm-up, then a cosine."""
    return Schedule(
        rate=rate, steps=steps, minutes=minutes or 0.0, warm_up_steps=_WARM_UP, seed=seed
    )


def _suppression(
    options: TrainingOptions,
    network: tf.keras.Model,
    check: scene_cache.SceneCache | None,
    classes: int,
) -> tuple[Suppression, float]:
    """Return NMS parameters and score threshold: the options', else the best in validation."""
    overlap, inside = options.nms_overlap, options.nms_inside
    if check is not None:
        return Evaluator(network, check, classes).best_suppression(overlap, inside)
    if overlap or inside:
        return Suppression(overlap=overlap or 0.5, inside=inside or 1.0), SCORE_THRESHOLD
    return Suppression(), SCORE_THRESHOLD


def _report(left_out: list[str], limit: int = 5) -> None:
    """Name the first pictures and boxes that were left out, and count the others."""
    for sentence in left_out[:limit]:
        click.echo(f"left out: {sentence}", err=True)
    if len(left_out) > limit:
        click.echo(f"left out: {len(left_out) - limit} more", err=True)
