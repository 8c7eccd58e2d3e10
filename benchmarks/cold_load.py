"""Time against gas of a call whose model is not in the cache: `python -m benchmarks.cold_load`.

A model is read from state, its chunks hashed, decoded, validated and made ready by a backend, then
run once. The caller pays for the load (bytes of weights, bytes of manifest and graph, operators and
weights) and for the call. `--backend` names another backend than the fastest; the reference path
of the prices is described in docs/gas.md.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from dataclasses import replace

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ[variable] = "1"

import time

from ai_ops import merkle
from ai_ops.backends import select_backend
from ai_ops.backends.base import Backend
from ai_ops.dtype import DType
from ai_ops.graph import Graph, Model, Node
from ai_ops.model import build_model, encode_model, head_of
from ai_ops.operators import make_node
from ai_ops.validate import validate
from benchmarks.gas_cases import PLAIN, RESCALED, input_of, model_of, per_channel, w, x
from genesis.spec import template
from tests.ai_ops.models import port, weight
from tests.support.inference import InferenceState, create, registry
from vm import gas
from vm.models import ModelStore
from vm.registry import calls, facts
from vm.registry.state import registry_of

CONFIG = replace(template("devnet").vm_config, chain_id=1)
CAP = CONFIG.transaction_gas_cap or 0
FULL = {"minimum": -128, "maximum": 127}
REPEATS = 5


def chain(nodes: tuple[Node, ...], shape: tuple[int, ...], weights: int = 0) -> Model:
    """A model whose nodes each read the one before; with weights (8, 8), each has its own."""
    types = (weight(8, 8),) * weights
    graph = Graph(weights=types, nodes=nodes, outputs=(weights + len(nodes),))
    ends = (port("x", DType.I8, shape),), (port("y", DType.I8, shape),)
    return build_model(
        name="cold", inputs=ends[0], outputs=ends[1], graph=graph, weights=bytes(graph.weight_bytes)
    )


def cases() -> Iterator[tuple[str, Model]]:
    """Many operators, large tables, weights that take longest to be made ready."""
    most = CONFIG.limits.operators
    clamps = tuple(make_node("CLAMP", (at,), **FULL) for at in range(most))
    yield f"{most} x CLAMP of 4", chain(clamps, (4,))
    table = tuple(range(-128, 128))
    tables = tuple(make_node("TABLE8", (at,), dtype=1, table=table) for at in range(most))
    yield f"{most} x TABLE8 of 4", chain(tables, (4,))
    half = most // 2
    dense = tuple(
        make_node("GEMM", (0 if at == 0 else half + at, 1 + at), bias=(), **RESCALED)  # type: ignore[arg-type]
        for at in range(half)
    )
    yield f"{half} x GEMM of 8 x 8", chain(dense, (1, 8), half)
    channels = 2**16
    scales = {**per_channel(channels)}
    wide = tuple(make_node("RESCALE", (at,), **scales) for at in range(6))  # type: ignore[arg-type]
    yield f"6 x RESCALE of {channels} channels", chain(wide, (1, channels))
    for rows, depth in ((2048, 2048), (2**22, 1), (1, 2**16), (2, 2**16), (12, 2**16)):
        fields = {"bias": (), **RESCALED, "shifts": (50,)}
        yield (
            f"GEMM {depth} -> {rows}",
            model_of(("GEMM", "cold", (x(1, depth), w(rows, depth)), fields)),
        )
    for filters, kernel, depth, groups in (
        (512, 3, 512, 1),
        (2**16, 1, 2, 2**15),
        (2**20, 1, 1, 2**20),
    ):
        fields = {**PLAIN, "dilations": (1, 1), "groups": groups, "bias": (), **RESCALED}
        fields["shifts"] = (50,)
        operands = (x(1, kernel, kernel, depth * groups), w(filters, kernel, kernel, depth))
        yield (
            f"CONV2D {filters} of {kernel} x {kernel} x {depth}",
            model_of(("CONV2D", "cold", operands, fields)),
        )
    indexes = x(1, dtype=DType.I32, low=0, high=9)
    yield "GATHER of 4 MiB", model_of(("GATHER", "cold", (w(2**16, 64), indexes), {"axis": 0}))


def deployed(state: InferenceState, model: Model) -> bytes:
    """Bring a model into state."""
    data = encode_model(model)
    address = create(state, data)
    for index, chunk in enumerate(merkle.chunks(data)):
        registry(state, calls.PUT_CHUNK, address, index, chunk).raise_if_error()
    registry(state, calls.ACTIVATE, address, gas=CAP).raise_if_error()
    return address


def measure(model: Model, backend: Backend) -> tuple[float, float, int, int]:
    """Return seconds to make it ready, seconds to run it, gas of the cold call, its cold part."""
    state = InferenceState(CONFIG)
    address = deployed(state, model)
    known, data = registry_of(state), input_of(model)
    terms = facts.terms(known, address)
    assert isinstance(terms, facts.Terms)
    price = gas.price(terms, 1, terms.load_q16, CONFIG.prices, data=False)
    validate(head_of(model), len(encode_model(model)), CONFIG.limits)
    ready, runs = [], []
    for _ in range(REPEATS):
        store = ModelStore(backend, CONFIG.limits)
        start = time.process_time()
        loaded = store.loaded(known, address)
        ready.append(time.process_time() - start)
        start = time.process_time()
        loaded.run(data, 1)
        runs.append(time.process_time() - start)
    return min(ready), min(runs), price.record, price.cold_load


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cold_load", description=__doc__)
    parser.add_argument("--backend")
    backend = select_backend(parser.parse_args().backend)
    print(f"{backend.name}\n{'model':<36}{'ready ms':>10}{'run ms':>9}{'gas':>9}{'cold':>8}"
          f"{'ns a gas':>10}")  # fmt: skip
    for name, model in cases():
        ready, run, paid, cold = measure(model, backend)
        rate = (ready + run) / paid * 1e9
        print(f"{name:<36}{ready * 1e3:>10.1f}{run * 1e3:>9.2f}{paid:>9}{cold:>8}{rate:>10.0f}")


if __name__ == "__main__":
    main()
