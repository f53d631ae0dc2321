"""What a conditional flow is told of each example, checked and embedded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf

from tfflows.bijectors.shapes import as_float
from tfflows.checkpointing import CheckpointsAllWeights
from tfflows.checks import all_finite, require


@keras.saving.register_keras_serializable("tfflows")
class Conditioning(CheckpointsAllWeights, keras.layers.Layer):
    """The shape and dtype of a flow's context, and the network that embeds it.

    Steps and bases get what the network makes of the context or, without a network, the
    context itself: integers stay integers, other numbers come in the flow's dtype.

    Args:
      context_shape: Shape of one context, () for a class label; None: the flow has no
        context, and refuses one.
      context_dtype: Its dtype; None: int32 for shape (), else the flow's.
      context_network: A Keras layer from `[B, *context_shape]` to `[B, ...]`, or None.
      flow_dtype: The dtype of the flow.
      **kwargs: Those of `keras.layers.Layer`.

    Raises:
      ValueError: For a dtype or a network without a shape, a dtype that holds no
        numbers, or a network that is no Keras layer.
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
        self.built = True
        self._build_shapes_dict = {"input_shape": self.output_shape}

    def build_from_config(self, config: Any) -> None:
        """Keras' hook on loading: the constructor has built it."""

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        """Shape of embedded contexts, batch axis None, for Keras' `summary`."""
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
        return tuple(self.network(raw).shape[1:])

    def flow_config(self) -> dict[str, Any]:
        """The constructor's arguments, as those of a flow."""
        dtype, network = self.context_dtype, self.network
        if network is not None:
            network = keras.saving.serialize_keras_object(network)
        return {
            "context_shape": self.context_shape,
            "context_dtype": None if dtype is None else dtype.name,
            "context_network": network,
        }

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        flow_dtype = self._flow_dtype.name
        return {
            **super().get_config(),
            **self.flow_config(),
            "flow_dtype": flow_dtype,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Conditioning:
        """A fresh layer of equal config."""
        network = keras.saving.deserialize_keras_object(config["context_network"])
        return cls(**{**config, "context_network": network})

    def check_part(self, part: Any) -> None:
        """Raises ValueError unless each layer gets the size of context that it takes.

        Args:
          part: A built step, or a base. Of its layers, one with an attribute
            `context_dim` speaks for all inside it: the size that it takes, or None for
            no context.
        """
        for layer in _with_context_dim(part):
            size = layer.context_dim
            if size is None or self.embedded_shape == (size,):
                continue
            embedded = "from context_network " if self.network is not None else ""
            raise ValueError(
                f"expected a context of shape ({size},) for {layer.name}, got "
                f"{embedded}{self.embedded_shape}; give context_shape=({size},), or a "
                "context_network to vectors of that size"
            )

    def rows(
        self,
        context: Any,
        value: tf.Tensor,
        event_ndims: int,
        name: str,
        may_share: bool = False,
    ) -> tf.Tensor | None:
        """The embedded context of each event of a value.

        Args:
          context: None or `[..., *context_shape]`, the leading axes those of the value.
          value: `[..., *event]`.
          event_ndims: Number of axes of an event.
          name: Who expects it.
          may_share: Whether `[*context_shape]`, one context for all events, will do.

        Returns:
          `[..., *embedded_shape]`; None where the flow has no context.

        Raises:
          ValueError: For a missing context, one that the flow does not take, or one of
            another shape or dtype, or not finite.
        """
        context = self._converted(context, name)
        if context is None:
            return None
        ndims = value.shape.rank - event_ndims
        static, batch = value.shape[:ndims], tf.shape(value)[:ndims]
        if not may_share or context.shape.rank != len(self.context_shape or ()):
            return self._embed(context, static, batch, name)
        one = self._embed(context, tf.TensorShape([]), batch[:0], name)
        return tf.broadcast_to(one, tf.concat([batch, tf.shape(one)], axis=0))

    def _converted(self, context: Any, name: str) -> tf.Tensor | None:
        shape, dtype = self.context_shape, self.context_dtype
        if (context is None) != (shape is None):
            raise ValueError(f"{name}: {self._what_is_wrong(context)}")
        if context is None or dtype is None:
            return None
        convert = _as_integers if dtype.is_integer else _as_finite
        return convert(context, dtype, name)

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

    def _embed(
        self, context: tf.Tensor, batch: tf.TensorShape, sizes: tf.Tensor, name: str
    ) -> tf.Tensor:
        """Embeds a context whose leading axes must be `batch`, of the sizes `sizes`."""
        shape = self.context_shape or ()
        expected = batch.concatenate(shape)
        if not context.shape.is_compatible_with(expected):
            raise ValueError(
                f"{name}: expected a context of shape {tuple(expected)}, got "
                f"{tuple(context.shape)}"
            )
        # One row for many values would broadcast, where sizes are not known statically.
        same = tf.reduce_all(tf.equal(tf.shape(context)[: batch.rank], sizes))
        with require(same, f"{name}: expected one context for each row of the batch"):
            context = tf.ensure_shape(tf.identity(context), expected)
        if self.network is None:
            return context
        rows = self.network(tf.reshape(context, (-1, *shape)))
        rows = tf.cast(rows, self._flow_dtype)
        restored = tf.reshape(rows, tf.concat([sizes, tf.shape(rows)[1:]], axis=0))
        return tf.ensure_shape(restored, batch.concatenate(rows.shape[1:]))


def _with_context_dim(layer: Any) -> Iterator[Any]:
    if hasattr(layer, "context_dim"):
        yield layer
        return
    for part in layer._layers:
        yield from _with_context_dim(part)


def _checked_shape(shape: Any) -> tuple[int, ...] | None:
    if shape is None:
        return None
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    if any(int(size) != size or size < 1 for size in sizes):
        raise ValueError(f"expected a context_shape of sizes >= 1, got {shape}")
    return tuple(int(size) for size in sizes)


def _as_integers(context: Any, dtype: tf.DType, name: str) -> tf.Tensor:
    context = tf.convert_to_tensor(context)
    if not context.dtype.is_integer:
        raise ValueError(
            f"{name}: expected a context of integers ({dtype.name}), got "
            f"{context.dtype.name}"
        )
    narrowed = tf.cast(context, dtype)
    fits = tf.reduce_all(tf.equal(tf.cast(narrowed, context.dtype), context))
    with require(fits, f"{name}: expected a context within {dtype.name}"):
        return tf.identity(narrowed)


def _as_finite(context: Any, dtype: tf.DType, name: str) -> tf.Tensor:
    context = as_float(context, dtype, f"{name}, context")
    finite = all_finite(context)
    with require(finite, f"{name}: expected a finite context, got NaN or Inf"):
        return tf.identity(context)
