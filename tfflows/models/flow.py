"""`Flow`: a density over data by change of variables, as a `keras.Model`."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tfflows import metrics
from tfflows.backend import domains, random
from tfflows.backend.autograph import without_autograph
from tfflows.backend.checks import require
from tfflows.fitting.batch import Batch
from tfflows.models.inputs import checked_latents
from tfflows.models.sampling import checked_number
from tfflows.models.transform_model import TransformModel


@keras.saving.register_keras_serializable("tfflows")
@without_autograph
class Flow(TransformModel):
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
      backprop: "stored": all activations are kept for the backward pass; "remat": the
        input of each step, which then runs again; "reversible": none where steps can be
        undone. See `bijectors.RecomputedChain`.
      context_shape: Shape of the context that steps or base depend on, () for class
        labels; a size may be None, that of sets of any length. A context is one tensor,
        which a step or the base has to take. None: the flow is not conditional, and
        refuses a context.
      context_dtype: Its dtype; None: int32 for shape (), else the flow's.
      context_network: A Keras layer that embeds raw contexts `[B, *context_shape]`,
        images for example, as what the steps take; trained with the flow. None: the
        steps take the context itself.
      name: Name of the model.
      dtype: Keras dtype policy; None: the bijector's.
      **kwargs: Those of `keras.Model`.

    Raises:
      ValueError: For parts that do not fit each other.
    """

    def dequantize(self, x: Any) -> tf.Tensor:
        """The continuous y of raw data `[..., *event]`: x + u with the fixed pattern.

        Raises:
          ValueError: For another shape, values that are not finite, or integer data
            that are no integers of the levels.
        """
        return self._continuous(self._checked(x), None)

    def call(self, inputs: Any, training: bool = False) -> tf.Tensor:
        """Log-densities `[B]` in nats; in training, with fresh noise on integer data.

        Args:
          inputs: x `[B, *event]`, or a dict with "x" and any of "context", "index".
          training: Whether noise is drawn afresh.
        """
        return self._density(*self._prepared(Batch.of(inputs), training))

    def _prepared(
        self, batch: Batch, training: bool
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        """The continuous y, in training with fresh noise, and the embedded context."""
        noise = None
        if training and self.dequantization is not None:
            index = batch.index_or_position()
            noise = self.dequantization.training_noise(index, self.noise_step())
        x = self._checked(batch.x)
        return self._continuous(x, noise), self._embedded(batch.context, x)

    def per_example(self, batch: Batch, training: bool) -> dict[str, tf.Tensor]:
        """Negative log-likelihoods `[B]` in nats, and bits/dim of integer data."""
        if training or self.dequantization is None:
            log_prob = self(batch.inputs, training=training)
            if training and self.has_bounded_support:
                log_prob = self._checked_density(log_prob, batch)
        else:
            log_prob = self._mean_over_noise(batch, self.dequantization)
        return {"loss": -log_prob, **self._bits(log_prob)}

    def _checked_density(self, log_prob: tf.Tensor, batch: Batch) -> tf.Tensor:
        """The log-densities; with one that is infinite there is no training.

        Only where the density may be 0 in some place. Elsewhere one that overflows is
        as likely that of weights gone wild, of which `train_step` leaves the step out;
        so is NaN everywhere. XLA drops the check, and such steps are left out.
        """
        impossible = tf.math.is_inf(log_prob)
        if batch.sample_weight is not None:
            impossible &= batch.sample_weight > 0
        rows = tf.range(tf.size(log_prob))
        first = tf.reduce_min(tf.where(impossible, rows, tf.size(log_prob)))
        # No slice: XLA drops the requirement, but not what it is computed from.
        one = domains.select_rows(rows == first, batch.x, tf.zeros_like(batch.x))
        message = (
            f"{self.name}: expected data of positive and finite density to train on, "
            "got an infinite log-density, of data outside of a step's range or of the "
            "base's support, or on the border, or of weights gone wild:"
        )
        number, whole = first, "batch"
        if batch.index is not None:
            own = tf.where(rows == first, batch.index, tf.zeros_like(batch.index))
            number, whole = tf.reduce_sum(own), "data"
        values = tf.reduce_sum(one, axis=0)
        details = ("row", number, f"of the {whole}, of values", values)
        with require(~tf.reduce_any(impossible), message, *details):
            return tf.identity(log_prob)

    def _bits(self, log_prob: tf.Tensor) -> dict[str, tf.Tensor]:
        if self.levels is None:
            return {}
        return {"bits_per_dim": metrics.bits_per_dim(log_prob, self.event_shape)}

    def log_prob(self, x: Any, context: Any = None) -> tf.Tensor:
        """Log-densities in nats, in the units of the raw data.

        Args:
          x: Raw data `[..., *event]`.
          context: None or, of a conditional flow, `[*context_shape]`, one for all, or
            `[..., *context_shape]`, one for each; the rule, which holds in all methods,
            stands in `Conditioning`.

        Returns:
          `[...]`; deterministic, for integer data with the fixed pattern u; -inf for
          data outside of the range of a step or of the base's support.

        Raises:
          ValueError: For another shape, values that are not finite or, for integer
            data, no integers of the levels; for a context that is missing, not
            expected, or of another shape or dtype.
        """
        y = self.dequantize(x)
        return self._density(y, self._embedded(context, y))

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
        context = self._embedded(context, y)
        z, log_det = self._transform.inverse_and_log_det(y, context)
        if not self._transform.onto:
            z = self._checked_latents(z, log_det)
        flat = tf.concat([tf.shape(log_det), [self.latent_dim]], axis=0)
        return tf.reshape(z, flat), log_det

    def _checked_latents(self, z: tf.Tensor, log_det: tf.Tensor) -> tf.Tensor:
        message = (
            f"{self.name}: expected data inside of the range of each step, got data "
            "outside of it, or on its border, which have no latents"
        )
        with require(~tf.reduce_any(domains.outside(log_det)), message):
            return tf.identity(z)

    def decode(self, z: Any, context: Any = None) -> tf.Tensor:
        """Raw data `[B, *event]` of latents `[B, D]`; the inverse of `encode`.

        For integer data this is y - u with the fixed pattern, not rounded or clipped.
        """
        z = checked_latents(z, self.latent_dim, self._transform.flow_dtype, self.name)
        context = self.conditioning.rows(context, z, event_ndims=1, name=self.name)
        y = self._decode_continuous(z, context)[0]
        if self.dequantization is None:
            return y
        return self.dequantization.requantize(y)

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
          context: None or, of a conditional flow, `[*context_shape]` for all samples,
            or `[N, *context_shape]`. For M samples of each of some contexts, repeat
            these: `sample(M * len(c), context=np.repeat(c, M, axis=0))`.

        Returns:
          x `[N, *event]` in raw data units, continuous also for integer data (floor
          gives pixels), and log p(x) `[N]` in nats under the model at T = 1.

        Raises:
          ValueError: For a negative number or temperature, or a seed of another shape;
            for a context as in `log_prob`.
        """
        num_samples = checked_number(num_samples)
        seeds = random.fold_in(random.as_seed(seed), tf.range(num_samples))
        context = self.conditioning.rows(context, seeds, 1, self.name)
        return self._draw(seeds, temperature, context)

    def sample_rows_and_log_prob(
        self, seeds: Any, temperature: Any, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """One draw per seed row: row i depends on the inputs' rows i alone.

        Args:
          seeds: int32 `[N, 2]`.
          temperature: `[N]`, >= 0.
          context: None or, of a conditional flow, `[*context_shape]` for all samples,
            or `[N, *context_shape]`.

        Returns:
          As `sample_and_log_prob`.
        """
        seeds = tf.convert_to_tensor(seeds)
        if not seeds.shape.is_compatible_with((None, 2)):
            raise ValueError(f"expected seeds [N, 2], got shape {tuple(seeds.shape)}")
        context = self.conditioning.rows(context, seeds, 1, self.name)
        return self._draw(seeds, temperature, context)

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Flow:
        """A fresh model of equal config."""
        deserialize = keras.saving.deserialize_keras_object
        parts = {
            **{
                name: deserialize(config.get(name), custom_objects)
                for name in ("bijector", "base", "context_network")
            },
            "preprocessing": [
                deserialize(part, custom_objects) for part in config["preprocessing"]
            ],
        }
        return cls(**{**config, **parts})
