"""Write the vectors of pages 01 to 03: `python -m tests.spec.generate_engine_vectors`.

Nothing here imports the engine: expectations come from plain integers, pyrlp and BLAKE3.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

from tests.spec import (
    cortex_models,
    cost_cases,
    model_cases,
    movement_cases,
    movement_refusals,
    operator_cases,
    plain,
    plain_run,
    product_cases,
    product_refusals,
    refusal_cases,
    sequence_cases,
    sequence_models,
    sequence_refusals,
)

VECTORS = Path(__file__).resolve().parents[2] / "docs" / "spec" / "vectors"
Case = dict[str, Any]
OPERATOR_CASES = {
    **operator_cases.ALL,
    **movement_cases.ALL,
    **product_cases.ALL,
    **sequence_cases.ALL,
}
HALVES = ((1, 1, 1), (-1, 1, 1), (3, 1, 1), (-3, 1, 1), (5, 1, 2), (-6, 1, 2), (6, 1, 2))
EXTREMES = (
    (2**31 - 1, 2**31 - 1, 1),
    (-(2**31), 2**31 - 1, 1),
    (2**31 - 1, 2**31 - 1, 62),
    (-(2**31), 2**31 - 1, 62),
    (-1, 1, 62),
    (2**31 - 1, 0, 31),
    (-(2**31), 2**30, 30),
    (12_345, 1_518_500_250, 40),
)
FORMATS = {1: "b", 2: "h", 3: "i", 4: "B"}


def arithmetic() -> list[Case]:
    """T-1 to T-5; wide results are strings, for readers whose numbers are floats."""
    cases: list[Case] = [
        {
            "rule": "T-1",
            "dtype": code,
            "minimum": low,
            "maximum": high,
            "ends": struct.pack(f"<2{FORMATS[code]}", low, high).hex(),
        }
        for code, (low, high) in plain.RANGES.items()
    ]
    cases += [
        {
            "rule": "T-2",
            "dtype": 2,
            "shape": [2, 3],
            "data": [1, -2, 300, -32768, 32767, 0],
            "bytes": "0100feff2c010080ff7f0000",
        },
        {
            "rule": "T-2",
            "dtype": 3,
            "shape": [1, 1, 2],
            "data": [-2, 65_536],
            "bytes": "feffffff00000100",
        },
    ]
    cases += [
        {"rule": "T-3", "v": v, "m": m, "s": s, "result": str(plain.rescale(v, m, s))}
        for v, m, s in HALVES + EXTREMES
    ]
    cases += [
        {"rule": "T-4", "n": n, "d": d, "result": plain.divide(n, d)}
        for n, d in (
            (1, 2),
            (-1, 2),
            (3, 2),
            (-3, 2),
            (7, 3),
            (-7, 3),
            (0, 9),
            (2**31 - 1, 7),
            (-(2**31), 2),
        )
    ]
    cases += [
        {"rule": "T-5", "v": v, "minimum": low, "maximum": high, "result": max(low, min(high, v))}
        for v, low, high in (
            (-300, -128, 127),
            (300, -127, 127),
            (-1, 0, 6),
            (5, 9, 9),
            (2**40, 0, 255),
        )
    ]
    return cases


def solved(case: Case) -> Case:
    """Add the result of `tests.spec.plain` to an operator case, or its several results."""
    inputs = [(t["dtype"], (tuple(t["shape"]), t["data"])) for t in case["inputs"]]
    results = [
        operator_cases.tensor(dtype, shape, data)
        for dtype, (shape, data) in plain_run.run(case["operator"], case["attributes"], inputs)
    ]
    return {**case, "output": results[0]} if len(results) == 1 else {**case, "outputs": results}


def symbolic() -> list[Case]:
    """T-8: bytes of a tensor at n units."""
    return [
        {"rule": "T-8", "dtype": 2, "shape": [-1, 3], "units": 4, "bytes": 24},
        {"rule": "T-8", "dtype": 1, "shape": [5, -1], "units": 7, "bytes": 35},
        {"rule": "T-8", "dtype": 3, "shape": [5, 2], "units": 7, "bytes": 40},
    ]


def files() -> dict[str, list[Case]]:
    """List every vector file's cases by its path below `VECTORS`."""
    tensors, operators, models = "01-tensors", "02-operators", "03-models"
    found = {
        f"{tensors}/arithmetic": arithmetic(),
        f"{tensors}/accumulators": refusal_cases.accumulator_cases(),
        f"{tensors}/symbolic": symbolic(),
        f"{operators}/refusals": [
            *refusal_cases.operator_refusals(),
            *movement_refusals.refusals(),
            *movement_refusals.intervals(),
            *product_refusals.refusals(),
            *product_refusals.intervals(),
            *sequence_refusals.sequence_refusals(),
        ],
        f"{models}/encoding": model_cases.format_cases() + model_cases.encoding_refusals(),
        f"{models}/validation": [
            *model_cases.validation_refusals(),
            *model_cases.limit_cases(),
            model_cases.two_symbolic(),
            *sequence_models.validation_refusals(),
        ],
        f"{models}/merkle": model_cases.merkle_cases(),
        f"{models}/facts": model_cases.fact_cases() + sequence_models.fact_cases(),
        f"{models}/costs": cost_cases.cost_cases(),
        f"{models}/runs": [
            *model_cases.run_cases(),
            *sequence_models.run_cases(),
            *cortex_models.run_cases(),
        ],
    }
    for name, cases in OPERATOR_CASES.items():
        found[f"{operators}/{name}"] = [solved(case) for case in cases()]
    return found


def encoded(name: str, cases: list[Case]) -> str:
    """One case a line: a diff shows which cases changed."""
    lines = ",\n".join("  " + json.dumps(case) for case in cases)
    return f'{{"page": "{name.partition("/")[0]}", "cases": [\n{lines}\n]}}\n'


def main() -> None:
    for name, cases in files().items():
        path = VECTORS / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(encoded(name, cases), encoding="utf-8")


if __name__ == "__main__":
    main()
