"""The base of a model: any `tfd.Distribution` over flat latents, drawn row by row."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfflows.backend import random
from tfflows.backend.autograph import without_autograph
from tfflows.backend.checks import require
from tfflows.backend.random import Seeds
from tfflows.backend.tfp.config import from_tfp_config, to_tfp_config
from tfflows.backend.tfp.variables import holds_code, keras_variable, variables_read
from tfflows.backend.weight_kinds import mark_elementwise
from tfflows.distributions.support import has_bounded_support, log_prob_in_support


@keras.saving.register_keras_serializable("tfflows")
@without_autograph
class Base(keras.layers.Layer):
    """Holds the base distribution of a flow, so that Keras tracks its variables.

    To write a new base, subclass `RowDistribution`.

    Args:
      distribution: A `tfd.Distribution` of batch shape []. If it has a method
        `sample_rows(seeds)`, as the distributions of this package do, it draws all rows
        at once; otherwise one after the other. If it has `location_rows(seeds)`, this
        gives each row's location.
      **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
      ValueError: If `distribution` is no `tfd.Distribution`, or has a batch shape.
    """

    def __init__(self, distribution: tfd.Distribution, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        if not isinstance(distribution, tfd.Distribution):
            raise ValueError(
                f"expected a tfd.Distribution, got {type(distribution).__name__}"
            )
        if distribution.batch_shape.rank != 0:
            raise ValueError(
                "expected a base of batch shape (), got batch shape "
                f"{tuple(distribution.batch_shape)} and event shape "
                f"{tuple(distribution.event_shape)}; wrap it in tfd.Independent"
            )
        self.distribution = distribution
        self._adopted = [
            mark_elementwise(keras_variable(v)) for v in _variables_of(distribution)
        ]
        self.built = True
        self._build_shapes_dict = {"input_shape": self.output_shape}

    def build_from_config(self, config: Any) -> None:
        """Does nothing on loading, because the constructor has built the layer."""

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        """Returns the shape of latents, with batch axis None, for Keras' `summary`."""
        return (None, *self.event_shape)

    @property
    def has_bounded_support(self) -> bool:
        """Returns whether some latents may have the density 0."""
        return has_bounded_support(self.distribution)

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of one draw."""
        return tuple(self.distribution.event_shape)

    def log_prob(self, z: tf.Tensor, context: Any = None) -> tf.Tensor:
        """Returns log-densities `[B]` of flat latents `[B, D]`, in nats.

        They are -inf outside the support of a stock distribution.

        Args:
          z: `[..., *latent]`; leading axes are flattened to one.
          context: None, or what the steps are told: not used here.
        """
        z = tf.reshape(z, (-1, *self.event_shape))
        return log_prob_in_support(self.distribution, z)

    def sample_rows(
        self, seeds: Seeds, temperature: tf.Tensor, context: Any = None
    ) -> tf.Tensor:
        """Draws flat latents `[N, D]`, row i from seed row i only.

        Args:
          seeds: int32 `[N, 2]`.
          temperature: `[N]`; multiplies a draw's deviation from its location, which is
            the mode or, without a mode, the mean.
          context: None, or what the steps are told: not used here.
        """
        number = random.number_of_rows(seeds)
        draws = tf.reshape(self._draw(seeds), (number, -1))
        temperature = tf.cast(temperature, draws.dtype)[:, tf.newaxis]
        location = tf.reshape(self._location(seeds), (-1, tf.shape(draws)[1]))
        known = tf.reduce_all(tf.math.is_finite(location))
        with require(
            known | tf.reduce_all(temperature == 1.0),
            f"expected temperature 1: {self.distribution.name} has neither mode nor "
            "mean around which to scale its draws",
        ):
            tempered = location + temperature * (draws - location)
        # At 1 a draw does not change, even if its location is undefined.
        return tf.where(temperature == 1.0, draws, tempered)

    def _draw(self, seeds: Seeds) -> tf.Tensor:
        if hasattr(self.distribution, "sample_rows"):
            return self.distribution.sample_rows(seeds)
        return self._draw_one_by_one(tf.convert_to_tensor(seeds))

    @tf.function(reduce_retracing=True)
    def _draw_one_by_one(self, seeds: tf.Tensor) -> tf.Tensor:
        return tf.map_fn(
            lambda seed: self.distribution.sample(seed=seed),
            seeds,
            fn_output_signature=self.distribution.dtype,
        )

    def _location(self, seeds: Seeds) -> tf.Tensor:
        """Returns locations `[N, *event]`, or one for all `[*event]`; NaN if undefined.

        A mode is NaN if a density is infinite on two borders, as Beta's can be.
        """
        if hasattr(self.distribution, "location_rows"):
            return self.distribution.location_rows(seeds)
        dtype = self.distribution.dtype
        location = tf.fill(self.event_shape, tf.constant(math.nan, dtype))
        for statistic in (self.distribution.mode, self.distribution.mean):
            # A distribution that does not allow NaN raises an error.
            with contextlib.suppress(
                NotImplementedError, tf.errors.InvalidArgumentError
            ):
                known = tf.math.is_finite(location)
                location = tf.where(known, location, statistic())
        return location

    def call(self, z: tf.Tensor) -> tf.Tensor:
        """Returns `log_prob`."""
        return self.log_prob(z)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments; ValueError if there is no config."""
        if hasattr(self.distribution, "get_config"):
            distribution = keras.saving.serialize_keras_object(self.distribution)
        else:
            distribution = to_tfp_config(self.distribution)
        return {**super().get_config(), "distribution": distribution}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Base:
        """Returns a new base with the same config."""
        distribution = config["distribution"]
        if "tfp" in distribution:
            distribution = from_tfp_config(distribution)
        else:
            distribution = keras.saving.deserialize_keras_object(distribution)
        return cls(**{**config, "distribution": distribution})


def _variables_of(distribution: tfd.Distribution) -> list[tf.Variable]:
    found = list(distribution.variables)
    plain = hasattr(distribution, "sample_rows") or not holds_code(distribution)
    if plain or tf.nest.is_nested(distribution.dtype):
        return found
    known = {id(variable) for variable in found}
    one = [1, *distribution.event_shape]
    value = tf.fill(one, tf.constant(0.5, distribution.dtype))
    read = variables_read(distribution.log_prob, value)
    return [*found, *(v for v in read if id(v) not in known)]
