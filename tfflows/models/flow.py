"""`Flow`: a density over data by change of variables, as a `keras.Model`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tfflows.backend.arguments import check_sizes, check_word
from tfflows.backend.autograph import without_autograph
from tfflows.bijectors.composite import as_step
from tfflows.bijectors.recomputed_chain import BACKPROPS
from tfflows.fitting.batch import start_batch
from tfflows.fitting.call_signature import input_spec
from tfflows.models.assembly import (
    assemble_transform,
    make_base,
    split_preprocessing,
    support_steps,
)
from tfflows.models.calls.arguments import CONTEXT, DATA, LATENTS
from tfflows.models.calls.compiled_calls import calls_of, compiled_call
from tfflows.models.calls.inputs import checked_latents, existing_latents
from tfflows.models.contexts.conditional_distribution import ConditionalDistribution
from tfflows.models.contexts.conditioning import Conditioning
from tfflows.models.density import Density
from tfflows.models.density_model import DensityModel
from tfflows.models.flow_distribution import FlowDistribution


@keras.saving.register_keras_serializable("tfflows")
@without_autograph
class Flow(DensityModel):
    """A normalizing flow: x = f(z), z from a base p, trained by maximum likelihood.

      log p(x) = log p(z) + log|det dz/dx|  with z = f^-1(x)

    A call and `log_prob` return log-densities in nats in the units of the raw data,
    preprocessing included. For integer data, they are the densities of y = x + u with
    one fixed u; training draws a new u. See `Dequantization` and
    `VariationalDequantization`.

    Args:
      bijector: A flow step or any `tfb.Bijector`, from latents to (preprocessed) data.
      event_shape: Shape of one raw event.
      base: A `tfd.Distribution` over latents, of their shape or flat `[D]`; None:
        `StandardNormal(D)`.
      preprocessing: None, a step, or a list from data to latent. If it begins with a
        `Dequantization`, the data are integers.
      backprop: What is kept for the backward pass. "stored": all activations; "remat":
        the input of each step, which then runs again; "reversible": nothing, for steps
        that can be undone. See `bijectors.RecomputedChain`.
      context_shape: Shape of the context that steps or base depend on, () for class
        labels; a size may be None, for sets of any length. A context is one tensor, and
        a step or the base must take it. None: the flow is not conditional and refuses a
        context.
      context_dtype: Its dtype; None: int32 for shape (), else the flow's.
      context_network: A Keras layer that embeds raw contexts `[B, *context_shape]`, for
        example images, for the steps. It is trained with the flow. None: the steps take
        the context itself.
      support: Where data can lie: None, anywhere; "positive"; "unit", between 0 and 1;
        or (low, high). Each bound is a number, None for no bound, or an array of these
        of the event's shape. A `Bounded` step maps data to the line before
        `preprocessing`: its log-det counts, samples are inside, the density is 0
        elsewhere.
      name: Name of the model.
      dtype: Keras dtype policy; None: the bijector's.
      **kwargs: Arguments of `keras.Model`.

    Raises:
      ValueError: If the parts do not fit each other.
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
        support: Any = None,
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
        self.support, bounds = support_steps(
            support,
            self.event_shape,
            self.dequantization is not None,
            bijector.dtype_policy,
        )
        steps = [*bounds, *self.preprocessing, bijector]
        self._transform = assemble_transform(
            steps, self.event_shape, base, self.dtype_policy, backprop
        )
        self.base = make_base(base, self._transform)
        self.conditioning = Conditioning(
            context_shape, context_dtype, context_network, self._transform.flow_dtype
        )
        self.conditioning.check_parts(self._transform, self.base)
        if self.measures_bits:
            self.metric_names = ("loss", "bits_per_dim")
        self._create_trackers()
        noise = self.dequantization
        self.supports_jit = self._transform.supports_jit and (
            noise is None or noise.supports_jit
        )
        self.built = True
        self._post_build()

    @property
    def _density(self) -> Density:
        return Density(self.base, self._transform, self.conditioning)

    @property
    def flow_dtype(self) -> tf.DType:
        """The dtype of events and densities, whatever the networks' policy."""
        return self._transform.flow_dtype

    @property
    def has_bounded_support(self) -> bool:
        """Whether the density may be 0 somewhere."""
        return self._density.has_bounded_support

    def _embedded(self, context: Any, places: tf.Tensor, ndims: int) -> Any:
        return self.conditioning.rows(context, places, ndims, self.name)

    def _log_prob_given(self, y: tf.Tensor, c: Any) -> tf.Tensor:
        return self._density.log_prob(y, c)

    def _drawn(
        self, seeds: tf.Tensor, temperature: tf.Tensor, c: Any
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return self._density.draw(seeds, temperature, c)

    @property
    def latent_dim(self) -> int:
        """D, the size of a latent vector."""
        return math.prod(self._transform.latent_event_shape)

    @property
    def call_signature(self) -> Any:
        """The specs of a call's inputs: data, or a dict of data and context."""
        x = input_spec("x", self.event_shape, self._transform.flow_dtype)
        if self.context_shape is None:
            return x
        dtype = self.conditioning.context_dtype
        return {"x": x, "context": input_spec("context", self.context_shape, dtype)}

    @property
    def context_shape(self) -> tuple[int | None, ...] | None:
        """Shape of one example's context; None without contexts."""
        return self.conditioning.context_shape

    @property
    def has_inverse(self) -> bool:
        """Whether data have latents. Without them, the flow only draws samples."""
        return self._transform.has_inverse

    @property
    def is_initialized(self) -> bool:
        """Whether each data-dependent start has taken place."""
        parts = (self._transform, self.conditioning, self.dequantization)
        return all(part is None or part.is_initialized for part in parts)

    @property
    def distribution(self) -> FlowDistribution:
        """A `tfd.TransformedDistribution` over dequantized data.

        For a conditional flow, `log_prob`, `sample` and others accept `context=`.
        """
        parts = (self.base, self._transform, self.conditioning)
        return FlowDistribution.of(calls_of(self).of_parts(*parts), *parts)

    def conditional(self, context: Any) -> ConditionalDistribution:
        """Returns the `tfd.Distribution` over dequantized data given a context.

        Args:
          context: One, `[*context_shape]`, or a batch `[..., *context_shape]`, whose
            leading axes become the distribution's batch shape.

        Returns:
          A distribution whose methods take no context, so it fits into TFP's
          containers.

        Raises:
          ValueError: If the flow takes no context, or the context has another shape or
            dtype or is not finite.
        """
        if self.context_shape is None:
            raise ValueError(
                f"{self.name}: expected a conditional flow, made with context_shape=; "
                "this one takes no context: use flow.distribution"
            )
        return ConditionalDistribution(self.distribution, context)

    def initialize(self, batch: Any, context: Any = None) -> None:
        """Sets weights from one batch of data, once, in eager mode.

        Args:
          batch: x `[B, *event]`, a batch as `fit` takes it, or a `tf.data.Dataset` of
            batches, of which it takes the first.
          context: None or, for a conditional flow, as in `log_prob`.

        Raises:
          ValueError: If the data are not valid, see `log_prob`.
        """
        data = start_batch(batch, context, len(self.event_shape), self.name)
        if self.dequantization is not None:
            self.dequantization.initialize(self.dequantization.checked(data.x))
        y = self._raw.dequantized(data.x)
        self.conditioning.initialize(data.context, self.name)
        self._transform.initialize(
            y, self._embedded(data.context, y, len(self.event_shape))
        )

    def encode(self, x: Any, context: Any = None) -> tf.Tensor:
        """Maps raw data `[B, *event]` to latents `[B, D]`; the inverse of `decode`."""
        return self.encode_and_log_det(x, context)[0]

    @compiled_call(x=DATA, context=CONTEXT)
    def encode_and_log_det(
        self, x: Any, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Runs `encode`; also log|det dz/dx| `[B]` in nats, with preprocessing."""
        y = self.dequantize(x)
        c = self._embedded(context, y, len(self.event_shape))
        z, log_det = self._transform.inverse_and_log_det(y, c)
        if not self._transform.onto:
            z = existing_latents(z, log_det, self.name)
        flat = tf.concat([tf.shape(log_det), [self.latent_dim]], axis=0)
        return tf.reshape(z, flat), log_det

    @compiled_call(z=LATENTS, context=CONTEXT)
    def decode(self, z: Any, context: Any = None) -> tf.Tensor:
        """Maps latents `[B, D]` to raw data `[B, *event]`; the inverse of `encode`.

        For integer data it returns y - u with the fixed u, not rounded or clipped; with
        a `VariationalDequantization`, y rounded down.
        """
        z = checked_latents(z, self.latent_dim, self._transform.flow_dtype, self.name)
        c = self._embedded(context, z, 1)
        y = self._transform._from_latents(self._density.as_latents(z), c)[0]
        return self._raw.requantized(y)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
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
            "support": self.support,
            **self.conditioning.flow_config(),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Flow:
        """Returns a new model with the same config."""
        names = ("bijector", "base", "preprocessing", "context_network")
        parts = keras.saving.deserialize_keras_object(
            {name: config.get(name) for name in names}, custom_objects
        )
        return cls(**{**config, **parts})
