"""Learning the network: pictures at hand, a plan, a look at it on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click
import tensorflow as tf

from tools.common.errors import UserError
from tools.datasets.labelled_boxes import TRAIN, VALIDATION, Labelled
from tools.train_detector import augment, outputs, shelf, watching, weights
from tools.train_detector import model as detector_model
from tools.train_detector.graph import Suppression
from tools.training import checkpoint, loop
from tools.training.diary import Diary, Watch

if TYPE_CHECKING:
    from tools.train_detector.command import Wishes

BY = "mAP@0.5"
LEAST = 0.4  # score from which boxes are shown, where no validation picture says better
_STEPS = 3000


@dataclass(frozen=True)
class Learned:
    """A detector, in float32.

    how: the suppression that goes with it; least: score from which boxes are shown
    legs: the arguments of each training that made it
    left_out: what could not be learned from, a sentence each
    """

    model: tf.keras.Model
    how: Suppression
    least: float
    diary: Diary
    legs: list[str]
    left_out: list[str]


def learn(wish: Wishes, found: Labelled) -> Learned:
    """Learn from the training pictures. Raises UserError, and ClickException after Ctrl-C."""
    tf.get_logger().setLevel("ERROR")
    classes, side = found.classes, wish.image_size
    lessons = shelf.fill(found.splits[TRAIN], side)
    check = shelf.fill(found.splits[VALIDATION], side) if found.splits[VALIDATION].samples else None
    _report([*lessons.left_out, *(check.left_out if check else [])])
    if check is None and (wish.patience or wish.keep_best):
        raise UserError("--patience and --keep_best need validation pictures.")
    tf.keras.utils.set_random_seed(wish.seed)
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16" if wish.bfloat16 else "float32")
    model = detector_model.build(len(classes), channels=3, width=wish.width)
    if wish.start:
        known = weights.start(model, classes, wish.start)
        click.echo(f"{wish.start}: knows {known} of {len(classes)} classes")
    watch = None
    if check is not None:
        judge = watching.Judge(model, check, len(classes))
        watch = Watch(judge, BY, patience=wish.patience, keep_best=wish.keep_best)
    make = augment.batches(lessons, wish.batch_size, habits(wish), wish.seed)
    legs = loop.train(
        model,
        detector_model.loss,
        make,
        plan(wish, len(lessons)),
        wish.checkpoint,
        wish.told(),
        wish.resume,
        watch=watch,
    )
    model = outputs.as_float32(model, len(classes), wish.width)
    how, least = Suppression(), LEAST
    if check is not None:
        judge = watching.Judge(model, check, len(classes))
        how, least = judge.best_suppression(wish.nms_overlap, wish.nms_inside)
    elif wish.nms_overlap or wish.nms_inside:
        how = Suppression(overlap=wish.nms_overlap or 0.5, inside=wish.nms_inside or 1.0)
    diary = watch.diary if watch else checkpoint.diary_of(wish.checkpoint)
    return Learned(model, how, least, diary, legs, lessons.left_out)


def habits(wish: Wishes) -> augment.Habits:
    """How pictures are altered."""
    return augment.Habits(
        mosaic=wish.mosaic,
        nearest=wish.zoom,
        farthest=1 / wish.zoom,
        turns=wish.flip_vertical,
        colour=wish.colour,
    )


def plan(wish: Wishes, count: int) -> loop.Plan:
    """How long and how fast, for `count` pictures."""
    steps = wish.how_many_training_steps or _STEPS
    if wish.epochs:
        steps = wish.epochs * max(1, count // wish.batch_size)
    return loop.Plan(
        steps=steps, minutes=wish.minutes or 0.0, rate=wish.learning_rate, seed=wish.seed
    )


def _report(left_out: list[str], most: int = 5) -> None:
    """Name what is not learned from, without drowning the rest."""
    for sentence in left_out[:most]:
        click.echo(f"left out: {sentence}", err=True)
    if len(left_out) > most:
        click.echo(f"left out: {len(left_out) - most} more", err=True)
