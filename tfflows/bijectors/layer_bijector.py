"""A Keras layer that is a TFP bijector: names, dtypes, weights, calls, event shapes.

The only file that knows what it takes to be both; docs/adr/0001-layer-bijector-mix.md
gives the reason for each piece.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from tfflows.backend.arguments import check_count
from tfflows.backend.autograph import without_autograph
from tfflows.backend.checkpointing import CheckpointsAllWeights
from tfflows.bijectors import shapes


class _BijectorSide(tfb.Bijector):
    """`tfb.Bijector`, changed where it would collide with `keras.layers.Layer`."""

    @property
    def name(self) -> str:
        # Keras assigns self.name; Bijector's is read-only.
        return self._name

    @name.setter
    def name(self, name: str) -> None:
        self._name = name

    # Bijector compares the `parameters` dict, so two fresh steps of equal config, each
    # with its own weights, would be one dict key.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        # Layer.__call__ ends in super().__call__, meaning keras.Operation's; the MRO
        # has Bijector before it.
        return keras.Operation.__call__(self, *args, **kwargs)


@without_autograph
class LayerBijector(CheckpointsAllWeights, keras.layers.Layer, _BijectorSide):
    """What both libraries ask of a `FlowStep`, apart from its passes.

    It builds on first use and knows the shapes of its events on both sides.

    Args:
      event_ndims: Number of axes of one data-side event, or None.
      dtype: Keras dtype policy.
      name: Name of the layer.
      trainable: Whether the weights are trained.
    """

    shape_preserving = True

    def __init__(
        self,
        *,
        event_ndims: int | None = None,
        dtype: Any = None,
        name: str | None = None,
        trainable: bool = True,
    ) -> None:
        if event_ndims is not None:
            check_count("event_ndims", event_ndims)
        keras.layers.Layer.__init__(
            self, dtype=dtype, name=name, trainable=trainable, autocast=False
        )
        keras_name = self.name
        ndims = 1 if event_ndims is None else event_ndims
        tfb.Bijector.__init__(
            self,
            forward_min_event_ndims=ndims,
            inverse_min_event_ndims=ndims,
            parameters={},
            name=keras_name,
        )
        self.name = keras_name
        self.event_ndims = event_ndims
        self._config_event_ndims = event_ndims
        self._data_event_shape: tuple[int, ...] | None = None
        self._latent_event_shape: tuple[int, ...] | None = None

    @property
    def dtype(self) -> tf.DType:
        """The flow dtype; Keras' string would break tfb.Chain and TFP distributions."""
        return self.flow_dtype

    @property
    def flow_dtype(self) -> tf.DType:
        """The dtype of values and log-dets: the variable dtype, never a half one."""
        return shapes.at_least_single(self.variable_dtype)

    @property
    def data_event_shape(self) -> tuple[int, ...]:
        """Shape of one event on the data side. ValueError before `build`."""
        return self._built_shape(self._data_event_shape)

    @property
    def latent_event_shape(self) -> tuple[int, ...]:
        """Shape of one event on the latent side. ValueError before `build`."""
        return self._built_shape(self._latent_event_shape)

    def _built_shape(self, shape: tuple[int, ...] | None) -> tuple[int, ...]:
        if shape is None:
            raise ValueError(f"{self.name}: expected a built step, build it first")
        return shape

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        """Shape of what a call returns, for Keras' `summary`."""
        return (None, *self.data_event_shape)

    def add_weight(self, *args: Any, **kwargs: Any) -> keras.Variable:
        """Creates a weight in the flow dtype, immune to Keras' autocasting."""
        kwargs.setdefault("dtype", self.flow_dtype.name)
        kwargs.setdefault("autocast", False)
        return super().add_weight(*args, **kwargs)

    def build(self, data_shape: Any) -> None:
        """Creates the weights for data of shape `[batch, *event]`; none by default."""

    def _post_build(self) -> None:
        """Fixes event shapes and shows TFP the variables; Keras' hook after `build`."""
        (shape,) = self._build_shapes_dict.values()
        event = shapes.event_shape(shape, self.event_ndims, self.name)
        self._data_event_shape = event
        self._latent_event_shape = tuple(self.inverse_event_shape(event))
        self.event_ndims = len(event)
        self._inverse_min_event_ndims = len(event)
        self._forward_min_event_ndims = len(self._latent_event_shape)
        # TFP's walkers see tf.Variables in attributes, not Keras variables. Past
        # __setattr__, so that neither Keras nor tf.train.Checkpoint tracks them twice.
        self.__dict__["_tfp_variables"] = [v.value for v in self.variables]

    def _build_on_first_use(self, shape: Any, direction: str, event_ndims: Any) -> None:
        if self.built:
            return
        if direction == "forward" and not self.shape_preserving:
            raise ValueError(
                f"{self.name} changes shapes: expected a built step before its first "
                "use from latent to data; build(data_shape) or initialize(batch) first"
            )
        ndims = self.event_ndims
        if ndims is None:
            ndims = shapes.static_event_ndims(event_ndims)
        if ndims is None:
            ndims = 3 if len(shape) >= 4 else 1
        with tf.init_scope():
            self.build((None, *tuple(shape)[len(shape) - ndims :]))

    def __call__(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        """Runs Keras' `__call__` on tensors, TFP's on distributions and bijectors."""
        if isinstance(value, tfd.Distribution | tfb.Bijector):
            return tfb.Bijector.__call__(self, value, *args, **kwargs)
        if not isinstance(value, keras.KerasTensor):
            value = shapes.as_float(value, self.flow_dtype, self.name)
        self._build_on_first_use(value.shape, "forward", None)
        return keras.layers.Layer.__call__(self, value, *args, **kwargs)

    def forward_event_shape(self, input_shape: Any) -> tf.TensorShape:
        """Returns the data-side shape of latents `[..., *event]`."""
        rule, mapped = super().forward_event_shape, self._data_event_shape
        return self._mapped_shape(rule, input_shape, self._latent_event_shape, mapped)

    def inverse_event_shape(self, output_shape: Any) -> tf.TensorShape:
        """Returns the latent-side shape of data `[..., *event]`."""
        rule, mapped = super().inverse_event_shape, self._latent_event_shape
        return self._mapped_shape(rule, output_shape, self._data_event_shape, mapped)

    def _mapped_shape(
        self, rule: Any, shape: Any, own: Any, mapped: Any
    ) -> tf.TensorShape:
        if self.shape_preserving or mapped is None:
            return rule(shape)
        return shapes.mapped_shape(rule, tf.TensorShape(shape), own, mapped)

    def _forward_event_shape_tensor(self, shape: tf.Tensor) -> tf.Tensor:
        rule, mapped = self.forward_event_shape, self._data_event_shape
        return self._mapped_shape_tensor(rule, shape, self._latent_event_shape, mapped)

    def _inverse_event_shape_tensor(self, shape: tf.Tensor) -> tf.Tensor:
        rule, mapped = self.inverse_event_shape, self._latent_event_shape
        return self._mapped_shape_tensor(rule, shape, self._data_event_shape, mapped)

    def _mapped_shape_tensor(
        self, rule: Any, shape: tf.Tensor, own: Any, mapped: Any
    ) -> tf.Tensor:
        if self.shape_preserving:
            return shape
        if mapped is None and tf.get_static_value(shape) is None:
            raise ValueError(
                f"{self.name} changes shapes: expected a built step, or a shape that "
                "is known statically; build(data_shape) or initialize(batch) first"
            )
        return shapes.mapped_shape_tensor(rule, shape, own, mapped)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "event_ndims": self._config_event_ndims}
