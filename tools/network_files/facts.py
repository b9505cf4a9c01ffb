"""The inputs, outputs and operations of a model file: one form for every format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

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
