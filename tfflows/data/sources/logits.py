"""Images as flat vectors of logits, as density estimators compare on them."""

from __future__ import annotations

import math

import tensorflow as tf

from tfflows.data.drawn import DrawnSource
from tfflows.data.source import DataInfo, DataSource

ALPHA = 1e-6


class LogitSource(DrawnSource):
    """y = ln p / (1 - p), p = alpha + (1 - 2 alpha) (x + u) / levels: float32 `[D]`.

    Log-densities are in nats of y, as in Papamakarios et al.'s table of MNIST. The
    noise u, uniform in (0, 1), is fixed for validation and test, fresh in each epoch of
    training (fixed in the paper, which lets a model learn it).

    Source: Dinh et al., "Real NVP", 2016, arXiv 1605.08803, section 4.1; Papamakarios
    et al., "Masked Autoregressive Flow for Density Estimation", 2017, arXiv
    1705.07057, section 4.3: alpha = 1e-6 on MNIST.

    Args:
        source: a source of integer data.
        seed: seed of the noise.

    Raises:
        ValueError: a source of continuous data.
    """

    def __init__(self, source: DataSource, *, seed: int = 0) -> None:
        if source.levels is None:
            raise ValueError(
                f"expected integer data for logits, got {source.name!r}, which are "
                "continuous"
            )
        info = DataInfo(
            name=f"logit:{source.name}",
            event_shape=(math.prod(source.event_shape),),
            dtype="float32",
            levels=None,
            num_examples=source.num_examples,
            num_classes=source.num_classes,
            label_names=source.label_names,
        )
        super().__init__(source, info, static=False, seed=seed)
        self._levels = float(source.levels)

    def _made(self, x: tf.Tensor, uniform: tf.Tensor) -> tf.Tensor:
        # In float64: 1 - p has few digits in float32 where p is near 1.
        share = (tf.cast(x, tf.float64) + tf.cast(uniform, tf.float64)) / self._levels
        p = ALPHA + (1.0 - 2.0 * ALPHA) * share
        logits = tf.math.log(p) - tf.math.log1p(-p)
        return tf.cast(tf.reshape(logits, (-1, *self.event_shape)), tf.float32)
