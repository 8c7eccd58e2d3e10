"""What every recipe does with its integer model: run it, price it, time it, write its table row."""

import datetime as dt
import json
import statistics
import time
from pathlib import Path

import numpy as np

from ai_ops.backends import select_backend
from ai_ops.executor import load
from ai_ops.importers.report import port_scale, quantize
from ai_ops.model import decode_model, head_of
from ai_ops.validate import DEFAULT_LIMITS, validate
from vm.gas import access_gas, coefficients, fraction_gas
from vm.prices import InferencePrices

HERE = Path(__file__).parent
ROWS = HERE / "rows.json"
README = HERE / "README.md"
BEGIN, END = "<!-- rows: begin -->\n", "<!-- rows: end -->"
COLUMNS = ("model", "float", "integer", "size", "gas", "latency", "measured")
TIMED_RUNS = 9


class IntegerModel:
    """An integer model on this machine's fastest backend."""

    def __init__(self, data, *, channels_last=False):
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

    def gas(self):
        """Return the gas of one warm call at the default prices."""
        prices = InferencePrices()
        sizes = (self.facts.input_bytes(1), self.facts.output_bytes(1))
        words = sum(-(-size // 32) for size in sizes)
        computation = fraction_gas(sum(coefficients(self.facts.cost, prices)))
        return access_gas(prices, data=False) + prices.word_gas * words + computation

    def milliseconds(self, sample):
        """Return the median time of one call, digests included."""
        data, times = self.input(sample), []
        self.loaded.run(data, 1)
        for _ in range(TIMED_RUNS):
            start = time.perf_counter()
            self.loaded.run(data, 1)
            times.append(1000 * (time.perf_counter() - start))
        return statistics.median(times)


def cosines(a, b):
    """Return the cosine of each pair of samples."""
    a, b = a.reshape(len(a), -1), b.reshape(len(b), -1)
    return (a * b).sum(1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))


def record(name, integer, sample, *, float_text, integer_text):
    """Write a model's row into rows.json and the table of README.md, and print it."""
    rows = json.loads(ROWS.read_text()) if ROWS.exists() else {}
    rows[name] = {
        "model": f"[`{name}.py`]({name}.py)",
        "float": float_text,
        "integer": integer_text,
        "size": f"{integer.size:,} B",
        "gas": f"{integer.gas():,}",
        "latency": f"{integer.milliseconds(sample):.1f} ms ({integer.backend.name})",
        "measured": dt.datetime.now(dt.UTC).date().isoformat(),
    }
    rows = dict(sorted(rows.items()))
    ROWS.write_text(json.dumps(rows, indent=2) + "\n")
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + " --- |" * len(COLUMNS)]
    lines += ["| " + " | ".join(row[key] for key in COLUMNS) + " |" for row in rows.values()]
    text = README.read_text()
    head, tail = text.partition(BEGIN)[0], text.partition(END)[2]
    README.write_text(head + BEGIN + "\n".join(lines) + "\n" + END + tail)
    print("\n".join(f"{key:9} {value}" for key, value in rows[name].items()))
