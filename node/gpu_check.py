"""What can be said of the gpu backend on this machine: with a card, without one."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from ai_ops.backends import select_backend
from ai_ops.backends.base import Backend
from ai_ops.backends.gpu.machine_code import (
    TENSOR_CORES,
    instructions,
    missing_tools,
    shortcomings,
)
from ai_ops.errors import BackendFault
from ai_ops.executor import Call, load
from node.gpu_vectors import run_vectors, source_tree
from node.model_file import ModelFile, read_model

VERIFIED, NOT_VERIFIED, FAILED = "verified", "not verified", "FAILED"
FUZZ_SECONDS = 3_600
BATCH = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the table.

    Parameters
    ----------
    what : str
    verdict : str
        `VERIFIED`, `NOT_VERIFIED` or `FAILED`.
    detail : str
    seconds : float
    """

    what: str
    verdict: str
    detail: str
    seconds: float = 0.0


def card_backend() -> tuple[Backend | None, str]:
    """Return the backend on a card and the card's name, or None and why not."""
    try:
        backend = select_backend("gpu")
    except BackendFault as fault:
        return None, str(fault)
    return backend, str(getattr(getattr(backend, "device", None), "name", "a card"))


def findings(
    backend: Backend | None, why_not: str, models: Sequence[Path], cases: int
) -> Iterator[Finding]:
    """Yield one finding after another, the slow ones last.

    Parameters
    ----------
    backend : Backend or None
        On a card, self test passed.
    why_not : str
        The reason when there is none.
    models : sequence of Path
        Model files to run.
    cases : int
        Fuzz cases for each operator.
    """
    yield installed()
    yield from machine_code()
    if backend is None:
        yield Finding(
            what="self test, vectors, fuzz cases, models on a card",
            verdict=NOT_VERIFIED,
            detail=why_not,
        )
        yield on_the_processor(cases)
        return
    yield Finding(what="self test", verdict=VERIFIED, detail="every case equals reference")
    yield vectors(backend)
    yield fuzzed("gpu", "fuzz cases on the card", cases)
    for path in models:
        yield model_run(path, backend)


def installed() -> Finding:
    """Say which CuPy is here."""
    for name in ("cupy-cuda12x", "cupy-cuda13x"):
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        return Finding(what="CuPy", verdict=VERIFIED, detail=f"{name} {version} is installed")
    advice = "not installed: pip install 'engram-node[gpu]'"
    return Finding(what="CuPy", verdict=NOT_VERIFIED, detail=advice)


def machine_code() -> Iterator[Finding]:
    """Compile the kernels for each card and read what the compiler made of them."""
    missing = missing_tools()
    for architecture, products in TENSOR_CORES.items():
        what = f"kernels for {architecture}"
        if missing is not None:
            yield Finding(what=what, verdict=NOT_VERIFIED, detail=missing)
            continue
        start = time.perf_counter()
        try:
            counts = instructions(architecture)
            lacks = shortcomings(architecture, counts)
        except BackendFault as fault:
            counts, lacks = {}, (str(fault),)
        detail = f"{len(counts)} compiled and read: {products}, dot products, nothing spilled"
        yield Finding(
            what=what,
            verdict=FAILED if lacks else VERIFIED,
            detail="; ".join(lacks) or detail,
            seconds=time.perf_counter() - start,
        )


def on_the_processor(cases: int) -> Finding:
    """Run the kernels' source on this processor, where the tests and a C compiler are."""
    return fuzzed("gpu-shim", "the kernels' source on this processor", cases)


def fuzzed(name: str, what: str, cases: int) -> Finding:
    """Run the fuzz cases of the tests in a process of their own."""
    root = source_tree()
    if root is None or not (root / "tests" / "fuzz").is_dir():
        detail = "the cases are in the source tree, not in the package: run it from a clone"
        return Finding(what=what, verdict=NOT_VERIFIED, detail=detail)
    if name == "gpu-shim" and not _has_compiler():
        return Finding(what=what, verdict=NOT_VERIFIED, detail="there is no C compiler (gcc or cc)")
    start = time.perf_counter()
    words = ["-m", "tests.fuzz", "--backends", name, "--cases", str(cases), "--jobs", "1"]
    done = subprocess.run(  # noqa: S603 - our own interpreter and tests
        [sys.executable, *words],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=FUZZ_SECONDS,
        check=False,
    )
    lines = (done.stdout if done.returncode in {0, 1} else done.stderr).split("\n")
    last = next((line for line in reversed(lines) if line.strip()), "no output").strip()
    return Finding(
        what=what,
        verdict=VERIFIED if done.returncode == 0 else FAILED,
        detail=f"{last} ({cases} for each operator, against reference)",
        seconds=time.perf_counter() - start,
    )


def _has_compiler() -> bool:
    import shutil

    return any(shutil.which(name) for name in ("gcc", "cc"))


def vectors(backend: Backend) -> Finding:
    """Run every vector of docs/spec."""
    root = source_tree()
    if root is None:
        detail = "they are in the source tree, not in the package: run it from a clone"
        return Finding(what="vectors of docs/spec", verdict=NOT_VERIFIED, detail=detail)
    start = time.perf_counter()
    passed, failures = run_vectors(root, backend)
    return Finding(
        what="vectors of docs/spec",
        verdict=FAILED if failures else VERIFIED,
        detail=f"{passed} passed, {len(failures)} failed" + "".join(f"; {f}" for f in failures[:3]),
        seconds=time.perf_counter() - start,
    )


def model_run(path: Path, backend: Backend) -> Finding:
    """Run a model alone, again and in a batch; outputs and step digests must be those of `cpu`."""
    file = read_model(path)
    start = time.perf_counter()
    calls = random_calls(file, BATCH)
    expected = load(file.model, file.facts, select_backend("cpu")).run_batch(calls)
    try:
        loaded = load(file.model, file.facts, backend)
        alone = [loaded.run(call.data, call.n) for call in (*calls, *calls)]
        together = loaded.run_batch(calls)
    except BackendFault as fault:
        return Finding(what=path.name, verdict=FAILED, detail=str(fault))
    equal = tuple(alone) == (*expected, *expected) and together == expected
    steps = len(expected[0].step_digests)
    return Finding(
        what=path.name,
        verdict=VERIFIED if equal else FAILED,
        detail=f"{BATCH} input(s), {steps} steps each: {'every digest equals cpu' if equal else 'a result differs from cpu'}",
        seconds=time.perf_counter() - start,
    )


def random_calls(file: ModelFile, count: int) -> list[Call]:
    """Draw inputs inside the declared ranges, the same ones every time."""
    random = Random(20261124)  # noqa: S311 - test inputs, not secrets
    n = min(file.model.manifest.maximum_units, 32)
    calls = []
    for _ in range(count):
        parts = []
        for port in file.model.manifest.inputs:
            signed = port.dtype.minimum < 0
            parts += [
                random.randint(port.minimum, port.maximum).to_bytes(
                    port.dtype.itemsize, "little", signed=signed
                )
                for _ in range(port.type.elements(n))
            ]
        calls.append(Call(data=b"".join(parts), n=n))
    return calls
