"""The text direction classifier of PaddleOCR: is a line of text upright or upside down?

A MobileNetV3 (depthwise convolutions, squeeze and excitation, hard swish) from the package
rapidocr-onnxruntime (Apache-2.0), read from its ONNX file. Lines of words from this repository's
LICENSE, set in the fonts that matplotlib carries and half of them turned round, calibrate and judge.

    pip install '.[import]' matplotlib
    pip install --no-deps rapidocr-onnxruntime
    python -m examples.models.ocr_direction --out build/models
"""

from examples.models.packages import folder, need

if __name__ == "__main__":
    need("onnx", "onnxruntime", "rapidocr_onnxruntime", "matplotlib")

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ai_ops.importers.convert import import_network
from ai_ops.importers.lowering import Options
from examples.models.measure import IntegerModel, arguments, cosines, record
from examples.models.progress import Progress

ROOT = Path(__file__).resolve().parents[2]
HEIGHT, WIDTH = 48, 192
FONTS = ("DejaVuSans", "DejaVuSerif", "DejaVuSansMono", "DejaVuSans-Bold")
CALIBRATION_LINES, JUDGED_LINES = 100, 500
LEAST_AGREEMENT = 0.98


def lines(count, seed):
    """Draw lines of two words.

    Returns
    -------
    float32 (count, 3, 48, 192) from -1 to 1, and uint8 (count,): 1 when upside down
    """
    generator = np.random.default_rng(seed)
    words = [w for w in (ROOT / "LICENSE").read_text().split() if w.isalpha() and len(w) > 4]
    fonts = folder("matplotlib") / "mpl-data" / "fonts" / "ttf"
    images, turned = [], []
    for index in range(count):
        size = int(generator.integers(26, 38))
        font = ImageFont.truetype(str(fonts / f"{FONTS[index % len(FONTS)]}.ttf"), size)
        light, dark = generator.integers(150, 256, 3), generator.integers(0, 110, 3)
        image = Image.new("RGB", (WIDTH, HEIGHT), tuple(light.tolist()))
        text = " ".join(generator.choice(words, 2))
        ImageDraw.Draw(image).text((4, 4), text, font=font, fill=tuple(dark.tolist()))
        turned.append(int(generator.integers(0, 2)))
        images.append(np.asarray(image.rotate(180 * turned[-1])))
    pixels = np.stack(images).transpose(0, 3, 1, 2).astype(np.float32)
    return (pixels / 255 - 0.5) / 0.5, np.array(turned)


def main():
    import onnxruntime

    progress, out = Progress(), arguments(__doc__).parse_args().out
    file = folder("rapidocr_onnxruntime") / "models" / "ch_ppocr_mobile_v2.0_cls_infer.onnx"

    calibration, _ = lines(CALIBRATION_LINES, seed=1)
    options = Options(name="ocr-direction", channels_last=True, output_bits=16)
    imported = import_network(file, {"x": calibration}, options, progress=progress)
    integer = IntegerModel(imported.data, channels_last=True)

    judged, turned = lines(JUDGED_LINES, seed=2)
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    (wanted,) = session.run(None, {session.get_inputs()[0].name: judged})
    (scores,) = integer.run(progress.count("integer network, lines", judged))
    # The integer model gives the scores before the softmax; cosines compare the shares after it.
    powers = np.exp(scores - scores.max(1, keepdims=True))
    similarity = cosines(powers / powers.sum(1, keepdims=True), wanted)
    same = float((scores.argmax(1) == wanted.argmax(1)).mean())
    right = int((wanted.argmax(1) == turned).sum())
    record(
        "ocr_direction",
        integer,
        judged[0],
        out,
        float_text=f"{right} of {len(judged)} lines",
        integer_text=f"{int((scores.argmax(1) == turned).sum())} of {len(judged)} lines; same answer"
        f" on {100 * same:.1f} %, cosine {similarity.mean():.4f}",
        limits=[(f"same answer on {100 * LEAST_AGREEMENT:.0f} %", same >= LEAST_AGREEMENT)],
    )


if __name__ == "__main__":
    main()
