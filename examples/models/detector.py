"""A YOLOv8n detector: boxes and scores beside ONNX Runtime's.

The file is `320n.onnx` of the package nudenet, a detector of parts of the body, faces among them.
The package declares the MIT licence in its metadata and carries the text of the AGPL-3.0, under
which YOLOv8 itself is published: look at both before you use the weights for more than this
measurement. Nothing of it is in this repository.

The head ends in boxes (0 to 320) and scores (0 to 1) in one tensor; 16 bits for both together would
leave the scores about 100 levels, so the network is ended at the two tensors before they are joined.

    pip install '.[import]' scikit-image scikit-learn matplotlib
    pip install --no-deps nudenet
    python -m examples.models.detector --out build/models
"""

from examples.models.packages import folder, need

if __name__ == "__main__":
    need("onnx", "onnxruntime", "nudenet", "skimage", "sklearn", "matplotlib")

import numpy as np

from ai_ops.importers.convert import import_network
from ai_ops.importers.lowering import Options
from examples.models.measure import IntegerModel, arguments, cosines, record
from examples.models.photographs import CALIBRATION, JUDGED, crops
from examples.models.progress import Progress

SIZE = 320
CALIBRATION_CROPS, JUDGED_CROPS = 24, 48
OUTPUTS = ("/model.22/Mul_5_output_0", "/model.22/Sigmoid_output_0")
BOX_ROWS = 4
LEAST_OVERLAP, LEAST_AGREEMENT = 0.9, 0.98
CERTAIN = 0.25
"""Boxes of a lower score are no detections: nudenet drops them too."""


def as_input(images):
    """Bytes (N, H, W, 3) to the network's input: float32 (N, 3, H, W), 0 to 1."""
    return np.ascontiguousarray((images.astype(np.float32) / 255).transpose(0, 3, 1, 2))


def overlap(a, b):
    """Return intersection over union of boxes (4, N): centre x, centre y, width, height."""
    low = np.maximum(a[:2] - a[2:] / 2, b[:2] - b[2:] / 2)
    high = np.minimum(a[:2] + a[2:] / 2, b[:2] + b[2:] / 2)
    inside = np.prod(np.maximum(high - low, 0), 0)
    return inside / (np.prod(a[2:], 0) + np.prod(b[2:], 0) - inside)


def main():
    import onnxruntime

    progress, out = Progress(), arguments(__doc__).parse_args().out
    file = folder("nudenet") / "320n.onnx"

    calibration = as_input(crops(CALIBRATION, CALIBRATION_CROPS, SIZE, seed=1))
    options = Options(name="detector", channels_last=True, output_bits=16)
    imported = import_network(
        file, {"images": calibration}, options, "mse", outputs=OUTPUTS, progress=progress
    )
    integer = IntegerModel(imported.data, channels_last=True)

    judged = as_input(crops(JUDGED, JUDGED_CROPS, SIZE, seed=2))
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    progress("float network")
    wanted = np.concatenate([session.run(None, {"images": one})[0] for one in judged[:, None]])
    boxes, scores = integer.run(progress.count("integer network, crops", judged))
    found = wanted[:, BOX_ROWS:].max(1) >= CERTAIN
    error = np.abs(scores - wanted[:, BOX_ROWS:])
    similarity = cosines(boxes, wanted[:, :BOX_ROWS])
    shared = [
        overlap(ours[:, sure], theirs[:BOX_ROWS, sure])
        for ours, theirs, sure in zip(boxes, wanted, found, strict=True)
    ]
    shared = np.concatenate(shared)
    same = (scores.argmax(1) == wanted[:, BOX_ROWS:].argmax(1))[found]
    record(
        "detector",
        integer,
        judged[0],
        out,
        float_text=f"{found.sum()} boxes in {len(judged)} crops",
        integer_text=f"the same boxes: overlap {shared.mean():.3f} (lowest {shared.min():.3f}),"
        f" same class on {100 * same.mean():.1f} %; all boxes: cosine"
        f" {similarity.mean():.4f}, scores differ by {error.max():.3f} at most",
        limits=[
            (f"mean overlap at least {LEAST_OVERLAP}", shared.mean() >= LEAST_OVERLAP),
            (f"same class on {100 * LEAST_AGREEMENT:.0f} %", same.mean() >= LEAST_AGREEMENT),
        ],
    )


if __name__ == "__main__":
    main()
