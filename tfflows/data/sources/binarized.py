"""Grey images as black and white ones, drawn with the grey level's probability."""

from __future__ import annotations

import tensorflow as tf

from tfflows.data.drawn import DrawnSource
from tfflows.data.source import DataInfo, DataSource


class BinarizedSource(DrawnSource):
    """Another source's images with P(x = 1) = level / (levels - 1): uint8, 2 levels.

    Validation and test are drawn once, keyed by the example's index, and so is the
    training split where `static`. Otherwise it is drawn afresh in each epoch.

    Source: Salakhutdinov and Murray, "On the Quantitative Analysis of Deep Belief
    Networks", 2008; Burda et al., 2015, arXiv 1509.00519, section 5, for the fresh
    draws. (The fixed draw here is not the one that Larochelle published.)

    Args:
        source: a source of integer data.
        static: whether the training split, too, is drawn only once.
        seed: seed of the draws.

    Raises:
        ValueError: a source of continuous data.
    """

    def __init__(self, source: DataSource, *, static: bool, seed: int = 0) -> None:
        if source.levels is None:
            raise ValueError(
                f"expected integer data to binarize, got {source.name!r}, which are "
                "continuous"
            )
        kind = "static_binarized" if static else "binarized"
        info = DataInfo(
            name=f"{kind}:{source.name}",
            event_shape=source.event_shape,
            dtype="uint8",
            levels=2,
            num_examples=source.num_examples,
            num_classes=source.num_classes,
            label_names=source.label_names,
        )
        super().__init__(source, info, static=static, seed=seed)
        self._top_level = source.levels - 1

    def _made(self, x: tf.Tensor, uniform: tf.Tensor) -> tf.Tensor:
        probability = tf.cast(x, tf.float32) / self._top_level
        return tf.cast(uniform < probability, tf.uint8)
