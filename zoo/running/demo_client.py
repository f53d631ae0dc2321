"""Asks an exported model about digits; needs only TensorFlow.

`tfflows.zoo.demo` runs this file in a new process. Like a program that serves the
model, it imports neither tfflows nor TensorFlow Probability.
"""

from __future__ import annotations

import sys

import numpy as np
import tensorflow as tf

_NUM_SAMPLES = 4


def main(export_dir: str, held_out: str) -> None:
    """Prints log-densities and samples of an export.

    Args:
      export_dir: A version folder of `tfflows.export.export_saved_model`.
      held_out: A .npy file of digits, uint8 [N, 8, 8, 1].
    """
    signatures = tf.saved_model.load(export_dir).signatures
    digits = np.load(held_out)
    noise = np.random.default_rng(0).integers(17, size=digits.shape, dtype=np.uint8)
    for name, x in (("held-out digits", digits), ("uniform noise", noise)):
        answer = signatures["log_prob"](x=tf.constant(x))
        log_prob, bits = answer["log_prob"].numpy(), answer["bits_per_dim"].numpy()
        print(
            f"log_prob of {len(x)} {name}: mean {log_prob.mean():.1f} nats "
            f"({bits.mean():.2f} bits/dim), first {np.round(log_prob[:4], 1)}"
        )
    drawn = signatures["sample_n"](
        num_samples=tf.constant(_NUM_SAMPLES),
        seed=tf.constant([0, 1]),
        temperature=tf.constant(1.0),
    )
    print(f"{_NUM_SAMPLES} samples, shape {tuple(drawn['x'].shape)}:")
    pixels = np.clip(np.floor(drawn["x"].numpy()[..., 0]), 0, 16).astype(int)
    for row in range(pixels.shape[1]):
        print("   ".join("".join(_SHADES[v] for v in p[row]) for p in pixels))
    for module in ("tfflows", "tensorflow_probability"):
        print(f"imported {module}: {'yes' if module in sys.modules else 'no'}")


# For each of the 17 grey levels, a character twice, because it is higher than wide.
_SHADES = [2 * c for c in " ..::--==++**##%@"]

if __name__ == "__main__":
    main(*sys.argv[1:])
