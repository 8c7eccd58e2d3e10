"""LeNet-5 as it ships with the node: measured on the 1,000 digits that training never saw.

examples/digits trains and imports it; this recipe only measures `genesis/models/digits.egm`.

    python -m examples.models.lenet5
"""

import json
from pathlib import Path

import numpy as np

from examples.models.measure import IntegerModel, record

ROOT = Path(__file__).resolve().parents[2]


def main():
    integer = IntegerModel((ROOT / "genesis" / "models" / "digits.egm").read_bytes())
    held_out = np.load(ROOT / "examples" / "digits" / "heldout.npz")
    accuracy = json.loads((ROOT / "examples" / "digits" / "accuracy.json").read_text())
    samples = (held_out["images"] / np.float32(255))[:, None]
    (scores,) = integer.run(samples)
    right = int((scores.argmax(1) == held_out["labels"]).sum())
    count = len(samples)
    record(
        "lenet5",
        integer,
        samples[0],
        float_text=f"{accuracy['float_correct']} of {count} digits",
        integer_text=f"{right} of {count} digits",
    )


if __name__ == "__main__":
    main()
