"""What a model file says of itself: inputs, outputs, operations. One form for every format.

Protocol buffers (.pb, SavedModel, .onnx) and .keras are read as they lie on the disk, without
their libraries; .tflite through LiteRT. One file here for each format.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tools.common.errors import UserError

Shape = tuple[int | None, ...]
MOST_CONSTANT_VALUES = 4  # one per channel; longer constants are weights


@dataclass(frozen=True)
class Tensor:
    """An input or output. `shape` None: unknown; None within: free.

    Quantised: real value = (stored - zero_point) * scale; a scale of 0 says it is not.
    """

    name: str
    shape: Shape | None
    dtype: str
    scale: float = 0.0
    zero_point: int = 0


@dataclass(frozen=True)
class Operation:
    """One step; `shape` is that of its first output, `inputs` the names it takes from."""

    name: str
    type: str
    shape: Shape | None = None
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class NetworkFacts:
    """A model. `constants`: name -> mean of the values, for those of at most four."""

    format: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    operations: tuple[Operation, ...]
    constants: Mapping[str, float] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"NetworkFacts({self.format}, {len(self.operations)} operations)"

    def by_type(self) -> list[tuple[str, int]]:
        """How often each type of operation occurs, the most frequent first."""
        return Counter(op.type for op in self.operations).most_common()


def read(path: Path, shapes: bool = True) -> NetworkFacts:
    """The facts of a model file or SavedModel folder. Raises UserError.

    `shapes`: let TensorFlow find out the shapes within a frozen graph, which takes some seconds.
    """
    # These build on the classes above.
    from tools.network_files import graph, keras, lite, onnx

    if path.name == "saved_model.pb":
        path = path.parent
    if not path.exists():
        raise UserError(f"{path}: no such file.")
    if path.is_dir():
        return graph.saved_model(path)
    readers = {
        ".pb": graph.frozen,
        ".tflite": lite.read,
        ".keras": keras.read,
        ".onnx": onnx.read,
    }
    suffix = path.suffix.lower()
    if suffix not in readers:
        raise UserError(
            f"{path}: expected a .pb, .tflite, .keras or .onnx file or a SavedModel folder."
        )
    facts = readers[suffix](path)
    return graph.with_shapes(facts, path) if shapes and suffix == ".pb" else facts
