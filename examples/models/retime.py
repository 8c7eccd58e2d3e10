"""Price and time models again that the recipes wrote, after a change of kernels or prices.

    python -m examples.models.retime --out build/models

judges nothing: what a row says of accuracy stays, and so does the day it was measured. A model that
is not in the folder keeps its row.
"""

import json

import numpy as np

from examples.models.language import TokenModel
from examples.models.measure import README, ROWS, IntegerModel, arguments, costs
from examples.models.table import write_tables

FILES = {"smollm2": "smollm2_step"}
"""Recipes whose row is of a model with another name than theirs."""
TOKENS = {"minilm": 128, "smollm2": 256}
"""Longest text of the models that take token ids."""


def opened(name, path):
    """Return a recipe's model and a sample that its input takes."""
    if name in TOKENS:
        return TokenModel(path.read_bytes(), tokens=TOKENS[name]), [1]
    integer = IntegerModel(path.read_bytes())
    (port,) = integer.model.manifest.inputs
    return integer, np.zeros(port.shape[1:], np.float32)


def main():
    folder = arguments(__doc__).parse_args().out
    rows = json.loads(ROWS.read_text())
    for name, row in rows.items():
        path = folder / f"{FILES.get(name, name)}.egm"
        if not path.is_file():
            print(f"{name:20} left out: no {path}")
            continue
        row.update(costs(*opened(name, path)))
        print(f"{name:20} gas {row['gas']}, native {row['native']}, numba {row['numba']}")
    ROWS.write_text(json.dumps(rows, indent=2) + "\n")
    write_tables(README, rows)


if __name__ == "__main__":
    main()
