"""The TFP distribution of a conditional flow given its context."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from tfflows.models.contexts.slicing import check_slices
from tfflows.models.flow_distribution import FlowDistribution


class ConditionalDistribution(tfd.Distribution):
    """p(y | context); several contexts make a batch shape.

    Args:
      flow: The distribution whose methods take a context.
      context: `[*batch, *context_shape]`.
      name: Name of the distribution.

    Raises:
      ValueError: If the context has another shape or dtype or unknown rank, or is not
        finite.
    """

    def __init__(
        self, flow: FlowDistribution, context: Any, name: str = "conditional_flow"
    ) -> None:
        parameters = {"flow": flow, "context": context, "name": name}
        self._flow, self._given = flow, context
        shape = tf.convert_to_tensor(context).shape
        if shape.rank is None:
            raise ValueError(
                f"{flow.name}: expected a context of a known number of axes, which "
                "tell the batch shape, got one of unknown rank; give it a shape by "
                "tf.ensure_shape, or TensorSpec's shape"
            )
        self._batch = shape[: max(shape.rank - len(flow.context_shape), 0)]
        super().__init__(
            dtype=flow.dtype,
            reparameterization_type=flow.reparameterization_type,
            validate_args=False,
            allow_nan_stats=flow.allow_nan_stats,
            parameters=parameters,
            name=name,
        )
        self._embedded()  # raises if the context is not valid

    @classmethod
    def _parameter_properties(cls, dtype: Any, num_classes: Any = None) -> dict:
        return {}

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles have their own weights."""
        context = tf.convert_to_tensor(self._given).numpy()
        return ConditionalDistribution, (self._flow, context, self.name)

    def __getitem__(self, slices: Any) -> ConditionalDistribution:
        """Returns the distributions for some of the contexts.

        Args:
          slices: Integers, slices, `tf.newaxis` and `...`, as for a tensor `[*batch]`.

        Raises:
          ValueError: If they are others or too many, or an integer is out of range.
        """
        slices = slices if isinstance(slices, tuple) else (slices,)
        check_slices(slices, self._batch, self.name)
        given = tf.convert_to_tensor(self._given)
        if any(part is Ellipsis for part in slices):  # not over a context's own axes
            own = given.shape.rank - self._batch.rank
            slices = (*slices, *[slice(None)] * own)
        return ConditionalDistribution(self._flow, given[slices], self.name)

    def _embedded(self) -> tf.Tensor:
        """Returns embedded contexts `[*batch, ...]`, with the present weights."""
        return self._flow.embedded(self._given, tf.zeros(self._batch_shape_tensor()))

    def _event_shape(self) -> tf.TensorShape:
        return self._flow.event_shape

    def _event_shape_tensor(self) -> tf.Tensor:
        return self._flow.event_shape_tensor()

    def _batch_shape(self) -> tf.TensorShape:
        return self._batch

    def _batch_shape_tensor(self) -> tf.Tensor:
        return tf.shape(self._given)[: self._batch.rank]

    def _default_event_space_bijector(self) -> tfb.Bijector:
        if not self._flow.bijector.onto:
            raise NotImplementedError(f"{self.name}: the support is not known")
        return tfb.Identity()

    def _log_prob(self, y: tf.Tensor) -> tf.Tensor:
        event = self.event_shape
        leading = tf.broadcast_dynamic_shape(
            tf.shape(y)[: y.shape.rank - event.rank], self._batch_shape_tensor()
        )
        y = tf.broadcast_to(y, tf.concat([leading, event], axis=0))
        return self._flow.log_prob_given(y, self._context_of(leading))

    def _call_sample_n(self, sample_shape: Any, seed: Any, **kwargs: Any) -> tf.Tensor:
        return self._sample_and_log_prob(sample_shape, seed, **kwargs)[0]

    def _sample_and_log_prob(
        self, sample_shape: Any, seed: Any
    ) -> tuple[tf.Tensor, tf.Tensor]:
        sample_shape = tf.reshape(tf.cast(sample_shape, tf.int32), [-1])
        leading = tf.concat([sample_shape, self._batch_shape_tensor()], axis=0)
        context = self._context_of(leading)
        return self._flow.sample_and_log_prob_given(leading, seed, context)

    def _context_of(self, leading: tf.Tensor) -> tf.Tensor:
        embedded = self._embedded()
        own = tf.shape(embedded)[self._batch.rank :]
        return tf.broadcast_to(embedded, tf.concat([leading, own], axis=0))
