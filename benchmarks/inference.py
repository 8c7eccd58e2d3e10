"""An inference through the chain beside the bare engine, float libraries and plain EVM code.

    python -m benchmarks.inference [--rounds 7]

Every row runs the same LeNet-5 (`genesis/models/digits.egm`) on one thread, in turn, and the
table shows medians and ratios to the first row. ONNX Runtime is measured when it is installed.
The last two rows are one dense layer (120 to 84) as a model and as EVM bytecode.
"""

from __future__ import annotations

import os

# Before NumPy: libraries read their thread counts once.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import argparse
import importlib.metadata
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ai_ops.backends import select_backend
from ai_ops.dtype import DType
from ai_ops.executor import load
from ai_ops.graph import Graph, Model, Node, Port, TensorType
from ai_ops.model import build_model, decode_model, head_of
from ai_ops.validate import DEFAULT_LIMITS, validate
from benchmarks.evm_layer import dense_bytecode
from tests.support.chain import ADDRESSES, Chain
from tests.support.chain_models import deploy
from vm.results import Account
from vm.transition import build_block, import_block

MODEL = Path(__file__).resolve().parent.parent / "genesis" / "models" / "digits.egm"
CALLER, DENSE_CALLER, DENSE_CODE = (bytes([0xAA, tail]) * 10 for tail in (1, 2, 3))
BLOCK_CALLS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One thing to time; `calls` inferences per run."""

    name: str
    run: Callable[[], Any]
    calls: int = 1
    gas: int | None = None


def weights_of(model: Model) -> list[np.ndarray]:
    arrays, offset = [], 0
    for kind in model.graph.weights:
        count = kind.elements(1)
        flat = np.frombuffer(model.weights, np.int8, count, offset)
        arrays.append(flat.reshape(kind.shape))
        offset += count
    return arrays


def float_lenet(model: Model) -> Callable[[np.ndarray], np.ndarray]:
    """The same layers in float32 NumPy: patches times weights, as a person would write it."""
    conv1, conv2, *dense = (w.astype(np.float32) / 64 for w in weights_of(model))
    flat = [np.ascontiguousarray(w.reshape(len(w), -1).T) for w in (conv1, conv2)]
    dense = [np.ascontiguousarray(w.T) for w in dense]

    def convolve(x: np.ndarray, w: np.ndarray) -> np.ndarray:
        patches = np.lib.stride_tricks.sliding_window_view(x, (5, 5), axis=(0, 1))
        rows, columns = patches.shape[:2]
        y = patches.transpose(0, 1, 3, 4, 2).reshape(rows * columns, -1) @ w
        y = np.maximum(y, 0).reshape(rows // 2, 2, columns // 2, 2, -1)
        pooled: np.ndarray = y.max(axis=(1, 3))
        return pooled

    def run(image: np.ndarray) -> np.ndarray:
        x = np.pad(image.reshape(28, 28, 1), ((2, 2), (2, 2), (0, 0)))
        x = convolve(convolve(x, flat[0]), flat[1]).reshape(-1)
        for layer, w in enumerate(dense):
            x = x @ w
            if layer < len(dense) - 1:
                x = np.maximum(x, 0)
        return np.asarray(x)

    return run


def onnx_lenet(model: Model) -> Callable[[np.ndarray], Any] | None:
    """The same layers in ONNX Runtime, float32, one thread; None when it is not installed."""
    try:
        import onnxruntime
        from onnx import TensorProto, helper, numpy_helper
    except ImportError:
        return None
    nodes, constants, x = [], [], "image"
    for index, w in enumerate(weights_of(model)):
        floats = w.astype(np.float32) / 64
        name = f"w{index}"
        if w.ndim == 4:
            floats = np.ascontiguousarray(floats.transpose(0, 3, 1, 2))
            pads = [2, 2, 2, 2] if index == 0 else [0, 0, 0, 0]
            nodes.append(helper.make_node("Conv", [x, name], [f"c{index}"], pads=pads))
            nodes.append(helper.make_node("Relu", [f"c{index}"], [f"r{index}"]))
            pool = {"kernel_shape": [2, 2], "strides": [2, 2]}
            nodes.append(helper.make_node("MaxPool", [f"r{index}"], [f"p{index}"], **pool))
            x = f"p{index}"
            if index == 1:
                nodes.append(helper.make_node("Flatten", [x], ["flat"]))
                x = "flat"
        else:
            last = index == 4
            out = "out" if last else f"g{index}"
            nodes.append(helper.make_node("Gemm", [x, name], [out], transB=1))
            if not last:
                nodes.append(helper.make_node("Relu", [out], [f"a{index}"]))
            x = out if last else f"a{index}"
        constants.append(numpy_helper.from_array(floats, name))
    graph = helper.make_graph(
        nodes,
        "lenet",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 1, 28, 28])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 10])],
        constants,
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options)
    return lambda image: session.run(None, {"image": image})


def dense_model(weights: np.ndarray) -> Model:
    """One GEMM of int8 inputs whose output is the sum itself, as int32."""
    rows, inputs = weights.shape
    lo, hi = DType.I32.minimum, DType.I32.maximum

    def port(name: str, dtype: DType, size: int) -> Port:
        return Port(
            name=name, dtype=dtype, shape=(1, size), scale_mantissa=1, scale_exponent=0,
            minimum=dtype.minimum, maximum=dtype.maximum,
        )  # fmt: skip

    attributes = (
        ("bias", ()), ("multipliers", (2,)), ("shifts", (1,)),
        ("dtype", DType.I32.code), ("minimum", lo), ("maximum", hi),
    )  # fmt: skip
    return build_model(
        name="dense",
        inputs=(port("x", DType.I8, inputs),),
        outputs=(port("y", DType.I32, rows),),
        graph=Graph(
            weights=(TensorType(dtype=DType.I8, shape=weights.shape),),
            nodes=(Node(operator="GEMM", inputs=(0, 1), attributes=attributes),),
            outputs=(2,),
        ),
        weights=weights.tobytes(),
    )


def caller(model: bytes) -> bytes:
    """Code that runs INFER on its call data and returns what INFER returned.

    CALLDATACOPY(0, 0, CALLDATASIZE); INFER(model, 0, CALLDATASIZE, 0, 0); POP;
    RETURNDATACOPY(0, 0, RETURNDATASIZE); RETURN(0, RETURNDATASIZE)
    """
    return bytes.fromhex("365f5f37 5f5f365f73") + model + bytes.fromhex("c050 3d5f5f3e 3d5ff3")


def chain_rows(model: Model, image: bytes) -> list[Row]:
    weights = weights_of(model)[3]
    layer = dense_model(weights)
    zero = np.zeros(len(weights), dtype=np.int32)
    chain = Chain({DENSE_CODE: Account(nonce=1, code=dense_bytecode(weights, zero))})
    for target, net in ((CALLER, model), (DENSE_CALLER, layer)):
        code = caller(deploy(chain, net))
        chain.store.update(chain_with_code(chain, target, code))
    vector = image[300:420]
    plain = chain.call(sender=ADDRESSES[1], to=DENSE_CODE, data=vector)
    model_call = chain.call(sender=ADDRESSES[1], to=DENSE_CALLER, data=vector)
    words = [
        int.from_bytes(plain.output[at : at + 32], "big", signed=True)
        for at in range(0, len(plain.output), 32)
    ]
    assert words == np.frombuffer(model_call.output, "<i4").tolist(), "layer and bytecode differ"
    calls = [
        chain.transaction(index % 10, to=CALLER, data=image, gas=200_000, nonce=nonce)
        for index in range(BLOCK_CALLS)
        for nonce in [chain_nonce(chain, index % 10) + index // 10]
    ]
    context = chain.context()
    built = build_block(chain.config, chain.store, chain.head, context, calls)
    assert [receipt.status for receipt in built.result.receipts] == [1] * BLOCK_CALLS
    block, sidecar = built.result.block, built.result.sidecar

    def call(target: bytes, data: bytes) -> Callable[[], Any]:
        return lambda: chain.call(sender=ADDRESSES[1], to=target, data=data)

    whole = call(CALLER, image)
    return [
        Row(name="eth_call of a contract with INFER", run=whole, gas=whole().gas_used),
        Row(
            name=f"mined, a block of {BLOCK_CALLS} calls built",
            run=lambda: build_block(chain.config, chain.store, chain.head, context, calls),
            calls=BLOCK_CALLS,
            gas=built.result.receipts[0].gas_used,
        ),
        Row(
            name=f"imported, a block of {BLOCK_CALLS} calls",
            run=lambda: import_block(chain.config, chain.store, chain.head, block, sidecar),
            calls=BLOCK_CALLS,
        ),
        Row(
            name="one dense layer by INFER",
            run=call(DENSE_CALLER, vector),
            gas=model_call.gas_used,
        ),
        Row(name="the same layer as EVM code", run=call(DENSE_CODE, vector), gas=plain.gas_used),
    ]


def chain_nonce(chain: Chain, index: int) -> int:
    from vm.world import account

    return account(chain.store, chain.head.state_root, ADDRESSES[index]).nonce


def chain_with_code(chain: Chain, target: bytes, code: bytes) -> dict[bytes, bytes]:
    """Create a contract at `target` by editing the newest state, as a genesis would."""
    from dataclasses import replace

    from vm.database import Overlay
    from vm.journal import JournaledState

    overlay = Overlay(chain.store)
    journal = JournaledState(overlay, chain.head.state_root)
    journal.set_code(target, code)
    journal.end_transaction()
    chain.headers[-1] = replace(chain.head, state_root=journal.commit_root())
    return dict(overlay.writes)


def measure(rows: list[Row], rounds: int) -> dict[str, float]:
    """Median seconds per inference; the rows take turns, so that drift hits all of them."""
    times: dict[str, list[float]] = {row.name: [] for row in rows}
    for row in rows:
        row.run()
    for _ in range(rounds):
        for row in rows:
            repeats, start = 0, time.perf_counter()
            while time.perf_counter() - start < 0.2:
                row.run()
                repeats += 1
            elapsed = time.perf_counter() - start
            times[row.name].append(elapsed / repeats / row.calls)
    return {name: statistics.median(values) for name, values in times.items()}


def cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    model = decode_model(MODEL.read_bytes())
    facts = validate(head_of(model), len(MODEL.read_bytes()), DEFAULT_LIMITS)
    image = np.random.default_rng(1).integers(0, 128, 784, dtype=np.int8).tobytes()
    floats = np.frombuffer(image, np.int8).astype(np.float32).reshape(1, 1, 28, 28)
    fast, plain = (load(model, facts, select_backend(name)) for name in (None, "reference"))
    numpy_net, onnx_net = float_lenet(model), onnx_lenet(model)
    rows = [
        Row(name=f"bare engine, {fast.backend.name} backend", run=lambda: fast.run(image, 1)),
        Row(name="bare engine, reference backend", run=lambda: plain.run(image, 1)),
        Row(name="NumPy float32", run=lambda: numpy_net(floats)),
    ]
    if onnx_net is not None:
        rows.append(Row(name="ONNX Runtime float32", run=lambda: onnx_net(floats)))
    rows += chain_rows(model, image)
    medians = measure(rows, rounds)
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}"
        for name in ("numpy", "numba", "py-evm", "onnxruntime")
        if name != "onnxruntime" or onnx_net is not None
    )
    print(f"{cpu_name()}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}")
    print(f"\n{'':44}{'us':>10}{'ratio':>9}{'gas':>10}")
    base = medians[rows[0].name]
    for row in rows:
        seconds = medians[row.name]
        gas = "" if row.gas is None else f"{row.gas:,}"
        print(f"{row.name:44}{seconds * 1e6:>10.0f}{seconds / base:>9.2f}{gas:>10}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
