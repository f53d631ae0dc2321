"""`Flow`: a density over data by change of variables, as a `keras.Model`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tfflows import metrics
from tfflows.backend import random
from tfflows.backend.arguments import check_sizes, check_word
from tfflows.backend.autograph import without_autograph
from tfflows.bijectors.composite import as_step
from tfflows.bijectors.recomputed_chain import BACKPROPS
from tfflows.fitting.batch import Batch, start_batch
from tfflows.fitting.call_signature import input_spec
from tfflows.fitting.impossible_data import checked_density
from tfflows.fitting.train_step import LikelihoodModel
from tfflows.models.assembly import assemble_transform, make_base, split_preprocessing
from tfflows.models.compiled_calls import (
    CONTEXT,
    DATA,
    LATENTS,
    NUMBER,
    SEED,
    SEEDS,
    START,
    calls_of,
    compiled_call,
    temperature_in,
)
from tfflows.models.conditional_distribution import ConditionalDistribution
from tfflows.models.conditioning import Conditioning
from tfflows.models.density import Density
from tfflows.models.flow_distribution import FlowDistribution
from tfflows.models.inputs import checked_latents, existing_latents
from tfflows.models.raw_data import RawData
from tfflows.models.sampling import checked_number, checked_seeds, temperature_rows

_TEMPERATURE = temperature_in(lambda flow: flow._transform.flow_dtype)
_DRAWS = {
    "num_samples": NUMBER,
    "start": START,
    "seed": SEED,
    "temperature": _TEMPERATURE,
    "context": CONTEXT,
}


@keras.saving.register_keras_serializable("tfflows")
@without_autograph
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

    def __init__(
        self,
        bijector: Any,
        event_shape: Sequence[int],
        base: Any = None,
        preprocessing: Any = None,
        backprop: str = "stored",
        *,
        context_shape: int | Sequence[int] | None = None,
        context_dtype: Any = None,
        context_network: Any = None,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        bijector = as_step(bijector, dtype)
        dtype = bijector.dtype_policy if dtype is None else dtype
        super().__init__(name=name, dtype=dtype, **kwargs)
        self.backprop = check_word("backprop", backprop, BACKPROPS)
        self.event_shape = check_sizes("event_shape", event_shape)
        self.bijector = bijector
        self.dequantization, self.preprocessing = split_preprocessing(
            preprocessing, self.event_shape, bijector.flow_dtype
        )
        steps = [*self.preprocessing, bijector]
        self._transform = assemble_transform(
            steps, self.event_shape, base, self.dtype_policy, backprop
        )
        self.base = make_base(base, self._transform)
        self.conditioning = Conditioning(
            context_shape, context_dtype, context_network, self._transform.flow_dtype
        )
        self.conditioning.check_parts(self._transform, self.base)
        if self.levels is not None:
            self.metric_names = ("loss", "bits_per_dim")
        self._create_trackers()
        self.supports_jit = self._transform.supports_jit
        self.built = True
        self._post_build()

    @property
    def _density(self) -> Density:
        return Density(self.base, self._transform, self.conditioning)

    @property
    def _raw(self) -> RawData:
        dtype = self._transform.flow_dtype
        return RawData(self.event_shape, dtype, self.dequantization, self.name)

    def _embedded(self, context: Any, y: tf.Tensor) -> tf.Tensor | None:
        """What steps and base are told of each of the events `[..., *event]`."""
        return self._density.embedded(context, y, len(self.event_shape), self.name)

    @property
    def latent_dim(self) -> int:
        """D, the size of a latent vector."""
        return math.prod(self._transform.latent_event_shape)

    @property
    def levels(self) -> int | None:
        """Number of levels of integer data; None for continuous data."""
        return None if self.dequantization is None else self.dequantization.levels

    @property
    def call_signature(self) -> Any:
        """The specs of a call's inputs: data, or a dict with the context, too."""
        x = input_spec("x", self.event_shape, self._transform.flow_dtype)
        if self.context_shape is None:
            return x
        dtype = self.conditioning.context_dtype
        return {"x": x, "context": input_spec("context", self.context_shape, dtype)}

    @property
    def draws_noise(self) -> bool:
        """Whether training and evaluation add noise to the data."""
        return self.dequantization is not None

    @property
    def context_shape(self) -> tuple[int | None, ...] | None:
        """Shape of the context of one example; None of a flow that has none."""
        return self.conditioning.context_shape

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
        """A `tfd.TransformedDistribution` over dequantized data.

        Of a conditional flow, `log_prob`, `sample` and the like take `context=`.
        """
        parts = (self.base, self._transform, self.conditioning)
        return FlowDistribution.of(calls_of(self).of_parts(*parts), *parts)

    def conditional(self, context: Any) -> ConditionalDistribution:
        """The `tfd.Distribution` over dequantized data given a context.

        Args:
          context: One, `[*context_shape]`, or a batch `[..., *context_shape]`, whose
            leading axes are then the distribution's batch shape.

        Returns:
          A distribution whose methods take no context: it fits into TFP's containers.

        Raises:
          ValueError: If the flow takes no context; for one of another shape or dtype,
            or not finite.
        """
        if self.context_shape is None:
            raise ValueError(
                f"{self.name}: expected a conditional flow, made with context_shape=; "
                "this one takes no context: use flow.distribution"
            )
        return ConditionalDistribution(self.distribution, context)

    def initialize(self, batch: Any, context: Any = None) -> None:
        """Data-dependent start from one batch of data, in eager mode, once.

        Args:
          batch: x `[B, *event]`, a batch as `fit` takes it, or a `tf.data.Dataset` of
            batches, of which it takes the first.
          context: None or, of a conditional flow, as in `log_prob`.

        Raises:
          ValueError: For data that break the model's rules.
        """
        data = start_batch(batch, context, len(self.event_shape), self.name)
        y = self._raw.dequantized(data.x)
        self._transform.initialize(y, self._embedded(data.context, y))

    @compiled_call(x=DATA)
    def dequantize(self, x: Any) -> tf.Tensor:
        """The continuous y of raw data `[..., *event]`: x + u with the fixed pattern.

        Raises:
          ValueError: For another shape, values that are not finite, or integer data
            that are no integers of the levels.
        """
        return self._raw.dequantized(x)

    def call(self, inputs: Any, training: bool = False) -> tf.Tensor:
        """Log-densities `[B]` in nats; in training, with fresh noise on integer data.

        Args:
          inputs: x `[B, *event]`, or a dict with "x" and any of "context", "index".
          training: Whether noise is drawn afresh.
        """
        return self._density.log_prob(*self._prepared(Batch.of(inputs), training))

    def _prepared(
        self, batch: Batch, training: bool
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        """The continuous y, in training with fresh noise, and the embedded context."""
        if training:
            y = self._raw.noisy(batch, self.noise_step)
        else:
            y = self._raw.dequantized(batch.x)
        return y, self._embedded(batch.context, y)

    def per_example(self, batch: Batch, training: bool) -> dict[str, tf.Tensor]:
        """Negative log-likelihoods `[B]` in nats, and bits/dim of integer data."""
        density = self._density
        if training or self.dequantization is None:
            log_prob = self(batch.inputs, training=training)
            if training and density.has_bounded_support:
                log_prob = checked_density(log_prob, batch, self.name)
        else:
            c = self._embedded(batch.context, self._raw.checked(batch.x))
            log_prob = self._raw.mean_over_noise(
                batch, lambda y: density.log_prob(y, c)
            )
        return {"loss": -log_prob, **self._bits(log_prob)}

    def _bits(self, log_prob: tf.Tensor) -> dict[str, tf.Tensor]:
        if self.levels is None:
            return {}
        return {"bits_per_dim": metrics.bits_per_dim(log_prob, self.event_shape)}

    @compiled_call(x=DATA, context=CONTEXT)
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
        return self._density.log_prob(y, self._embedded(context, y))

    def bits_per_dim(self, x: Any, context: Any = None) -> tf.Tensor:
        """-log_prob / (D ln 2), `[...]`; see `log_prob`."""
        return metrics.bits_per_dim(self.log_prob(x, context), self.event_shape)

    def encode(self, x: Any, context: Any = None) -> tf.Tensor:
        """Latents `[B, D]` of raw data `[B, *event]`; the inverse of `decode`."""
        return self.encode_and_log_det(x, context)[0]

    @compiled_call(x=DATA, context=CONTEXT)
    def encode_and_log_det(
        self, x: Any, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """`encode`, and log|det dz/dx| `[B]` in nats, preprocessing included."""
        y = self.dequantize(x)
        context = self._embedded(context, y)
        z, log_det = self._transform.inverse_and_log_det(y, context)
        if not self._transform.onto:
            z = existing_latents(z, log_det, self.name)
        flat = tf.concat([tf.shape(log_det), [self.latent_dim]], axis=0)
        return tf.reshape(z, flat), log_det

    @compiled_call(z=LATENTS, context=CONTEXT)
    def decode(self, z: Any, context: Any = None) -> tf.Tensor:
        """Raw data `[B, *event]` of latents `[B, D]`; the inverse of `encode`.

        For integer data this is y - u with the fixed pattern, not rounded or clipped.
        """
        z = checked_latents(z, self.latent_dim, self._transform.flow_dtype, self.name)
        c = self.conditioning.rows(context, z, event_ndims=1, name=self.name)
        y = self._transform._from_latents(self._density.as_latents(z), c)[0]
        return self._raw.requantized(y)

    def sample(
        self,
        num_samples: int,
        seed: Any = None,
        temperature: Any = 1.0,
        context: Any = None,
    ) -> tf.Tensor:
        """Draws `[num_samples, *event]`; see `sample_and_log_prob`."""
        return self._draws(num_samples, 0, seed, temperature, context)

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
        return self._draws_and_log_prob(num_samples, 0, seed, temperature, context)

    @compiled_call(**_DRAWS)
    def _draws(
        self, num_samples: Any, start: Any, seed: Any, temperature: Any, context: Any
    ) -> tf.Tensor:
        # Not what follows from them, which a compiled function then leaves out.
        return self._draws_and_log_prob(num_samples, start, seed, temperature, context)[
            0
        ]

    @compiled_call(**_DRAWS)
    def _draws_and_log_prob(
        self, num_samples: Any, start: Any, seed: Any, temperature: Any, context: Any
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Of the samples from number `start` on; see `sample_and_log_prob`."""
        numbers = start + tf.range(checked_number(num_samples))
        seeds = random.fold_in(random.as_seed(seed), numbers)
        return self.sample_rows_and_log_prob(seeds, temperature, context)

    @compiled_call(seeds=SEEDS, temperature=_TEMPERATURE, context=CONTEXT)
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
        seeds = checked_seeds(seeds)
        c = self.conditioning.rows(context, seeds, 1, self.name)
        rows = temperature_rows(
            temperature, tf.shape(seeds)[0], self._transform.flow_dtype
        )
        y, log_prob = self._density.draw(seeds, rows, c)
        return self._raw.drawn(y), log_prob

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        parts = {
            "bijector": self.bijector,
            "base": self.base,
            "preprocessing": [
                *([] if self.dequantization is None else [self.dequantization]),
                *self.preprocessing,
            ],
        }
        return {
            **super().get_config(),
            **keras.saving.serialize_keras_object(parts),
            "event_shape": self.event_shape,
            "backprop": self.backprop,
            **self.conditioning.flow_config(),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Flow:
        """A fresh model of equal config."""
        names = ("bijector", "base", "preprocessing", "context_network")
        parts = keras.saving.deserialize_keras_object(
            {name: config.get(name) for name in names}, custom_objects
        )
        return cls(**{**config, **parts})
