"""The coupling step, for any law."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from tfflows.backend.arguments import check_count, check_flag, check_open_sizes
from tfflows.bijectors.flow_step import FlowStep
from tfflows.bijectors.heads import DenseInColumns, check_head, make_head
from tfflows.bijectors.laws import CouplingLaw, as_law, takes_columns
from tfflows.bijectors.masks import (
    IMAGE_MASKS,
    BinaryMask,
    check_mask,
    make_mask,
)
from tfflows.bijectors.shapes import event_shape, only_event_ndims, sum_over_event


@keras.saving.register_keras_serializable("tfflows")
class Coupling(FlowStep):
    """Changes one part of an event by a law whose parameters depend on the other.

    With the parts a (kept) and b (changed), tau the law, c the conditioner:

      forward:          x_a = z_a,  x_b = tau(z_b, c(z_a))
      forward log-det:  sum ln dtau/dz_b
      inverse:          z_a = x_a,  z_b = tau^-1(x_b, c(x_a))
      inverse log-det:  -sum ln dtau/dz_b

    The conditioner may be any function of a: it is never inverted. Every coupling
    starts as the identity, because its head starts at zero.

    Source: Dinh et al., "NICE", 2014, arXiv 1410.8516, section 3.1 (general coupling
    layer); the masks: "Real NVP", 2016, arXiv 1605.08803, section 3.4.

    Args:
      law: A `CouplingLaw`, or "additive" or "affine".
      conditioner: A Keras layer from the kept part to features: `[B, n]` to `[B, F]`,
        `[B, H, W, C]` to `[B, H, W, F]`. If its `call` accepts `context`, the coupling
        passes it the flow's context. If it cannot be built without one, set
        `context_dim` (the size of a vector) or `context_shape` (the shape of an image)
        on it.
      mask: "half" or "channel" (two halves of the last axis), "alternating" (its even
        and odd positions), for an image [H, W, C] "checkerboard" or "columns" (its even
        and odd columns, each part half as wide), or an array of the event's shape that
        is 1 for kept elements.
      reverse: Exchanges the two parts.
      head: The layer from features to parameters: "auto" (Dense or 3x3 Conv2D, zero),
        "pointwise" (the same with a 1x1 Conv2D), "glow" ("auto" with gain exp(3 logs)),
        "weight_norm", or a function of the number of outputs.
      **kwargs: `event_ndims`, `name`, `dtype`, `trainable` of `FlowStep`.

    Raises:
      ValueError: If a word is unknown; on `build`, if a part is empty or the
        conditioner's output has another shape.
    """

    def __init__(
        self,
        law: CouplingLaw | str,
        conditioner: keras.layers.Layer,
        mask: Any = "half",
        *,
        reverse: bool = False,
        head: str | Callable[[int], keras.layers.Layer] = "auto",
        event_ndims: int | None = None,
        **kwargs: Any,
    ) -> None:
        if not isinstance(conditioner, keras.layers.Layer):
            raise ValueError(
                f"expected a conditioner that is a Keras layer, got {conditioner!r}"
            )
        self_mask = check_mask(mask)
        if self_mask in IMAGE_MASKS:
            only_event_ndims({"event_ndims": event_ndims}, 3)
            event_ndims = 3
        super().__init__(event_ndims=event_ndims, **kwargs)
        self.law = as_law(law)
        self.conditioner = conditioner
        self.mask = self_mask
        self.reverse = check_flag("reverse", reverse)
        self.head = check_head(head)
        argument = inspect.signature(conditioner.call).parameters.get("context")
        self._takes_context = argument is not None
        self._needs_context = argument is not None and argument.default is not None

    def build(self, data_shape: Any) -> None:
        """Builds conditioner and head for the kept part."""
        event = event_shape(data_shape, self.event_ndims, self.name)
        num_params = self.law.num_params
        self._mask = make_mask(self.mask, event, self.reverse, num_params)
        kept = (None, *self._mask.kept_shape)
        features = self._build_conditioner(kept)
        changed = self._mask.changed_shape
        num_outputs = num_params * changed[-1]
        if len(features) != len(changed) + 1 or features[1:-1] != changed[:-1]:
            raise ValueError(
                f"{self.name}: expected a conditioner that maps {kept} to features of "
                f"shape {(None, *changed[:-1], 'F')}, got {features}"
            )
        in_columns = takes_columns(self.law) and not isinstance(self._mask, BinaryMask)
        self._head = make_head(
            self.head, num_outputs, features, self.dtype_policy, in_columns
        )
        if not self._head.built:
            self._head.build(features)

    def _build_conditioner(self, kept: tuple[int | None, ...]) -> tuple:
        # A symbolic call, as in Keras' Sequential, also builds layers that a
        # conditioner without a build method creates in its __init__.
        inputs = [keras.Input(kept[1:], dtype=self.flow_dtype.name)]
        context_shape = declared_context(self.conditioner)
        if self._needs_context and context_shape is None:
            raise ValueError(
                f"{self.name}: expected a conditioner with an attribute context_dim, "
                f"the size of the context that its call needs, got {self.conditioner}"
            )
        named = {}
        if self._takes_context and context_shape is not None:
            named["context"] = keras.Input(context_shape, dtype=self.flow_dtype.name)
        try:
            features = self.conditioner(*inputs, **named)
        except (TypeError, ValueError) as error:
            if self._takes_context and context_shape is None:
                error.add_note(
                    f"{self.name}: the conditioner was called without a context: one "
                    "that needs it has an attribute context_dim, the context's size"
                )
            raise
        if not isinstance(features, keras.KerasTensor):
            raise ValueError(
                f"{self.name}: expected a conditioner that returns one tensor, got "
                f"{type(features).__name__}"
            )
        return tuple(features.shape)

    def _features(self, kept: tf.Tensor, context: Any) -> tf.Tensor:
        if self._takes_context:
            return self.conditioner(kept, context=context)
        return self.conditioner(kept)

    def _change(
        self, direction: str, changed: tf.Tensor, features: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Applies the law; returns the changed part and the log-det `[B]`."""
        law = getattr(self.law, direction)
        params = tf.cast(self._head(features), self.flow_dtype)
        if isinstance(self._head, DenseInColumns):
            changed, log_det = law(tf.transpose(changed), params, axis=0)
            return tf.transpose(changed), tf.reduce_sum(log_det, axis=0)
        changed, log_det = law(changed, self._mask.select(params))
        return changed, sum_over_event(log_det)

    def _forward_and_log_det(
        self, z: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        kept, changed = self._mask.split(z)
        features = self._features(kept, context)
        changed, log_det = self._change("forward", changed, features)
        return self._mask.merge(kept, changed), log_det

    def _inverse_and_log_det(
        self, x: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        kept, changed = self._mask.split(x)
        features = self._features(kept, context)
        changed, log_det = self._change("inverse", changed, features)
        return self._mask.merge(kept, changed), log_det

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "law": serialize(self.law),
            "conditioner": serialize(self.conditioner),
            "mask": self.mask,
            "reverse": self.reverse,
            "head": self.head if isinstance(self.head, str) else serialize(self.head),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Coupling:
        """Returns a new coupling with the same config."""
        deserialize = keras.saving.deserialize_keras_object
        config = dict(config)
        for key in ("law", "conditioner", "head"):
            if isinstance(config.get(key), dict):
                config[key] = deserialize(config[key])
        return cls(**config)


def declared_context(layer: Any) -> tuple[int | None, ...] | None:
    """Returns the shape of the context that a layer declares, or None.

    Args:
      layer: A Keras layer, which may have an attribute `context_shape` (the shape) or
        `context_dim` (the size of a vector).

    Raises:
      ValueError: If the attributes are no valid sizes.
    """
    shape = getattr(layer, "context_shape", None)
    if shape is not None:
        return check_open_sizes(f"context_shape of {layer.name}", shape)
    size = getattr(layer, "context_dim", None)
    return None if size is None else (check_count("context_dim", size),)
