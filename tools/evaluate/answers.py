"""A model's answers to labelled pictures, their speed, and the unreadable pictures."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from scai.errors import BadImage
from scai.pictures.pixels import decode
from scai.recognition.recognizer import Options, Pixels, Recognizer
from scai.recognition.results import Result
from tools.datasets.samples import DataSet, Sample

# "282:tabby, tabby cat" of the MobileNets, "n02123045 tabby" of ImageNet's own list.
_NUMBER = re.compile(r"\d+:\s*|n\d{8}\s+")


@dataclass
class Answers:
    """A model's results for the readable pictures, in their order.

    `unreadable`: name -> reason. `seconds`: for `timed` pictures, from pixels to result; decoding
    is not included, as it is the same for every model.
    """

    samples: list[Sample] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    timed: int = 0

    @property
    def milliseconds(self) -> float:
        """Milliseconds per picture."""
        return 1000 * self.seconds / max(self.timed, 1)


def collect_answers(
    recognizer: Recognizer,
    data: DataSet,
    options: Options,
    batch: int,
    progress: Callable[[int], object] = lambda pictures: None,
    clock: Callable[[], float] = time.perf_counter,
) -> Answers:
    """Run the model on all pictures, in inference batches of `batch`, as the worker does."""
    answers = Answers()
    for number, group in enumerate(_groups(data.samples, batch)):
        decoded = [(sample, _pixels(data, sample, answers)) for sample in group]
        readable = [(sample, pixels) for sample, pixels in decoded if pixels is not None]
        if number == 1:
            # The first batch includes the model's warm-up for new input sizes.
            answers.seconds, answers.timed = 0.0, 0
        start = clock()
        results = recognizer.recognize([p for _, p in readable], [options] * len(readable))
        answers.seconds += clock() - start
        answers.timed += len(readable)
        answers.samples += [sample for sample, _ in readable]
        answers.results += results
        progress(len(group))
    return answers


def _pixels(data: DataSet, sample: Sample, answers: Answers) -> Pixels | None:
    """Decode a picture (h, w, 3); if that fails, note the reason and return None."""
    try:
        return decode(data.read(sample.name))
    except BadImage as error:
        answers.unreadable[sample.name] = error.message
    except OSError as error:
        answers.unreadable[sample.name] = error.strerror or str(error)
    return None


def _groups(samples: Sequence[Sample], size: int) -> Iterator[Sequence[Sample]]:
    for start in range(0, len(samples), size):
        yield samples[start : start + size]


def match_labels(labels: Iterable[str], classes: Sequence[str]) -> dict[str, int]:
    """Match labels of a model to classes of data: label -> index of the class.

    Case does not matter; _ and - are spaces. A label may be a list of synonyms, separated by
    commas, and may begin with a number, as labels of ImageNet do. Labels that match no class are
    left out.
    """
    places = {_plain(name): place for place, name in enumerate(classes)}
    places_by_label: dict[str, int] = {}
    for label in labels:
        bare = label[m.end() :] if (m := _NUMBER.match(label)) else label
        for name in (label, bare, *bare.split(",")):
            if _plain(name) in places:
                places_by_label.setdefault(label, places[_plain(name)])
    return places_by_label


def _plain(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())
