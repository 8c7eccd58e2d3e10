"""Whole networks on every backend: `python -m benchmarks.models [--profile NETWORK]`.

One thread, CPU time of it; medians of rounds in which the backends take turns. All digests are made. The last
columns say what they cost on the fastest variant: the same graph run so that only digests are made.
`--profile` prints what each operator takes of one run instead, `--threads` how calls in two threads
scale.
"""

from __future__ import annotations

import os

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import hashlib
import importlib.metadata
import math
import platform
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import numpy as np

from ai_ops.backends import BACKENDS, select_backend
from ai_ops.backends.native_backend import NativeBackend
from ai_ops.backends.native_program import NativeRunner
from ai_ops.errors import BackendFault
from ai_ops.executor import LoadedModel, load, program_of
from ai_ops.graph import Model
from ai_ops.model import decode_model, encode_model, head_of
from ai_ops.native.library import NativeKernel
from ai_ops.planner import plan_memory
from ai_ops.validate import DEFAULT_LIMITS, ModelFacts, validate
from benchmarks import networks
from benchmarks.inference import MODEL, cpu_name, onnx_lenet

NETWORKS: dict[str, Callable[[], Model]] = {
    "LeNet-5": lambda: decode_model(Path(MODEL).read_bytes()),
    "ResNet-20, 32": networks.resnet20,
    "MobileNet, 224": networks.mobilenet,
    "MiniLM, 128": networks.minilm,
    "SmolLM2, token": networks.smollm2,
}
SHORT_SECONDS = 0.04
SHORT_ROUNDS = 10
TRIES = ("native-vnni", "native-avx2", "native-baseline", "numba")


def prepared(model: Model) -> tuple[ModelFacts, dict[str, LoadedModel]]:
    """Load a model on every backend of this machine."""
    facts = validate(head_of(model), len(encode_model(model)), DEFAULT_LIMITS)
    loaded = {}
    for name in TRIES:
        try:
            loaded[name] = load(model, facts, select_backend(name))
        except BackendFault as fault:
            print(f"left out: {fault}", file=sys.stderr)
    return facts, loaded


def random_call(model: Model) -> bytes:
    parts = []
    for at, port in enumerate(model.manifest.inputs):
        random = np.random.default_rng(at)
        size = port.type.elements(1)
        drawn = random.integers(port.minimum, port.maximum, size, endpoint=True)
        parts.append(drawn.astype(port.dtype.numpy).tobytes())
    return b"".join(parts)


