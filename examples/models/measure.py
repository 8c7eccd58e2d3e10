"""What every recipe does with its integer model: run it, price it, time it, write its table row."""

import argparse
import datetime as dt
import json
import math
import resource
import statistics
import time
from pathlib import Path

import numpy as np

from ai_ops.backends import select_backend
from ai_ops.errors import BackendFault
from ai_ops.executor import load
from ai_ops.graph import SYMBOLIC
from ai_ops.importers.report import port_scale, quantize
from ai_ops.model import decode_model, head_of
from ai_ops.validate import DEFAULT_LIMITS, validate
from examples.models.table import write_tables
from vm.gas import access_gas, coefficients, fraction_gas
from vm.prices import InferencePrices

HERE = Path(__file__).parent
ROWS = HERE / "rows.json"
README = HERE / "README.md"
TIMED_BACKENDS = ("native", "numba")
TIMED_RUNS = 9
SHORTEST_RUN = 0.02
"""Seconds: shorter calls are repeated until a run takes this long."""


def _folder(name):
    try:
        Path(name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{name}: {error.strerror}") from error
    return Path(name)


def arguments(doc):
    """Return the parser of a recipe's command line, with the option that all of them have."""
    parser = argparse.ArgumentParser(description=doc.partition("\n")[0])
    parser.add_argument("--out", type=_folder, default="build/models", help="folder of the model")
    return parser


class IntegerModel:
    """An integer model on this machine's fastest backend."""

    def __init__(self, data, *, channels_last=False):
        self.data = data
        self.model = decode_model(data)
        self.facts = validate(head_of(self.model), len(data), DEFAULT_LIMITS)
        self.backend = select_backend(None)
        self.loaded = load(data, self.facts, self.backend)
        self.size = len(data)
        self.channels_last = channels_last

    def input(self, sample):
        """Return the bytes of one float sample without its sample axis."""
        (port,) = self.model.manifest.inputs
        return quantize(port, np.asarray(sample, np.float32)[None], self.channels_last)

    def run(self, samples):
        """Return one float64 array (samples, ...) for each output."""
        parts = [[] for _ in self.model.manifest.outputs]
        for sample in samples:
            raw, offset = self.loaded.run(self.input(sample), 1).output, 0
            for port, part in zip(self.model.manifest.outputs, parts, strict=True):
                size = port.type.size(1)
                integers = np.frombuffer(raw[offset : offset + size], port.dtype.numpy)
                part.append(integers.reshape(port.shape[1:]) * port_scale(port))
                offset += size
        return [np.stack(part) for part in parts]

    def call(self, sample):
        """Return the bytes of the call that is priced and timed, and its n."""
        return self.input(sample), 1

    def gas(self, n=1):
        """Return the gas of one warm call at the default prices."""
        prices = InferencePrices()
        words = sum(-(-s // 32) for s in (self.facts.input_bytes(n), self.facts.output_bytes(n)))
        constant, linear, square = coefficients(self.facts.cost, prices)
        computation = fraction_gas(constant + linear * n + square * n * n)
        return access_gas(prices, data=False) + prices.word_gas * words + computation

    def milliseconds(self, sample, name):
        """Return the CPU time of one call on a backend, digests included, and the backend's name.

        Raises
        ------
        BackendFault : it does not work on this machine
        """
        backend = select_backend(name)
        loaded = load(self.data, self.facts, backend)
        data, n = self.call(sample)
        return cpu_milliseconds(lambda: loaded.run(data, n)), backend.name


def cpu_milliseconds(call):
    """Return the median CPU time of a call: the machine's other work matters little to it."""
    call()
    start = time.process_time()
    call()
    repeats = math.ceil(SHORTEST_RUN / max(time.process_time() - start, 1e-5))
    times = []
    for _ in range(TIMED_RUNS):
        start = time.process_time()
        for _ in range(repeats):
            call()
        times.append(1000 * (time.process_time() - start) / repeats)
    return statistics.median(times)


def cosines(a, b):
    """Return the cosine of each pair of samples."""
    a, b = a.reshape(len(a), -1), b.reshape(len(b), -1)
    return (a * b).sum(1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))


def latencies(integer, sample):
    """Return the table's cell of each timed backend."""
    cells = {}
    for name in TIMED_BACKENDS:
        try:
            milliseconds, found = integer.milliseconds(sample, name)
        except BackendFault:
            cells[name] = "not here"
            continue
        variant = "" if found == name else f" ({found.removeprefix(name + '-')})"
        cells[name] = f"{milliseconds:.3g} ms{variant}"
    return cells


def ports_text(ports):
    """Return names, types and shapes of a model's inputs or outputs, its caches in one."""
    caches = [port for port in ports if "." in port.name]
    parts = [
        f"{port.name} {port.dtype.name.lower()} ({', '.join('n' if d == SYMBOLIC else str(d) for d in port.shape)})"
        for port in ports
        if port not in caches
    ]
    if caches:
        parts.append(f"{len(caches)} caches, {sum(p.type.size(1) for p in caches):,} B")
    return "; ".join(parts)


def costs(integer, sample):
    """Return the cells that need no float network: size, gas, times, ports."""
    return {
        "size": f"{integer.size:,} B",
        "gas": f"{integer.gas():,}",
        **latencies(integer, sample),
        "takes": ports_text(integer.model.manifest.inputs),
        "gives": ports_text(integer.model.manifest.outputs),
    }


def record(name, integer, sample, out, *, float_text, integer_text, limits=(), file=None):
    """Print what a recipe measured; write the model, its row and README's tables.

    Parameters
    ----------
    limits : (sentence, whether it holds); nothing is written unless all hold
    file : the model's, without its ending; `name` when not given

    Raises
    ------
    SystemExit : a limit does not hold
    """
    row = {
        "model": f"[`{name}.py`]({name}.py)",
        "float": float_text,
        "integer": integer_text,
        **costs(integer, sample),
        "run": f"{time.process_time():,.0f} s CPU,"
        f" {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GiB",
        "measured": dt.datetime.now(dt.UTC).date().isoformat(),
    }
    print("\n".join(f"{key:9} {value}" for key, value in row.items()))
    for sentence, holds in limits:
        print(f"{'limit':9} {sentence}: {'holds' if holds else 'BROKEN'}")
    broken = [sentence for sentence, holds in limits if not holds]
    if broken:
        raise SystemExit(f"{name}: nothing written, for this does not hold: {'; '.join(broken)}")
    path = out / f"{file or name}.egm"
    path.write_bytes(integer.data)
    rows = json.loads(ROWS.read_text()) if ROWS.exists() else {}
    rows = dict(sorted({**rows, name: row}.items()))
    ROWS.write_text(json.dumps(rows, indent=2) + "\n")
    write_tables(README, rows)
    print(f"written   {path}; the row in {ROWS.name} and {README.name}")
