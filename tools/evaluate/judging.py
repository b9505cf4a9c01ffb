"""A model's answers to labelled pictures: what it said, how long it took, what was unreadable."""

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
    """What a model said of the pictures that could be read, in their order.

    `unreadable`: name -> why. `seconds` of preparing, inferring and reading the numbers, for
    `timed` pictures; taking the files apart is not in it, as it is the same for every model.
    """

    samples: list[Sample] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    timed: int = 0

    @property
    def milliseconds(self) -> float:
        """Per picture."""
        return 1000 * self.seconds / max(self.timed, 1)


def ask(
    recognizer: Recognizer,
    data: DataSet,
    options: Options,
    batch: int,
    progress: Callable[[int], object] = lambda pictures: None,
    clock: Callable[[], float] = time.perf_counter,
) -> Answers:
    """Let the model see all pictures, `batch` at a time, as the worker does."""
    answers = Answers()
    for number, group in enumerate(_groups(data.samples, batch)):
        read = [(s, _pixels(data, s, answers)) for s in group]
        known = [(sample, pixels) for sample, pixels in read if pixels is not None]
        if number == 1:
            # The first batch paid for sizes that the model had not seen yet.
            answers.seconds, answers.timed = 0.0, 0
        start = clock()
        results = recognizer.recognize([p for _, p in known], [options] * len(known))
        answers.seconds += clock() - start
        answers.timed += len(known)
        answers.samples += [sample for sample, _ in known]
        answers.results += results
        progress(len(group))
    return answers


def _pixels(data: DataSet, sample: Sample, answers: Answers) -> Pixels | None:
    """The picture (h, w, 3); None, and a note why, for one that cannot be read."""
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


def matches(labels: Iterable[str], classes: Sequence[str]) -> dict[str, int]:
    """Label of the model -> place of the class of the data that it means.

    Names are the same whatever the case of their letters, _ and - being spaces. A label may be a
    list of synonyms with commas and have a number before it, as ImageNet's come in. Labels that
    mean no class are left out.
    """
    places = {_plain(name): place for place, name in enumerate(classes)}
    found: dict[str, int] = {}
    for label in labels:
        bare = label[m.end() :] if (m := _NUMBER.match(label)) else label
        for name in (label, bare, *bare.split(",")):
            if _plain(name) in places:
                found.setdefault(label, places[_plain(name)])
    return found


def _plain(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())
