"""`Flow`: a density over data by change of variables, as a `keras.Model`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tfflows import metrics, random
from tfflows.bijectors.nesting import as_step
from tfflows.bijectors.shapes import as_float
from tfflows.checks import require
from tfflows.models.assembly import (
    assemble_transform,
    check_dtype,
    check_event_shape,
    make_base,
    split_preprocessing,
)
from tfflows.models.batch import Batch
from tfflows.models.flow_distribution import FlowDistribution
from tfflows.models.likelihood_model import LikelihoodModel
from tfflows.models.sampling import (
    checked_number,
    context_rows,
    temperature_rows,
)
from tfflows.preprocessing import Dequantization


@keras.saving.register_keras_serializable("tfflows")
class Flow(LikelihoodModel):
    """A normalizing flow: x = f(z), z from a base p, trained by maximum likelihood.

      log p(x) = log p(z) + log|det dz/dx|  with z = f^-1(x)

    A call, and `log_prob`, give log-densities in nats in the units of the raw data,
    preprocessing included. For integer data they are those of y = x + u with one fixed
    u; training draws u afresh.

    Args:
      bijector: A flow step or any `tfb.Bijector`, from latents to (preprocessed) data.
      event_shape: Shape of one raw event.
      base: A `tfd.Distribution` over latents, of their shape or flat `[D]`; None:
        `StandardNormal(D)`.
      preprocessing: None, a step, or a list read from data to latent, which may begin
        with a `Dequantization`: then the data are integers.
      backprop: "stored": activations are kept for the backward pass.
      name: Name of the model.
      dtype: Keras dtype policy; None: the bijector's.
      **kwargs: Those of `keras.Model`.

    Raises:
      ValueError: For parts that do not fit each other.
    """

    def __init__(
        self,
        bijector: Any,
        event_shape: Sequence[int],
        base: Any = None,
        preprocessing: Any = None,
        backprop: str = "stored",
        *,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        bijector = as_step(bijector, dtype)
        dtype = bijector.dtype_policy if dtype is None else dtype
        super().__init__(name=name, dtype=dtype, **kwargs)
        if backprop != "stored":
            raise ValueError(f"expected backprop 'stored', got {backprop!r}")
        self.backprop = backprop
        self.event_shape = check_event_shape(event_shape)
        self.bijector = bijector
        self.dequantization, self.preprocessing = split_preprocessing(preprocessing)
        if self.dequantization is not None and not self.dequantization.built:
            self.dequantization.build((None, *self.event_shape))
        if self.dequantization is not None:
            check_dtype(self.dequantization, bijector.flow_dtype)
        self._transform = assemble_transform(
            [*self.preprocessing, bijector], self.event_shape, base, self.dtype_policy
        )
        self.base = make_base(base, self._transform)
        if self.levels is not None:
            self.metric_names = ("loss", "bits_per_dim")
        self._create_trackers()
        self.supports_jit = self._transform.supports_jit
        self.built = True

    @property
    def latent_dim(self) -> int:
        """D, the size of a latent vector."""
        return math.prod(self._transform.latent_event_shape)

    @property
    def levels(self) -> int | None:
        """Number of levels of integer data; None for continuous data."""
        return None if self.dequantization is None else self.dequantization.levels

    @property
    def has_inverse(self) -> bool:
        """Whether data have latents: without, there are only samples."""
        return self._transform.has_inverse

    @property
    def is_initialized(self) -> bool:
        """Whether each data-dependent start has taken place."""
        return self._transform.is_initialized

    @property
    def distribution(self) -> FlowDistribution:
        """A `tfd.TransformedDistribution` over dequantized data."""
        return FlowDistribution(self.base.distribution, self._transform)

    def initialize(self, batch: Any, context: Any = None) -> None:
        """Data-dependent start from one batch of data, in eager mode, once.

        Args:
          batch: x `[B, *event]`, or a batch as `fit` takes it.
          context: None or `[B, ...]`.

        Raises:
          ValueError: For data that break the model's rules.
        """
        data = Batch.of(batch)
        context = data.context if context is None else context
        self._transform.initialize(self.dequantize(data.x), context)

    def dequantize(self, x: Any) -> tf.Tensor:
        """The continuous y of raw data `[..., *event]`: x + u with the fixed pattern.

        Raises:
          ValueError: For another shape, values that are not finite, or integer data
            that are no integers of the levels.
        """
        return self._continuous(self._checked(x), None)

    def _checked(self, x: Any) -> tf.Tensor:
        x = as_float(x, self._transform.flow_dtype, self.name)
        event = self.event_shape
        leading = x.shape.rank - len(event)
        if leading < 0 or not x.shape[leading:].is_compatible_with(event):
            raise ValueError(
                f"{self.name}: expected data of shape (batch, "
                f"{', '.join(map(str, event))}), got {tuple(x.shape)}"
            )
        finite = tf.reduce_all(tf.math.is_finite(x))
        with require(finite, f"{self.name}: expected finite data, got NaN or Inf"):
            return tf.identity(x)

    def _continuous(self, x: tf.Tensor, noise: tf.Tensor | None) -> tf.Tensor:
        if self.dequantization is None:
            return x
        return self.dequantization.dequantize(x, noise)

    def _density(self, y: tf.Tensor, context: Any) -> tf.Tensor:
        z, log_det = self._transform.inverse_and_log_det(y, context)
        return tf.reshape(self.base.log_prob(z), tf.shape(log_det)) + log_det

    def call(self, inputs: Any, training: bool = False) -> tf.Tensor:
        """Log-densities `[B]` in nats; in training, with fresh noise on integer data.

        Args:
          inputs: x `[B, *event]`, or a dict with "x" and any of "context", "index".
          training: Whether noise is drawn afresh.
        """
        batch = Batch.of(inputs)
        noise = None
        if training and self.dequantization is not None:
            index = batch.index_or_position()
            noise = self.dequantization.training_noise(index, self.noise_step())
        x = self._checked(batch.x)
        return self._density(self._continuous(x, noise), batch.context)

    def per_example(self, batch: Batch, training: bool) -> dict[str, tf.Tensor]:
        """Negative log-likelihoods `[B]` in nats, and bits/dim of integer data."""
        if training or self.dequantization is None:
            log_prob = self(batch.inputs, training=training)
        else:
            log_prob = self._mean_over_noise(batch, self.dequantization)
        values = {"loss": -log_prob}
        if self.levels is not None:
            values["bits_per_dim"] = metrics.bits_per_dim(log_prob, self.event_shape)
        return values

    def _mean_over_noise(
        self, batch: Batch, dequantization: Dequantization
    ) -> tf.Tensor:
        x, index = self._checked(batch.x), batch.index_or_position()

        def density(draw: tf.Tensor) -> tf.Tensor:
            noise = dequantization.evaluation_noise(index, draw)
            return self._density(self._continuous(x, noise), batch.context)

        draws = tf.range(dequantization.evaluation_draws)
        densities = tf.map_fn(
            density, draws, fn_output_signature=x.dtype, parallel_iterations=1
        )
        return tf.reduce_mean(densities, axis=0)

    def log_prob(self, x: Any, context: Any = None) -> tf.Tensor:
        """Log-densities in nats, in the units of the raw data.

        Args:
          x: Raw data `[..., *event]`.
          context: None or a tensor with the data's leading axes.

        Returns:
          `[...]`; deterministic, for integer data with the fixed pattern u.

        Raises:
          ValueError: For another shape, values that are not finite or, for integer
            data, no integers of the levels.
        """
        return self._density(self.dequantize(x), context)

    def bits_per_dim(self, x: Any, context: Any = None) -> tf.Tensor:
        """-log_prob / (D ln 2), `[...]`; see `log_prob`."""
        return metrics.bits_per_dim(self.log_prob(x, context), self.event_shape)

    def encode(self, x: Any, context: Any = None) -> tf.Tensor:
        """Latents `[B, D]` of raw data `[B, *event]`; the inverse of `decode`."""
        return self.encode_and_log_det(x, context)[0]

    def encode_and_log_det(
        self, x: Any, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """`encode`, and log|det dz/dx| `[B]` in nats, preprocessing included."""
        y = self.dequantize(x)
        z, log_det = self._transform.inverse_and_log_det(y, context)
        flat = tf.concat([tf.shape(log_det), [self.latent_dim]], axis=0)
        return tf.reshape(z, flat), log_det

    def decode(self, z: Any, context: Any = None) -> tf.Tensor:
        """Raw data `[B, *event]` of latents `[B, D]`; the inverse of `encode`.

        For integer data this is y - u with the fixed pattern, not rounded or clipped.
        """
        y = self._decode_continuous(self._checked_latents(z), context)[0]
        if self.dequantization is None:
            return y
        return self.dequantization.requantize(y)

    def _checked_latents(self, z: Any) -> tf.Tensor:
        z = as_float(z, self._transform.flow_dtype, self.name)
        if z.shape.rank < 1 or not z.shape[-1:].is_compatible_with([self.latent_dim]):
            raise ValueError(
                f"{self.name}: expected latents of shape (batch, {self.latent_dim}), "
                f"got {tuple(z.shape)}"
            )
        return z

    def _decode_continuous(
        self, z: tf.Tensor, context: Any
    ) -> tuple[tf.Tensor, tf.Tensor]:
        latent = self._transform.latent_event_shape
        z = tf.reshape(z, tf.concat([tf.shape(z)[:-1], latent], axis=0))
        return self._transform.forward_and_log_det(z, context)

    def sample(
        self,
        num_samples: int,
        seed: Any = None,
        temperature: Any = 1.0,
        context: Any = None,
    ) -> tf.Tensor:
        """Draws `[num_samples, *event]`; see `sample_and_log_prob`."""
        return self.sample_and_log_prob(num_samples, seed, temperature, context)[0]

    def sample_and_log_prob(
        self,
        num_samples: int,
        seed: Any = None,
        temperature: Any = 1.0,
        context: Any = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Draws and their log-densities, in one pass.

        Args:
          num_samples: N.
          seed: None (fresh), an int, or int32 `[2]`. Sample i depends on the seed and
            i alone, not on N.
          temperature: T >= 0; multiplies the base draw's deviation from its location.
          context: None, `[C]` shared by all, or `[N, ...]`.

        Returns:
          x `[N, *event]` in raw data units, continuous also for integer data (floor
          gives pixels), and log p(x) `[N]` in nats under the model at T = 1.

        Raises:
          ValueError: For a negative number or temperature, or a seed of another shape.
        """
        num_samples = checked_number(num_samples)
        seeds = random.fold_in(random.as_seed(seed), tf.range(num_samples))
        temperature = temperature_rows(
            temperature, num_samples, self._transform.flow_dtype
        )
        if context is not None:
            context = context_rows(tf.convert_to_tensor(context), num_samples)
        return self.sample_rows_and_log_prob(seeds, temperature, context)

    def sample_rows_and_log_prob(
        self, seeds: Any, temperature: Any, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """One draw per seed row: row i depends on the inputs' rows i alone.

        Args:
          seeds: int32 `[N, 2]`.
          temperature: `[N]`, >= 0.
          context: None or `[N, ...]`.

        Returns:
          As `sample_and_log_prob`.
        """
        seeds = tf.convert_to_tensor(seeds)
        if not seeds.shape.is_compatible_with((None, 2)):
            raise ValueError(f"expected seeds [N, 2], got shape {tuple(seeds.shape)}")
        temperature = temperature_rows(
            temperature, tf.shape(seeds)[0], self._transform.flow_dtype
        )
        z = self.base.sample_rows(seeds, temperature)
        y, log_det = self._decode_continuous(z, context)
        log_prob = self.base.log_prob(z) - log_det
        if self.dequantization is not None:
            y = self.dequantization.to_raw_range(y)
        return y, log_prob

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        serialize = keras.saving.serialize_keras_object
        parts = [self.dequantization, *self.preprocessing]
        return {
            **super().get_config(),
            "bijector": serialize(self.bijector),
            "event_shape": self.event_shape,
            "base": serialize(self.base),
            "preprocessing": [serialize(part) for part in parts if part is not None],
            "backprop": self.backprop,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Flow:
        """A fresh model of equal config."""
        deserialize = keras.saving.deserialize_keras_object
        parts = {
            "bijector": deserialize(config["bijector"], custom_objects),
            "base": deserialize(config["base"], custom_objects),
            "preprocessing": [
                deserialize(part, custom_objects) for part in config["preprocessing"]
            ],
        }
        return cls(**{**config, **parts})
