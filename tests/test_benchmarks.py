"""The benchmarks measure what they say: rows that should agree do, before anything is timed."""

from __future__ import annotations

import numpy as np

from ai_ops.model import decode_model
from benchmarks.inference import MODEL, chain_rows, float_lenet


def test_the_layer_by_infer_equals_the_layer_as_evm_code() -> None:
    image = np.random.default_rng(1).integers(0, 128, 784, dtype=np.int8)
    rows = chain_rows(decode_model(MODEL.read_bytes()), image.tobytes())  # asserts the equality
    gas = {row.name: row.gas for row in rows}
    by_infer, by_code = gas["one dense layer by INFER"], gas["the same layer as EVM code"]
    assert by_infer is not None
    assert by_code is not None
    assert by_infer < by_code


def test_the_float_network_has_ten_outputs() -> None:
    run = float_lenet(decode_model(MODEL.read_bytes()))
    assert run(np.zeros(784, dtype=np.float32)).shape == (10,)
