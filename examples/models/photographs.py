"""Crops of photographs that packages of the Python registry carry; nothing is downloaded.

scikit-image, scikit-learn and matplotlib (all BSD-licensed) ship a few photographs in their wheels.
A network is calibrated on crops of some of them and judged on crops of others.
"""

from pathlib import Path

import numpy as np
from PIL import Image

# package, file, what it shows
CALIBRATION = (
    ("sklearn", "datasets/images/flower.jpg", "a dahlia"),
    ("matplotlib", "mpl-data/sample_data/grace_hopper.jpg", "a woman in uniform"),
    ("skimage", "data/ihc.png", "stained tissue"),
    ("skimage", "data/camera.png", "a man with a camera, grey"),
    ("skimage", "data/coins.png", "coins, grey"),
    ("skimage", "data/retina.jpg", "a retina"),
    ("skimage", "data/hubble_deep_field.jpg", "galaxies"),
    ("skimage", "data/gravel.png", "gravel, grey"),
)
JUDGED = (
    ("skimage", "data/astronaut.png", "a woman in a space suit"),
    ("skimage", "data/chelsea.png", "a cat"),
    ("skimage", "data/coffee.png", "a cup of coffee"),
    ("skimage", "data/rocket.jpg", "a rocket on its launch pad"),
    ("skimage", "data/motorcycle_left.png", "a motorcycle in a garage"),
    ("sklearn", "datasets/images/china.jpg", "a palace in China"),
)
SMALLEST = 0.5
"""A crop's side, at least, as a share of the photograph's shorter side."""


def photograph(package, file):
    """Return a photograph as RGB."""
    folder = Path(__import__(package).__file__).parent
    return Image.open(folder / file).convert("RGB")


def crops(photographs, count, size, seed):
    """Cut `count` square crops at random places and scales, evenly over the photographs.

    Returns
    -------
    uint8 (count, size, size, 3)
    """
    generator = np.random.default_rng(seed)
    images = [photograph(package, file) for package, file, _ in photographs]
    cut = []
    for index in range(count):
        image = images[index % len(images)]
        short = min(image.size)
        side = int(generator.integers(int(SMALLEST * short), short + 1))
        left = int(generator.integers(0, image.width - side + 1))
        top = int(generator.integers(0, image.height - side + 1))
        box = (left, top, left + side, top + side)
        cut.append(np.asarray(image.resize((size, size), Image.Resampling.BICUBIC, box)))
    return np.stack(cut)
