"""The base class of distributions drawn row by row from seeds."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from tfflows.backend import random
from tfflows.backend.arguments import check_sizes
from tfflows.backend.random import Seeds


class RowDistribution(tfd.Distribution):
    """A distribution of batch shape [] whose rows each depend on one seed only.

    A subclass implements `_rows(seeds, count)`, which returns flat draws `[N, count]`,
    and `_log_density(flat)`, which returns log-densities `[N]` of flat events `[N, D]`
    in nats.

    Args:
      event_shape: Shape of one event, or its size.
      dtype: float32 or float64.
      name: Name of the distribution.
      reparameterization_type: As in TFP.
      **parameters: Further arguments of the subclass, for `copy`.
    """

    def __init__(
        self,
        event_shape: int | Sequence[int],
        dtype: Any = tf.float32,
        name: str | None = None,
        reparameterization_type: Any = tfd.FULLY_REPARAMETERIZED,
        **parameters: Any,
    ) -> None:
        shape = list(check_sizes("event_shape", event_shape))
        self._shape = tf.TensorShape(shape)
        super().__init__(
            dtype=tf.as_dtype(dtype),
            reparameterization_type=reparameterization_type,
            validate_args=False,
            allow_nan_stats=False,
            parameters={"event_shape": shape, "dtype": dtype, **parameters},
            name=name or type(self).__name__,
        )

    @classmethod
    def _parameter_properties(cls, dtype: Any, num_classes: Any = None) -> dict:
        return {}

    def _event_shape(self) -> tf.TensorShape:
        return self._shape

    def _event_shape_tensor(self) -> tf.Tensor:
        return tf.constant(self._shape.as_list(), tf.int32)

    def _default_event_space_bijector(self) -> tfb.Bijector:
        return tfb.Identity()

    def _batch_shape(self) -> tf.TensorShape:
        return tf.TensorShape([])

    def _batch_shape_tensor(self) -> tf.Tensor:
        return tf.zeros([0], tf.int32)

    def _rows(self, seeds: Seeds, count: int) -> tf.Tensor:
        raise NotImplementedError(f"{type(self).__name__} implements no _rows")

    def _log_density(self, flat: tf.Tensor) -> tf.Tensor:
        raise NotImplementedError(f"{type(self).__name__} implements no _log_density")

    def _log_prob(self, value: tf.Tensor) -> tf.Tensor:
        rank = self._shape.rank
        if not value.shape[-rank:].is_compatible_with(self._shape):
            raise ValueError(
                f"{self.name}: expected shape (..., "
                f"{', '.join(map(str, self._shape))}), got {tuple(value.shape)}"
            )
        flat = tf.reshape(value, (-1, self._shape.num_elements()))
        log_prob = tf.reshape(self._log_density(flat), tf.shape(value)[:-rank])
        return tf.ensure_shape(log_prob, value.shape[:-rank])

    def _sample_n(self, n: Any, seed: Any = None) -> tf.Tensor:
        seed = tfp.random.sanitize_seed(seed)
        return self.sample_rows(random.RowsOfSeed(seed, tf.cast(n, tf.int32)))

    def sample_rows(self, seeds: Seeds) -> tf.Tensor:
        """Returns one draw `[*event_shape]` for each of the int32 seeds `[N, 2]`."""
        rows = self._rows(seeds, self._shape.num_elements())
        return tf.reshape(rows, (-1, *self._shape))

    def copy(self, **overrides: Any) -> RowDistribution:
        """Returns this distribution under another `name=`, with the same variables.

        With other arguments it makes a new one, as in TFP.
        """
        if set(overrides) - {"name"}:
            return super().copy(**overrides)
        twin = copy.copy(self)
        twin._name = overrides.get("name", self.name)
        return twin

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {"event_shape": list(self._shape), "dtype": self.dtype.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> RowDistribution:
        """Returns a distribution with the same config."""
        return cls(**config)
