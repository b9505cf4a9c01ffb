"""Changes to an OpenVINO network before it is compiled: cut at layers, batch fixed or freed.

Nothing here imports the library; `ov` is the package, `network` an `ov.Model`, `port` one of its
inputs, outputs or tensors.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scai.engines.base import ModelFile, missing_layer, plain_name


def port_sides(port: Any) -> tuple[int | None, ...]:
    """The shape of a port; None for a free side, (None,) where even the rank is free."""
    shape = port.get_partial_shape()
    if shape.rank.is_dynamic:
        return (None,)
    return tuple(None if side.is_dynamic else side.get_length() for side in shape)


def port_name(port: Any, layer: str = "") -> str:
    """The name of a port: the configured one, else the one in the model's file.

    Operations that only pass a tensor on are optimised away and leave their names to it, so a
    tensor may have several; the result node keeps the one that the file's end had.
    """
    if layer:
        return plain_name(layer)
    own = str(port.node.get_friendly_name()).removesuffix(":0")
    names = sorted(str(name).removesuffix(":0") for name in port.get_names())
    return own if own in names or not names else names[0]


def port_dtype(port: Any) -> str:
    """The dtype of a port by its NumPy name."""
    return str(np.dtype(port.get_element_type().to_dtype()))


def network_between(ov: Any, network: Any, model: ModelFile) -> Any:
    """The part of the network between the layers that `model` names; all of it if it names none.

    Raises ConfigError for a layer that the network does not have.
    """
    ports = _ports(network)
    outputs = [_find(ports, name, model) for name in model.outputs] or list(network.outputs)
    sources = [_find(ports, name, model) for name in model.inputs]
    parameters = []
    for source in sources:
        if source.node.get_type_name() == "Parameter":
            parameters.append(source.node)
            continue
        parameter = ov.opset8.parameter(source.get_partial_shape(), source.get_element_type())
        parameter.output(0).set_names(source.get_names())
        for target in source.get_target_inputs():
            target.replace_source_output(parameter.output(0))
        parameters.append(parameter)
    if not model.outputs and not any(s.node.get_type_name() != "Parameter" for s in sources):
        return network
    # An output of the network is a Result node; the model is made of what comes before it.
    ends = [
        port.node.input_value(0) if port.node.get_type_name() == "Result" else port
        for port in outputs
    ]
    return ov.Model(ends, parameters or list(network.get_parameters()), "cut")


def _ports(network: Any) -> dict[str, Any]:
    """Every tensor of the network by its own names and by its operation's name."""
    ports: dict[str, Any] = {}
    for node in network.get_ordered_ops():
        if node.get_type_name() == "Result":
            continue
        for port in node.outputs():
            for name in port.get_names():
                ports[name.removesuffix(":0")] = port
        if node.get_output_size():
            ports.setdefault(node.get_friendly_name(), node.output(0))
    for port in network.outputs:
        for name in port.get_names():
            ports[name.removesuffix(":0")] = port.node.input_value(0)
    return ports


def _find(ports: dict[str, Any], layer: str, model: ModelFile) -> Any:
    exact = layer.removeprefix("import/").removesuffix(":0")
    for name in (exact, plain_name(layer)):
        if name in ports:
            return ports[name]
    raise missing_layer(layer, ports, model)


def fix_batch(network: Any) -> None:
    """Set a free batch of the input to 1."""
    shape = network.inputs[0].get_partial_shape()
    if shape[0].is_dynamic:
        shape[0] = 1
        network.reshape({network.inputs[0]: shape})


def free_batch(ov: Any, network: Any) -> None:
    """Make the first axis of the input free, and with it that of every reshape behind it."""
    shape = network.inputs[0].get_partial_shape()
    shape[0] = ov.Dimension(-1)
    network.reshape({network.inputs[0]: shape})
    while _free_one_reshape(ov, network):
        network.validate_nodes_and_infer_types()


def _free_one_reshape(ov: Any, network: Any) -> bool:
    """Let the first reshape to a constant [1, n] keep its batch; False when there is none."""
    for node in network.get_ordered_ops():
        if node.get_type_name() != "Reshape":
            continue
        source, pattern = node.input_value(0), node.input_value(1).node
        shape = source.get_partial_shape()
        if pattern.get_type_name() != "Constant" or shape.rank.is_dynamic or not len(shape):
            continue
        sides = np.array(pattern.get_data()).ravel()
        if shape[0].is_static or not len(sides) or sides[0] != 1 or 0 in sides:
            continue
        sides[0] = 0  # 0: as in the source
        new_reshape = ov.opset8.reshape(source, ov.opset8.constant(sides), True)
        new_reshape.output(0).set_names(node.output(0).get_names())
        for target in node.output(0).get_target_inputs():
            target.replace_source_output(new_reshape.output(0))
        return True
    return False
