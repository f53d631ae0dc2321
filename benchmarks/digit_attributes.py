"""Whether digits moved towards another class look like it, judged by a classifier.

    tfflows-train --model=glow_digits --model_dir=runs/glow_digits
    python benchmarks/digit_attributes.py runs/glow_digits

The direction between two classes is the difference of their mean latents on training
images. Test images of the first class move along it. A support vector machine, trained
on the raw training images, says what they are. Prints its accuracy, and as a Markdown
table the share of images that it takes for the second class at each strength, and for
any class but the first one at strength 1. Images that it gets wrong at strength 0 are
not counted.
"""

from __future__ import annotations

import sys

import numpy as np
from sklearn.svm import SVC

import tfflows
from tfflows import latent

PAIRS = [(0, 1), (3, 8), (1, 7), (4, 9), (5, 6), (2, 7), (3, 5), (8, 3)]
STRENGTHS = (0.0, 0.5, 1.0, 1.5, 2.0)


def flat(images: np.ndarray) -> np.ndarray:
    """`[N, 64]`, as pixels."""
    return np.clip(np.round(images), 0, 16).reshape(-1, 64)


def main() -> None:
    """Prints the table."""
    flow, source = tfflows.zoo.load(sys.argv[1]), tfflows.data.load("digits")
    x, labels = source.arrays("train"), source.labels("train")
    test, test_labels = source.arrays("test"), source.labels("test")
    classifier = SVC().fit(flat(x), labels)
    print(f"accuracy {classifier.score(flat(test), test_labels):.2f}\n")
    heads = ("from, to", "images", *map("{:g}".format, STRENGTHS), "left at 1")
    print(f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
    for pair in PAIRS:
        images = test[test_labels == pair[0]]
        images = images[classifier.predict(flat(images)) == pair[0]]
        direction = latent.class_direction(flow, x, labels, *pair)
        moved = latent.manipulate(flow, images, direction, STRENGTHS)
        found = classifier.predict(flat(moved)).reshape(len(images), len(STRENGTHS))
        shares = [*(found == pair[1]).mean(0), (found[:, 2] != pair[0]).mean()]
        cells = (f"{pair[0]}, {pair[1]}", len(images), *(f"{s:.2f}" for s in shares))
        print(f"| {' | '.join(map(str, cells))} |")


if __name__ == "__main__":
    main()
