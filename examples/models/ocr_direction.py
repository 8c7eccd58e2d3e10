"""The text direction classifier of PaddleOCR: is a line of text upright or upside down?

A MobileNetV3 (depthwise convolutions, squeeze and excitation, hard swish) from the package
rapidocr-onnxruntime (Apache-2.0), read from its ONNX file. Lines of words from this repository's
README, set in the fonts that matplotlib carries and half of them turned round, calibrate and judge.

    pip install 'engram-node[import]' matplotlib pillow
    pip install --no-deps rapidocr-onnxruntime
    python -m examples.models.ocr_direction --out build/models
"""

import argparse
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ai_ops.importers.convert import import_network
from ai_ops.importers.lowering import Options
from examples.models.measure import IntegerModel, cosines, record

ROOT = Path(__file__).resolve().parents[2]
HEIGHT, WIDTH = 48, 192
FONTS = ("DejaVuSans", "DejaVuSerif", "DejaVuSansMono", "DejaVuSans-Bold")
CALIBRATION_LINES, JUDGED_LINES = 100, 500


def package(name):
    """Return the folder of an installed package, without importing it."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise SystemExit(f"the package {name.replace('_', '-')} is not installed")
    return Path(spec.origin).parent


def lines(count, seed):
    """Draw lines of two words.

    Returns
    -------
    float32 (count, 3, 48, 192) from -1 to 1, and uint8 (count,): 1 when upside down
    """
    generator = np.random.default_rng(seed)
    words = [w for w in (ROOT / "README.md").read_text().split() if w.isalpha() and len(w) > 4]
    folder = package("matplotlib") / "mpl-data" / "fonts" / "ttf"
    images, turned = [], []
    for index in range(count):
        size = int(generator.integers(26, 38))
        font = ImageFont.truetype(str(folder / f"{FONTS[index % len(FONTS)]}.ttf"), size)
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

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("build/models"))
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    file = package("rapidocr_onnxruntime") / "models" / "ch_ppocr_mobile_v2.0_cls_infer.onnx"

    calibration, _ = lines(CALIBRATION_LINES, seed=1)
    options = Options(name="ocr-direction", channels_last=True, output_bits=16)
    imported = import_network(file, {"x": calibration}, options)
    (out / "ocr_direction.egm").write_bytes(imported.data)
    integer = IntegerModel(imported.data, channels_last=True)

    judged, turned = lines(JUDGED_LINES, seed=2)
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    (wanted,) = session.run(None, {session.get_inputs()[0].name: judged})
    (scores,) = integer.run(judged)
    # The integer model gives the scores before the softmax; cosines compare the shares after it.
    powers = np.exp(scores - scores.max(1, keepdims=True))
    similarity = cosines(powers / powers.sum(1, keepdims=True), wanted)
    same = float((scores.argmax(1) == wanted.argmax(1)).mean())
    right = int((wanted.argmax(1) == turned).sum())
    record(
        "ocr_direction",
        integer,
        judged[0],
        float_text=f"{right} of {len(judged)} lines",
        integer_text=f"{int((scores.argmax(1) == turned).sum())} of {len(judged)} lines; same answer"
        f" on {100 * same:.1f} %, cosine {similarity.mean():.4f}",
    )


if __name__ == "__main__":
    main()
