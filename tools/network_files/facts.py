"""The inputs, outputs and operations of a model file: one form for every format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

Shape = tuple[int | None, ...]
MAX_CONSTANT_VALUES = 4  # one for each channel; longer constants are weights


@dataclass(frozen=True)
class Tensor:
    """An input or output. `shape` None: unknown; None within: free.

    Quantised values: real value = (stored - zero_point) * scale; `scale` 0: not quantised.
    """

    name: str
    shape: Shape | None
    dtype: str
    scale: float = 0.0
    zero_point: int = 0


@dataclass(frozen=True)
class GraphOperation:
    """One operation; `shape` is that of its first output, `inputs` the names of its inputs."""

    name: str
    type: str
    shape: Shape | None = None
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class NetworkFacts:
    """The facts of a model. `constants`: name -> mean value, for constants of up to four values."""

    format: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    operations: tuple[GraphOperation, ...]
    constants: Mapping[str, float] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"NetworkFacts({self.format}, {len(self.operations)} operations)"

    def by_type(self) -> list[tuple[str, int]]:
        """Count the operations of each type, the most frequent first."""
        return Counter(op.type for op in self.operations).most_common()