def microseconds(rows: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median time of each row; they take turns, so that drift hits all of them."""
    times = defaultdict(list)
    repeats = {}
    for name, run in rows.items():
        run()
        start = time.thread_time()
        run()
        repeats[name] = max(1, int(0.02 / (time.thread_time() - start)))
    for _ in range(rounds):
        for name, run in rows.items():
            start = time.thread_time()
            for _ in range(repeats[name]):
                run()
            times[name].append((time.thread_time() - start) / repeats[name])
    return {name: statistics.median(found) * 1e6 for name, found in times.items()}


def digests_only(loaded: LoadedModel, data: bytes) -> dict[str, Callable[[], object]]:
    """Return two runs of the same graph: all digests of what happens to lie there, and nothing.

    The second copies inputs and outputs as the first does.
    """
    if not isinstance(loaded.backend, NativeBackend):
        return {}
    program = loaded.program
    nothing = [None] * len(program.steps)
    plans = [plan_memory(program, 1)]
    hashing, idle = (
        NativeRunner(program, loaded.backend.variant, nothing, plans) for _ in range(2)
    )
    idle._segments = ()  # noqa: SLF001  a run of no steps is no use elsewhere
    return {"digests": lambda: hashing.run(data, 1, None), "idle": lambda: idle.run(data, 1, None)}


def table(chosen: list[str], rounds: int) -> None:
    print(
        f"{'network':<17}{'MMAC':>8}",
        *(f"{name:>16}" for name in TRIES),
        f"{'MB':>9}{'digests':>9}",
    )
    for name in chosen:
        model = NETWORKS[name]()
        facts, loaded = prepared(model)
        data = random_call(model)
        results = {key: ready.run(data, 1) for key, ready in loaded.items()}
        assert len(set(results.values())) == 1, f"{name}: the backends differ"
        rows: dict[str, Callable[[], object]] = {
            key: (lambda ready=ready, data=data: ready.run(data, 1))
            for key, ready in loaded.items()
        }
        fastest = next(iter(loaded))
        rows.update(digests_only(loaded[fastest], data))
        if name == "LeNet-5" and (session := onnx_lenet(model)) is not None:
            image = np.zeros((1, 1, 28, 28), np.float32)
            rows["ONNX Runtime float32"] = lambda session=session, image=image: session(image)
        medians = microseconds(rows, rounds)
        digests = medians.get("digests", 0) - medians.get("idle", 0)
        share = 100 * digests / medians[fastest]
        hashed = facts.cost.at(1)["digest_bytes"] / 1e6
        cells = [f"{medians[key]:>13.0f} us" if key in medians else f"{'':>16}" for key in TRIES]
        print(
            f"{name:<17}{facts.macs / 1e6:>8.1f}",
            *cells,
            f"{hashed:>9.2f}{share:>8.1f}%",
            flush=True,
        )
        if "ONNX Runtime float32" in medians:
            print(f"{'  ONNX Runtime float32':<25}{medians['ONNX Runtime float32']:>14.0f} us")


def scaling(work: Callable[[], None], rounds: int) -> float:
    """Return how often two threads do the work in the time of one, on the clock.

    The least time of each, over rounds short enough to fall between what else the machine does.
    """
    least = [math.inf, math.inf]
    for _ in range(rounds * SHORT_ROUNDS):
        for index, count in enumerate((1, 2)):
            workers = [Thread(target=work) for _ in range(count)]
            start = time.perf_counter()
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            least[index] = min(least[index], time.perf_counter() - start)
    return 2 * least[0] / least[1]


def threads(chosen: list[str], rounds: int) -> None:
    """Print how calls in two threads scale, beside hashing, which holds no lock either."""
    block = bytes(2**24)

    def control() -> None:
        for _ in range(2):
            hashlib.sha256(block).digest()

    print(f"{'control: SHA-256':<17}{scaling(control, rounds):>6.2f} times the work in two threads")
    for name in chosen:
        model = NETWORKS[name]()
        facts = validate(head_of(model), len(encode_model(model)), DEFAULT_LIMITS)
        ready, data = load(model, facts, select_backend("native")), random_call(model)
        start = time.perf_counter()
        ready.run(data, 1)
        calls = max(2, int(SHORT_SECONDS / (time.perf_counter() - start)))

        def work(ready=ready, data=data, calls=calls) -> None:
            for _ in range(calls):
                ready.run(data, 1)

        print(f"{name:<17}{scaling(work, rounds):>6.2f} times the calls in two threads", flush=True)


def profile(name: str, backend: str, rounds: int) -> None:
    """Print what each operator takes of one run, digests included."""
    model = NETWORKS[name]()
    facts = validate(head_of(model), len(encode_model(model)), DEFAULT_LIMITS)
    chosen = select_backend(backend)
    runner = load(model, facts, chosen).runner
    assert isinstance(runner, NativeRunner), "only the native backend can be profiled"
    program, data = program_of(model, facts), random_call(model)
    times: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        spent: dict[str, float] = defaultdict(float)
        start = time.thread_time()
        for index in runner.step_by_step(data, 1):
            now = time.thread_time()
            spent[label(program.steps[index].node.operator, chosen, program, index)] += now - start
            start = time.thread_time()
        for key, seconds in spent.items():
            times[key].append(seconds)
    medians = {key: statistics.median(found) * 1e6 for key, found in times.items()}
    for key, spent_us in sorted(medians.items(), key=lambda item: -item[1]):
        print(f"{key:<32}{spent_us:>10.0f} us{100 * spent_us / sum(medians.values()):>7.1f}%")
    print(f"{'all':<32}{sum(medians.values()):>10.0f} us")


def label(operator: str, backend: object, program, index: int) -> str:
    assert isinstance(backend, NativeBackend)
    step = program.steps[index]
    if operator == "RESHAPE":
        return operator
    kernel = backend.prepare(step.node, program.input_values(step), program.output_values(step), {})
    return operator if isinstance(kernel, NativeKernel) else f"{operator} (not in C)"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--network", action="append", choices=tuple(NETWORKS))
    parser.add_argument("--threads", action="store_true", help="how two threads scale instead")
    parser.add_argument("--profile", choices=tuple(NETWORKS))
    parser.add_argument("--backend", default="native", choices=("native", *BACKENDS))
    options = parser.parse_args()
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("numpy", "numba", "onnxruntime")
    )
    print(f"{cpu_name()}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}")
    if options.profile:
        profile(options.profile, options.backend, options.rounds)
    elif options.threads:
        threads(options.network or list(NETWORKS), options.rounds)
    else:
        table(options.network or list(NETWORKS), options.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
