"""Teach a network your own classes of pictures: `scai retrain --image_dir DIR`.

With --base, a network that already sees well gives features and a new last layer is learned;
with --from-scratch, a small network is learned from nothing.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from scai.errors import ScaiError
from tools import model_cards
from tools.retraining import head, install, pictures
from tools.retraining.pictures import BadData, Pictures

if TYPE_CHECKING:
    from tools.retraining.bases import Function

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

_SHARE = click.IntRange(0, 80)


class Refused(click.ClickException):
    """What the user can put right, in one sentence."""

    exit_code = 2


@dataclass(frozen=True)
class Learned:
    """A classifier: `served` (b, side, side, 3) float32 (pixel - mean) / std -> probabilities."""

    served: Function
    model: Any
    side: int
    mean: float
    std: float
    resize: str
    summary: str
    curves: dict[str, list[float]]


@click.command()
@click.option("--image_dir", type=Path, required=True, help="Class folders, or a .zip of them.")
@click.option("--out", type=Path, default=Path("retrained"), show_default=True, help="To write.")
@click.option("--base", help=".tflite, .pb, SavedModel, or a name of keras.applications.")
@click.option("--base_layer", default="", help="Operation of a .pb that gives the features.")
@click.option("--base_weights", type=Path, help="Weights of a keras.applications network.")
@click.option("--base_mean", default=127.5, show_default=True, help="What a .pb's input wants.")
@click.option("--base_std", default=127.5, show_default=True, help="What a .pb's input wants.")
@click.option("--from-scratch", "scratch", is_flag=True, help="Learn a small network instead.")
@click.option("--image_size", type=click.IntRange(20, 1024), help="Pixels; from scratch 32.")
@click.option(
    "--bottleneck_dir",
    type=Path,
    default=Path(".cache/bottlenecks"),
    show_default=True,
    help="Where the features of pictures are kept.",
)
@click.option("--augment/--no-augment", default=None, help="Learn from altered pictures too.")
@click.option(
    "--validation_percentage", type=_SHARE, default=10, show_default=True, help="To stop early by."
)
@click.option(
    "--testing_percentage", type=_SHARE, default=10, show_default=True, help="To judge the result."
)
@click.option("--how_many_training_steps", type=click.IntRange(1), help="With a base: 1000.")
@click.option("--epochs", type=click.IntRange(1), help="Instead of steps; from scratch: 20.")
@click.option("--minutes", type=click.FloatRange(0.05), help="From scratch: learn this long.")
@click.option("--learning_rate", type=click.FloatRange(0, min_open=True), help="The highest.")
@click.option(
    "--batch_size", type=click.IntRange(2), default=256, show_default=True, help="Pictures a step."
)
@click.option("--class_weights/--no-class_weights", default=True, help="Rare classes count more.")
@click.option("--mirror", is_flag=True, help="From scratch: the answer also sees the mirror image.")
@click.option("--bfloat16", is_flag=True, help="From scratch: faster on processors that have it.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of all chance.")
@click.option("--resume", is_flag=True, help="From scratch: go on from the checkpoint.")
@click.option(
    "--checkpoint",
    type=Path,
    default=Path(".cache/retrain.npz"),
    show_default=True,
    help="From scratch: where the state is kept.",
)
@click.option("--install", "install_as", help="Add the model to the server's under this name.")
@click.option(
    "--config",
    type=Path,
    default=Path("usr/image_classification.config"),
    show_default=True,
    help="The models file that --install writes to.",
)
@click.option("--force", is_flag=True, help="Replace a section and an --out that are there.")
def main(**flags: Any) -> None:
    """Teach a network the classes of your pictures and write everything a server needs."""
    with _sentences():
        retrain(_Wishes(**flags))


@dataclass(frozen=True)
class _Wishes:
    """The command line."""

    image_dir: Path
    out: Path
    base: str | None
    base_layer: str
    base_weights: Path | None
    base_mean: float
    base_std: float
    scratch: bool
    image_size: int | None
    bottleneck_dir: Path
    augment: bool | None
    validation_percentage: int
    testing_percentage: int
    how_many_training_steps: int | None
    epochs: int | None
    minutes: float | None
    learning_rate: float | None
    batch_size: int
    class_weights: bool
    mirror: bool
    bfloat16: bool
    seed: int
    resume: bool
    checkpoint: Path
    install_as: str | None
    config: Path
    force: bool

    @property
    def name(self) -> str:
        return self.install_as or self.out.name

    def steps(self, count: int, default: int) -> int:
        """Batches in all, for `count` pictures."""
        if self.epochs:
            return self.epochs * max(1, count // self.batch_size)
        return self.how_many_training_steps or default


def retrain(wish: _Wishes) -> None:
    """Learn, write, measure what was written, install. Raises BadData."""
    if bool(wish.base) == wish.scratch:
        raise BadData("expected either --base or --from-scratch.")
    if not install.NAME.fullmatch(wish.name):
        raise BadData(f"--out {wish.out}: expected a name of letters, digits, - and _.")
    if wish.out.exists() and not wish.force:
        raise BadData(f"--out {wish.out}: is there already; --force replaces it.")
    if wish.install_as:
        install.check(wish.config, wish.install_as, wish.force)
    if wish.validation_percentage + wish.testing_percentage > 90:
        raise BadData("validation and testing take more than 90 percent of the pictures.")
    found = pictures.find(wish.image_dir, wish.validation_percentage, wish.testing_percentage)
    counts = {split: len(found.of(split)) for split in pictures.SPLITS}
    click.echo(f"{len(found.classes)} classes: {_counted(counts)} pictures")
    learned = _from_scratch(wish, found) if wish.scratch else _with_base(wish, found)
    lines = write(wish, found, learned)
    if wish.install_as:
        install.install(wish.out, wish.config, wish.name, lines, wish.force)
        click.echo(f"{wish.config}: [{wish.name}]")
    else:
        click.echo(f"Add to usr/image_classification.config:\n\n{lines}")


def _with_base(wish: _Wishes, found: Pictures) -> Learned:
    """A new last layer behind a network that sees."""
    from tools.retraining import bases, bottlenecks, joined

    base = bases.find(
        wish.base or "",
        wish.base_layer,
        wish.base_weights,
        wish.image_size or 0,
        wish.base_mean,
        wish.base_std,
    )
    views = list(bottlenecks.VIEWS) if wish.augment else ["plain"]
    cache = wish.bottleneck_dir
    seen, labels = bottlenecks.features(found, found.of("train"), base, views, cache)
    check, known = bottlenecks.features(found, found.of("validation"), base, ["plain"], cache)
    _report_broken(found)
    _check_learnable(found, labels)
    lesson = head.Lesson(
        steps=wish.steps(len(labels), 1000), rate=wish.learning_rate or 3e-3, seed=wish.seed
    )
    last, curves = head.learn(
        seen, labels, (check[0], known), _weights(wish, found, labels), lesson
    )
    served, model = joined.join(base, last)
    summary = f"A new last layer behind {base.name} ({base.side} pixels)."
    drawn = {"step": curves.step, "learned from": curves.train, "validation": curves.validation}
    return Learned(served, model, base.side, base.mean, base.std, "bilinear", summary, drawn)


def _from_scratch(wish: _Wishes, found: Pictures) -> Learned:
    """A small residual network."""
    import tensorflow as tf

    from tools.retraining import joined, residual_net, scratch

    side = wish.image_size or 32
    images, labels = pictures.load(found, found.of("train"), side)
    _report_broken(found)
    _check_learnable(found, labels)
    tf.keras.utils.set_random_seed(wish.seed)
    if wish.bfloat16:
        tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    sample = images[:2000].astype(np.float32) / 127.5 - 1
    batch = min(wish.batch_size, len(images))
    plan = scratch.Schedule(
        steps=wish.steps(len(images), 20 * max(1, len(images) // batch)),
        minutes=wish.minutes or 0.0,
        batch=batch,
        rate=wish.learning_rate or 0.25,
        seed=wish.seed,
        augment=wish.augment is not False,
    )
    model = residual_net.build(len(found.classes), sample)
    weights = _weights(wish, found, labels)
    history = scratch.train(
        model, images, labels, plan, wish.checkpoint, wish.resume, class_weights=weights
    )
    tf.keras.mixed_precision.set_global_policy("float32")  # servers have no bfloat16 to count on
    exact = residual_net.build(len(found.classes), sample)
    exact.set_weights(model.get_weights())
    served, whole = joined.with_mirror(exact, side, wish.mirror)
    summary = f"A residual network for pictures of {side} pixels, learned from nothing."
    curves = {"step": history.step, "loss": history.loss}
    return Learned(served, whole, side, 127.5, 127.5, "area", summary, curves)


def _weights(wish: _Wishes, found: Pictures, labels: np.ndarray) -> np.ndarray:
    count = len(found.classes)
    return head.balance(labels, count) if wish.class_weights else np.ones(count, np.float32)


def write(wish: _Wishes, found: Pictures, learned: Learned) -> str:
    """The output folder, measured through the server's own code; gives the lines to install."""
    from tools.retraining import outputs

    items = found.of("test") or found.of("validation") or found.of("train")
    with outputs.whole_folder(wish.out) as folder:
        outputs.write_models(
            folder, wish.name, found.classes, learned.served, learned.model, learned.side
        )
        values = learned.mean, learned.std, learned.resize
        trial = outputs.section(wish.name, str(folder.resolve()), *values)
        truth, answers = outputs.served_answers(folder, wish.name, trial, found, items)
        confusion = np.zeros((len(found.classes),) * 2, int)
        np.add.at(confusion, (truth, answers), 1)
        outputs.plots(folder, found.classes, confusion, learned.curves)
        card = describe(wish, found, learned, confusion, items[0].split)
        files = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
        if wish.install_as:  # the card is copied along, and should tell of what lies beside it
            files = [f for f in files if "/" not in f and Path(f).suffix in install.SERVED]
        facts = model_cards.described(folder, files)
        card = model_cards.Card(**{**card, "files": facts})
        model_cards.write(card, folder)
    click.echo(f"{wish.out}: {dict(card.metrics)}")
    where = f"models/{wish.name}" if wish.install_as else wish.out.as_posix()
    return outputs.section(wish.name, where, *values)


