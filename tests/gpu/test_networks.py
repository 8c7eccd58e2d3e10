"""Whole networks of published shapes on the kernels' source: every digest equals the cpu's."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

import pytest

from ai_ops.backends import select_backend
from ai_ops.executor import load
from ai_ops.graph import Model
from ai_ops.model import encode_model, head_of
from ai_ops.validate import DEFAULT_LIMITS, validate
from tests.gpu.shim_device import COMPILER, ShimBackend

if COMPILER is None:
    pytest.skip("no C compiler: the kernels' source is not run", allow_module_level=True)

networks = import_module("benchmarks.networks")  # its types are nobody's contract
random_call: Callable[[Model], bytes] = import_module("benchmarks.models").random_call

# What each must have been computed by, or the test says little about cards.
NETWORKS: tuple[tuple[Callable[[], Model], set[str]], ...] = (
    (networks.resnet20, {"product_patches_64", "reduce_axes"}),
    (networks.mobilenet, {"product_patches_64", "convolve_depthwise"}),
    (
        lambda: networks.minilm(32),
        {"product_dynamic_rows_64", "attend", "normalize_rows", "quantize_rows"},
    ),
    (lambda: networks.smollm2(64, 2), {"narrow_dynamic_one", "turn_pairs", "update_elements"}),
)


@pytest.mark.parametrize(("make", "kernels"), NETWORKS)
def test_networks(make: Callable[[], Model], kernels: set[str]) -> None:
    model = make()
    facts = validate(head_of(model), len(encode_model(model)), DEFAULT_LIMITS)
    data = random_call(model)
    backend = ShimBackend()
    loaded = load(model, facts, backend)
    want = load(model, facts, select_backend("cpu")).run(data, 1)
    assert loaded.run(data, 1) == want
    assert kernels <= set(backend.shim.launches)
    assert loaded.run(data, 1) == want  # replayed
