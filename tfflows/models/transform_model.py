"""A base and a transform between its latents and data, put together from parts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tfflows.backend import domains
from tfflows.backend.autograph import without_autograph
from tfflows.bijectors.composite import as_step
from tfflows.fitting.batch import Batch, first_batch
from tfflows.fitting.call_signature import input_spec
from tfflows.fitting.train_step import LikelihoodModel
from tfflows.models.assembly import (
    assemble_transform,
    check_backprop,
    check_dtype,
    check_event_shape,
    make_base,
    split_preprocessing,
)
from tfflows.models.conditional_distribution import ConditionalDistribution
from tfflows.models.conditioning import Conditioning
from tfflows.models.flow_distribution import FlowDistribution
from tfflows.models.inputs import checked_data
from tfflows.models.sampling import temperature_rows
from tfflows.preprocessing import Dequantization


@without_autograph
class TransformModel(LikelihoodModel):
    """The parts of a flow, and the passes between data and latents.

    The arguments are those of `Flow`.
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
        check_backprop(backprop)
        self.backprop = backprop
        self.event_shape = check_event_shape(event_shape)
        self.bijector = bijector
        self.dequantization, self.preprocessing = split_preprocessing(preprocessing)
        if self.dequantization is not None and not self.dequantization.built:
            self.dequantization.build((None, *self.event_shape))
        if self.dequantization is not None:
            check_dtype(self.dequantization, bijector.flow_dtype)
        self._transform = assemble_transform(
            [*self.preprocessing, bijector],
            self.event_shape,
            base,
            self.dtype_policy,
            backprop,
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
        return FlowDistribution(self.base, self._transform, self.conditioning)

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
        data = Batch.of(first_batch(batch))
        if data.x.shape.rank == len(self.event_shape):
            raise ValueError(
                f"{self.name}.initialize: expected a batch of data, got one event of "
                f"shape {tuple(data.x.shape)}; of a dataset, batch it first"
            )
        if context is not None and data.context is not None:
            raise ValueError(
                f"{self.name}.initialize: expected one context, got one in the batch "
                "and context="
            )
        context = data.context if context is None else context
        y = self.dequantize(data.x)
        self._transform.initialize(y, self._embedded(context, y))

    def _checked(self, x: Any) -> tf.Tensor:
        return checked_data(x, self.event_shape, self._transform.flow_dtype, self.name)

    def _embedded(self, context: Any, x: tf.Tensor) -> tf.Tensor | None:
        """What steps and base are told of each of the events `[..., *event]`."""
        ndims = len(self.event_shape)
        return self.conditioning.rows(context, x, ndims, self.name)

    def _continuous(self, x: tf.Tensor, noise: tf.Tensor | None) -> tf.Tensor:
        if self.dequantization is None:
            return x
        return self.dequantization.dequantize(x, noise)

    def _latents_and_density(
        self, y: tf.Tensor, context: tf.Tensor | None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        z, log_det = self._transform.inverse_and_log_det(y, context)
        log_prob = self.base.log_prob(z, context)
        log_prob = tf.reshape(log_prob, tf.shape(log_det)) + log_det
        return z, domains.zero_outside(self._transform, log_prob, log_det)

    @property
    def has_bounded_support(self) -> bool:
        """Whether the density of some data may be 0."""
        return not self._transform.onto or self.base.has_bounded_support

    def _density(self, y: tf.Tensor, context: tf.Tensor | None) -> tf.Tensor:
        return self._latents_and_density(y, context)[1]

    def _mean_over_noise(
        self, batch: Batch, dequantization: Dequantization
    ) -> tf.Tensor:
        x, index = self._checked(batch.x), batch.index_or_position()
        context = self._embedded(batch.context, x)

        def density(draw: tf.Tensor) -> tf.Tensor:
            noise = dequantization.evaluation_noise(index, draw)
            return self._density(self._continuous(x, noise), context)

        draws = tf.range(dequantization.evaluation_draws)
        densities = tf.map_fn(
            density, draws, fn_output_signature=x.dtype, parallel_iterations=1
        )
        return tf.reduce_mean(densities, axis=0)

    def _decode_continuous(
        self, z: tf.Tensor, context: tf.Tensor | None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        latent = self._transform.latent_event_shape
        z = tf.reshape(z, tf.concat([tf.shape(z)[:-1], latent], axis=0))
        return self._transform._from_latents(z, context)

    def _draw(
        self, seeds: tf.Tensor, temperature: Any, context: tf.Tensor | None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        temperature = temperature_rows(
            temperature, tf.shape(seeds)[0], self._transform.flow_dtype
        )
        z = self.base.sample_rows(seeds, temperature, context)
        y, log_det = self._decode_continuous(z, context)
        log_prob = self.base.log_prob(z, context) - log_det
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
            **self.conditioning.flow_config(),
        }