def describe(
    wish: _Wishes, found: Pictures, learned: Learned, confusion: np.ndarray, split: str
) -> dict[str, Any]:
    """The fields of the card but for the files."""
    counts = {name: len(found.of(name)) for name in pictures.SPLITS}
    each = np.diag(confusion) / np.maximum(confusion.sum(axis=1), 1)
    metrics = {f"accuracy ({split})": round(float(np.trace(confusion) / confusion.sum()), 4)}
    metrics |= {
        f"recall of {c}": round(float(r), 4) for c, r in zip(found.classes, each, strict=True)
    }
    side = learned.side
    return {
        "name": wish.name,
        "task": "image_classification",
        "summary": learned.summary,
        "classes": found.classes,
        "input": {
            "width": side,
            "height": side,
            "channels": "3, red green blue",
            "type": "float32, (pixel - mean) / std with pixels 0..255",
            "mean": learned.mean,
            "std": learned.std,
            "resize": f"stretch, {learned.resize}",
        },
        "output": {
            "meaning": "probability of each class, in the order of labels.txt",
            f"tensor_in_{wish.name}.pb": "final_result:0, any batch",
            f"tensor_in_{wish.name}.tflite": "the only output, batch 1",
        },
        "metrics": metrics,
        "measured_with": f"the {split} pictures, {wish.name}.tflite, by the command below",
        "trained_with": _command(),
        "limits": (
            "It always answers with one of its classes, whatever the picture shows.",
            "It was measured on pictures of the same collection it learned from.",
        ),
        "data": f"{model_cards.shown(wish.image_dir)}: {_counted(counts)} pictures, "
        f"{len(found.broken)} left out because they cannot be read",
        "licence": "that of the pictures, and of the base if there is one",
    }


