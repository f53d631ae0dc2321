"""Checks the contexts of a conditional flow and embeds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from tfflows.backend.arguments import check_open_sizes
from tfflows.backend.checkpointing import CheckpointsAllWeights
from tfflows.bijectors import FlowStep
from tfflows.distributions import Base
from tfflows.models.contexts.rows import one_or_each
from tfflows.models.contexts.use import check_sizes, check_taken
from tfflows.models.contexts.values import (
    as_finite,
    as_integers,
    number_of_labels,
    one_tensor,
    within_labels,
)


@keras.saving.register_keras_serializable("tfflows")
class Conditioning(CheckpointsAllWeights, keras.layers.Layer):
    """The shape and dtype of a flow's context, and the network that embeds it.

    Steps and bases receive the network's output or, without a network, the context:
    integers stay integers, other numbers are cast to the flow's dtype.

    One rule holds in all methods of a flow. For values with leading axes `[...]`, a
    context is `[*context_shape]`, one for all of them, or `[..., *context_shape]`, one
    for each. If there are two or more leading axes, the context may have size 1 on some
    of them and then holds for all values along that axis. For x `[observations, draws,
    *event]`, a context `[observations, 1, *context_shape]` gives one per observation.

    Args:
      context_shape: Shape of one context, () for a class label; None: the flow has no
        context and refuses one. A size may be None, for sets of any length, which a
        context_network pools.
      context_dtype: Its dtype; None: int32 for shape (), else the flow's.
      context_network: A Keras layer from `[B, *context_shape]` to `[B, ...]`, or None.
      flow_dtype: The dtype of the flow.
      **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
      ValueError: If a dtype or a network comes without a shape, the dtype is not
        numeric, or the network is no Keras layer.
    """

    def __init__(
        self,
        context_shape: int | Sequence[int] | None,
        context_dtype: Any,
        context_network: Any,
        flow_dtype: tf.DType,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        self.network, self._flow_dtype = context_network, tf.as_dtype(flow_dtype)
        self.context_shape = _checked_shape(context_shape)
        others = (context_dtype, context_network)
        if self.context_shape is None and others != (None, None):
            raise ValueError(
                "expected context_shape with context_dtype and context_network, got "
                "none; () is that of a class label"
            )
        self.context_dtype = self._checked_dtype(context_dtype)
        self.embedded_shape = self._build_network()
        self._num_labels = number_of_labels(context_network)
        self.built = True
        self._build_shapes_dict = {"input_shape": self.output_shape}

    def build_from_config(self, config: Any) -> None:
        """Does nothing on loading, because the constructor has built the layer."""

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        """Shape of embedded contexts with None for the batch, for Keras' `summary`."""
        return () if self.embedded_shape is None else (None, *self.embedded_shape)

    def _checked_dtype(self, dtype: Any) -> tf.DType | None:
        if self.context_shape is None:
            return None
        if dtype is None:
            return self._flow_dtype if self.context_shape else tf.int32
        dtype = tf.as_dtype(dtype)
        if not (dtype.is_floating or dtype.is_integer):
            raise ValueError(f"expected context_dtype of numbers, got {dtype.name}")
        return self._flow_dtype if dtype.is_floating else dtype

    def _build_network(self) -> tuple[int | None, ...] | None:
        if self.network is None or self.context_dtype is None:
            return self.context_shape
        if not isinstance(self.network, keras.layers.Layer):
            raise ValueError(
                "expected a context_network that is a Keras layer, got "
                f"{self.network!r}"
            )
        raw = keras.Input(self.context_shape, dtype=self.context_dtype.name)
        embedded = self.network(raw)
        if not isinstance(embedded, keras.KerasTensor):
            raise ValueError(
                "expected a context_network that returns one tensor, got "
                f"{type(embedded).__name__}"
            )
        return tuple(embedded.shape[1:])

    @property
    def embedded_dtype(self) -> tf.DType | None:
        """Dtype of embedded contexts; None without contexts."""
        return self.context_dtype if self.network is None else self._flow_dtype

    def flow_config(self) -> dict[str, Any]:
        """Returns the arguments of a flow that make this layer."""
        dtype, network = self.context_dtype, self.network
        if network is not None:
            network = keras.saving.serialize_keras_object(network)
        return {
            "context_shape": self.context_shape,
            "context_dtype": None if dtype is None else dtype.name,
            "context_network": network,
        }

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        flow_dtype = self._flow_dtype.name
        return {
            **super().get_config(),
            **self.flow_config(),
            "flow_dtype": flow_dtype,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Conditioning:
        """Returns a new layer with the same config."""
        network = keras.saving.deserialize_keras_object(config["context_network"])
        return cls(**{**config, "context_network": network})

    @property
    def is_initialized(self) -> bool:
        """Whether the network's data-dependent start, if it has one, took place."""
        return not isinstance(self.network, FlowStep) or self.network.is_initialized

    def initialize(self, context: Any, name: str) -> None:
        """Data-dependent start of a network that is a flow step, once.

        Args:
          context: Contexts `[B, *context_shape]`, or None.
          name: Who expects it.
        """
        if isinstance(self.network, FlowStep):
            rows = tf.cast(self._converted(context, name), self._flow_dtype)
            self.network.initialize(rows, direction="forward")

    def check_parts(self, transform: FlowStep, base: Base) -> None:
        """Raises ValueError unless the parts take the context that the flow declares.

        Args:
          transform: The flow's built chain.
          base: Its base.
        """
        source = "from context_network " if self.network is not None else ""
        for part in (transform, base):
            check_sizes(part, self.embedded_shape, self.embedded_dtype, source)
        if self.embedded_shape is not None and self.embedded_dtype is not None:
            check_taken(transform, base, self.embedded_shape, self.embedded_dtype)

    def rows(
        self, context: Any, value: tf.Tensor, event_ndims: int, name: str
    ) -> tf.Tensor | None:
        """Returns the embedded context of each event, by the rule of the class.

        Args:
          context: None, `[*context_shape]` or `[..., *context_shape]`.
          value: `[..., *event]`.
          event_ndims: Number of axes of an event.
          name: The model that expects it.

        Returns:
          `[..., *embedded_shape]`; None if the flow has no context.

        Raises:
          ValueError: If the context is missing, not expected, not finite, or has
            another shape or dtype. In a graph, InvalidArgumentError for values and
            sizes that are known only when it runs.
        """
        context = self._converted(context, name)
        if context is None:
            return None
        ndims = value.shape.rank - event_ndims
        static, batch = value.shape[:ndims], tf.shape(value)[:ndims]
        context = one_or_each(context, self.context_shape or (), static, batch, name)
        leading = context.shape.rank - len(self.context_shape or ())
        rows = self._embed(context, leading)
        own = tf.shape(rows)[leading:]
        same = rows.shape[:leading].as_list() == static.as_list()
        known = static.is_fully_defined() and same
        if leading < ndims or not (ndims == 1 or known):
            rows = tf.broadcast_to(rows, tf.concat([batch, own], axis=0))
        return tf.ensure_shape(rows, static.concatenate(self.embedded_shape))

    def _converted(self, context: Any, name: str) -> tf.Tensor | None:
        shape, dtype = self.context_shape, self.context_dtype
        if context is not None:
            one_tensor(context, name)
        if (context is None) != (shape is None):
            raise ValueError(f"{name}: {self._what_is_wrong(context)}")
        if context is None or dtype is None:
            return None
        context = (as_integers if dtype.is_integer else as_finite)(context, dtype, name)
        return within_labels(context, self._num_labels, name)

    def _what_is_wrong(self, context: Any) -> str:
        if self.context_shape is None:
            return (
                "expected no context, got one of shape "
                f"{tuple(tf.convert_to_tensor(context).shape)}; the flow was made "
                "without context_shape="
            )
        wanted = ", ".join(map(str, ("batch", *self.context_shape)))
        return (
            f"expected a context of shape ({wanted}), got none; give context=, or "
            "{'x': x, 'context': context} where there are batches"
        )

    def _embed(self, context: tf.Tensor, leading: int) -> tf.Tensor:
        """Maps `[..., *context_shape]` with `leading` axes to `[..., *embedded]`."""
        if self.network is None:
            return context
        sizes = tf.shape(context)
        rows = tf.reshape(context, tf.concat([[-1], sizes[leading:]], axis=0))
        rows = tf.ensure_shape(rows, (None, *(self.context_shape or ())))
        rows = tf.cast(self.network(rows), self._flow_dtype)
        return tf.reshape(
            rows, tf.concat([sizes[:leading], tf.shape(rows)[1:]], axis=0)
        )


def _checked_shape(shape: Any) -> tuple[int | None, ...] | None:
    if shape is None:
        return None
    if isinstance(shape, Mapping):
        raise ValueError(
            "expected context_shape as the sizes of one tensor, got a dict with the "
            f"keys {list(shape)}; concatenate the contexts to one, and let a "
            "context_network split them again where they need different layers"
        )
    return check_open_sizes("context_shape", shape)
