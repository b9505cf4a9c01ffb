"""int8 for detectors: the body of convolutions, and what follows it in float32.

Box coordinates and the choice among overlapping boxes do not survive 256 steps.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tools.network_files import lite
from tools.network_files.facts import GraphOperation

_LAYERS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")


def quantize(converter: Any, float32: Path) -> bytes:
    """Convert with a converter set up for int8; `float32`: the same network unquantised."""
    import tensorflow as tf

    options = tf.lite.experimental.QuantizationDebugOptions(
        denylisted_nodes=tail(lite.read(float32).operations)
    )
    # The debugger is TensorFlow's only public way to exclude operations.
    made = tf.lite.experimental.QuantizationDebugger(
        converter=converter,
        debug_dataset=converter.representative_dataset,
        debug_options=options,
    )
    return bytes(made.get_nondebug_quantized_model())


def tail(operations: Sequence[GraphOperation]) -> list[str]:
    """List the operations behind which no layer follows, by the names of their outputs."""
    users: dict[str, list[GraphOperation]] = {}
    for operation in operations:
        for name in operation.inputs:
            users.setdefault(name, []).append(operation)

    @functools.cache
    def leads_to_layer(name: str) -> bool:
        return any(t.type in _LAYERS or leads_to_layer(t.name) for t in users.get(name, []))

    return [operation.name for operation in operations if not leads_to_layer(operation.name)]