def _command() -> str:
    told = [model_cards.shown(Path(a)) if a.startswith("/") else a for a in sys.argv[1:]]
    return " ".join(["scai retrain", *[a for a in told if a != "retrain"]])


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def _report_broken(found: Pictures) -> None:
    for path, why in found.broken.items():
        click.echo(f"left out: {path}: {why}", err=True)


def _check_learnable(found: Pictures, labels: np.ndarray) -> None:
    """Every class needs a picture to learn from. Raises BadData."""
    present = np.bincount(labels.astype(int), minlength=len(found.classes))
    lacking = [c for c, n in zip(found.classes, present, strict=True) if n == 0]
    if lacking:
        raise BadData(f"{found.root}: no readable picture to learn {lacking[0]!r} from.")


@contextmanager
def _sentences() -> Iterator[None]:
    """Whatever the user can put right becomes one sentence."""
    try:
        yield
    except BadData as error:
        raise Refused(str(error)) from None
    except ScaiError as error:
        raise Refused(error.message) from None
    except KeyboardInterrupt:
        raise click.ClickException("stopped; nothing was written.") from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Refused(f"{error.filename or 'the disk'}: no space is left.") from None
        raise Refused(f"{error.filename or 'the disk'}: {error.strerror or error}") from None


if __name__ == "__main__":
    main()
