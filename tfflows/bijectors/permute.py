"""A fixed permutation of features or channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfflows.backend.arguments import check_count
from tfflows.bijectors.flow_step import FlowStep
from tfflows.bijectors.shapes import no_log_det


@keras.saving.register_keras_serializable("tfflows")
class Permute(FlowStep):
    """A fixed permutation p of the last axis (features, or an image's channels).

      forward:          x_i = z_{p(i)}
      forward log-det:  0
      inverse:          z_{p(i)} = x_i
      inverse log-det:  0

    Args:
      permutation: "reverse", "shuffle" (drawn once from the seed) or a sequence of the
        indices 0 .. n-1.
      seed: Seed of "shuffle".
      **kwargs: `event_ndims`, `name`, `dtype` of `FlowStep`.

    Raises:
      ValueError: If the word is unknown or the sequence is no permutation.
    """

    def __init__(
        self,
        permutation: str | Sequence[int] = "reverse",
        *,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if check_count("seed", seed, least=0) and permutation != "shuffle":
            raise ValueError(
                f"expected a seed with permutation='shuffle' only, got seed={seed}"
            )
        if isinstance(permutation, str):
            if permutation not in ("reverse", "shuffle"):
                raise ValueError(
                    "expected permutation 'reverse', 'shuffle' or a sequence of "
                    f"indices, got {permutation!r}"
                )
        else:
            indices = np.asarray(permutation)
            permutation = indices.tolist()
            if (
                indices.ndim != 1
                or indices.dtype.kind not in "iu"
                or not np.array_equal(np.sort(indices), np.arange(indices.size))
            ):
                raise ValueError(f"expected a permutation, got {permutation}")
        self.permutation = permutation
        self.seed = seed

    def build(self, data_shape: Any) -> None:
        """Fixes the indices."""
        size = data_shape[-1]
        if self.permutation == "reverse":
            self._indices = np.arange(size)[::-1]
        elif self.permutation == "shuffle":
            self._indices = np.random.default_rng(self.seed).permutation(size)
        else:
            self._indices = np.asarray(self.permutation)
        if len(self._indices) != size:
            raise ValueError(
                f"{self.name}: expected {size} indices for data of shape "
                f"{tuple(data_shape)}, got {len(self._indices)}"
            )

    def _forward_and_log_det(
        self, z: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return self._take(z, self._indices), no_log_det(z)

    def _inverse_and_log_det(
        self, x: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return self._take(x, np.argsort(self._indices)), no_log_det(x)

    def _take(self, value: tf.Tensor, indices: np.ndarray) -> tf.Tensor:
        if self.permutation == "reverse":  # its gradient is no scatter
            return tf.reverse(value, axis=[-1])
        return tf.gather(value, indices, axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        own = {"permutation": self.permutation, "seed": self.seed}
        return {**super().get_config(), **own}
