"""Small models the tests share."""

from __future__ import annotations

import numpy as np

from ai_ops.dtype import DType
from ai_ops.graph import SYMBOLIC, Graph, Model, Node, Port, TensorType
from ai_ops.model import build_model
from ai_ops.operators import make_node


def port(
    name: str, dtype: DType, shape: tuple[int, ...], low: int | None = None, high: int | None = None
) -> Port:
    return Port(
        name=name,
        dtype=dtype,
        shape=shape,
        scale_mantissa=1,
        scale_exponent=-7,
        minimum=dtype.minimum if low is None else low,
        maximum=dtype.maximum if high is None else high,
    )


def weight(*shape: int, dtype: DType = DType.I8) -> TensorType:
    return TensorType(dtype=dtype, shape=shape)


def dense(x: int, w: int, units: int, low: int = -127, dtype: DType = DType.I8) -> Node:
    top = 127 if dtype is DType.I8 else dtype.maximum
    return make_node(
        "GEMM",
        (x, w),
        bias=tuple(range(units)),
        multipliers=(2**30,),
        shifts=(38 if dtype is DType.I8 else 30,),
        dtype=dtype.code,
        minimum=low if dtype is DType.I8 else dtype.minimum,
        maximum=top,
    )


def convolution(x: int, w: int, filters: int) -> Node:
    return make_node(
        "CONV2D",
        (x, w),
        strides=(1, 1),
        padding=(0, 0, 0, 0),
        dilations=(1, 1),
        groups=1,
        bias=tuple(range(filters)),
        multipliers=tuple(2**30 + channel for channel in range(filters)),
        shifts=(37,) * filters,
        dtype=DType.I8.code,
        minimum=0,
        maximum=127,
    )


def pool(x: int) -> Node:
    return make_node("MAX_POOL2D", (x,), kernel=(2, 2), strides=(2, 2), padding=(0, 0, 0, 0))


def random_bytes(count: int, seed: int) -> bytes:
    return np.random.default_rng(seed).bytes(count)


def mlp(seed: int = 1, maximum_units: int = 4) -> Model:
    """Two dense layers over a batch of n rows."""
    graph = Graph(
        weights=(weight(16, 8), weight(4, 16)),
        nodes=(dense(0, 1, 16, low=0), dense(3, 2, 4)),
        outputs=(4,),
    )
    return build_model(
        name="mlp",
        inputs=(port("x", DType.I8, (SYMBOLIC, 8)),),
        outputs=(port("y", DType.I8, (SYMBOLIC, 4)),),
        graph=graph,
        weights=random_bytes(graph.weight_bytes, seed),
        maximum_units=maximum_units,
    )


def lenet(seed: int = 2) -> Model:
    """LeNet-5 on 28x28 digits, NHWC, as many multiply-accumulates as the real one."""
    graph = Graph(
        weights=(
            weight(6, 5, 5, 1),
            weight(16, 5, 5, 6),
            weight(120, 256),
            weight(84, 120),
            weight(10, 84),
        ),
        nodes=(
            convolution(0, 1, 6),
            pool(6),
            convolution(7, 2, 16),
            pool(8),
            make_node("RESHAPE", (9,), shape=(SYMBOLIC, 256)),
            dense(10, 3, 120, low=0),
            dense(11, 4, 84, low=0),
            dense(12, 5, 10, dtype=DType.I32),
        ),
        outputs=(13,),
    )
    return build_model(
        name="lenet-5",
        inputs=(port("image", DType.I8, (SYMBOLIC, 28, 28, 1)),),
        outputs=(port("logits", DType.I32, (SYMBOLIC, 10)),),
        graph=graph,
        weights=random_bytes(graph.weight_bytes, seed),
        maximum_units=64,
    )
