"""Draws what guidance and denoising do to the samples of a class-conditional TarFlow.

    python benchmarks/tarflow_guidance.py runs/tarflow_digits_classes guidance.png

writes four rows of 20 samples, two of each class, from the same latents: the model's
own samples, the same without noise, and without noise at guidance 1 and 3.
"""

from __future__ import annotations

import argparse

import numpy as np

from tfflows import zoo
from tfflows.zoo.running.pictures import write_images

NUMBER, SCALE = 20, 4


def main() -> None:
    """Draws and writes."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model_dir")
    parser.add_argument("output")
    arguments = parser.parse_args()
    model = zoo.load(arguments.model_dir)
    labels = np.arange(NUMBER) % 10
    rows = [model.sample(NUMBER, seed=0, context=labels)]
    for weight in (None, 1.0, 3.0):
        rows.append(model.generate(NUMBER, 0, context=labels, guidance=weight))
    write_images(
        arguments.output, np.concatenate(rows), model.levels, NUMBER, scale=SCALE
    )


if __name__ == "__main__":
    main()
