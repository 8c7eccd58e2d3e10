"""ATen's normalizations of a sample: over the last axis, or over groups of channels."""

from __future__ import annotations

import numpy as np

from ai_ops.importers.float_graph import FloatNode
from ai_ops.importers.norms import grouped_norm
from ai_ops.importers.torch_calls import Call
from ai_ops.importers.torch_resize import maker


def layer_norm(call: Call) -> FloatNode:
    """Read layer_norm and native_layer_norm over the last axis."""
    shape = list(call.get("normalized_shape"))
    if len(shape) != 1:
        raise call.refuse("only a normalization over the last axis is read")
    put = call.reader.put
    weight = np.ones(shape[0]) if call.get("weight") is None else call.required("weight")
    bias = np.zeros(shape[0]) if call.get("bias") is None else call.required("bias")
    return call.node(
        "layer_norm",
        (call.value("input"),),
        weight=put(call.name, weight),
        bias=put(call.name, bias),
        epsilon=float(call.get("eps", 1e-5)),
    )


def rms_norm(call: Call) -> FloatNode:
    """Read rms_norm over the last axis."""
    shape = list(call.get("normalized_shape"))
    if len(shape) != 1:
        raise call.refuse("only a normalization over the last axis is read")
    weight = np.ones(shape[0]) if call.get("weight") is None else call.required("weight")
    epsilon = call.get("eps")
    return call.node(
        "rms_norm",
        (call.value("input"),),
        weight=call.reader.put(call.name, weight),
        epsilon=float(np.finfo(np.float32).eps if epsilon is None else epsilon),
    )


def group_norm(call: Call) -> list[FloatNode]:
    """Read group_norm and instance_norm: each group is one row of a layer normalization."""
    shape = call.reader.shapes[call.value("input")]
    channels = shape[1]
    groups = int(call.get("num_groups", channels))
    if -1 in shape[1:] or call.get("running_mean") is not None:
        raise call.refuse("fixed sizes and the sample's own statistics are read")
    return grouped_norm(
        maker(call),
        call.name,
        call.value("input"),
        (groups, shape),
        (call.constant("weight"), call.constant("bias"), float(call.get("eps", 1e-5))),
        call.reader.put,
    )
