"""The base of all flow steps: a Keras layer that is a TFP bijector.

The only file that knows what it takes to be both; docs/adr/0001-layer-bijector-mix.md
tells why each piece is here.
"""

from __future__ import annotations

import copy
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from tfflows.backend import domains
from tfflows.backend.arguments import check_count
from tfflows.backend.autograph import without_autograph
from tfflows.backend.checkpointing import CheckpointsAllWeights
from tfflows.backend.checks import all_finite
from tfflows.bijectors import shapes
from tfflows.bijectors.errors import InverseNotAvailable


class _BijectorSide(tfb.Bijector):
    """`tfb.Bijector` with what would collide with `keras.layers.Layer` mended."""

    @property
    def name(self) -> str:
        # Keras assigns self.name; Bijector's is read-only.
        return self._name

    @name.setter
    def name(self, name: str) -> None:
        self._name = name

    # Bijector compares the `parameters` dict, by which two fresh steps of equal
    # config, with weights of their own, would be one dict key.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        # Layer.__call__ ends in super().__call__, meaning keras.Operation's; the MRO
        # has Bijector before it.
        return keras.Operation.__call__(self, *args, **kwargs)


# The directions of passes, and which takes place inside of `Invert`.
OPPOSITE = {
    "forward": "inverse",
    "inverse": "forward_as_inverse",
    "forward_as_inverse": "inverse",
}


@without_autograph
class FlowStep(CheckpointsAllWeights, keras.layers.Layer, _BijectorSide):
    """One invertible map z -> x: a Keras layer and a `tfb.Bijector` in one object.

    Latent to data is *forward*, as everywhere in TFP; data to latent is *inverse*.
    A step implements the two fused passes and nothing else of the bijector::

        def _forward_and_log_det(self, z, context=None):  # -> x, log|det dx/dz|
        def _inverse_and_log_det(self, x, context=None):  # -> z, log|det dz/dx|

    They get float tensors with exactly one batch axis, `[B, *event]`, and return the
    log-det as `[B]`, summed over the event, in nats. A step creates its weights in
    `build(data_shape)`, which always gets the data-side shape, batch axis first, and
    sets them from data, where it does, in `_initialize`.

    The public methods take any number of leading axes, none included, and restore
    them. Nothing is memoised between calls (unlike stock TFP bijectors). AutoGraph
    rewrites no pass: where one has an `if` on a tensor, it is a `tf.cond`.

    Args:
      event_ndims: Number of axes of one data-side event. None: all but the first axis
        of the shape given to `build`; for a step that builds on first use, the last
        three axes (H, W, C) of a value of rank 4 or more, else the last one.
      dtype: Keras dtype policy. The flow path and the log-dets run in its variable
        dtype, in float32 where that is a half precision.
      name: Name of the layer.
      trainable: Whether the step's weights are trained.
    """

    shape_preserving = True
    has_inverse = True
    # Whether each value has an inverse. A step that sets it to False gives log-dets of
    # -inf, and latents of 0, to rows outside of its image (see domains.py).
    onto = True
    # What `RecomputedChain` keeps of a pass: its "output", where the other pass undoes
    # it to rounding and at its cost; else its "input"; None, for all of its values,
    # where it assigns variables, or reads some that Keras does not track.
    recomputed_from: str | None = "output"
    # Why XLA cannot compile a step that sets `supports_jit = False`.
    jit_obstacle = "the step says so"

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
        if self._data_event_shape is None:
            raise ValueError(f"{self.name}: expected a built step, build it first")
        return self._data_event_shape

    @property
    def latent_event_shape(self) -> tuple[int, ...]:
        """Shape of one event on the latent side. ValueError before `build`."""
        if self._latent_event_shape is None:
            raise ValueError(f"{self.name}: expected a built step, build it first")
        return self._latent_event_shape

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        """Shape of what a call returns, for Keras' `summary`."""
        return (None, *self.data_event_shape)

    @property
    def is_initialized(self) -> bool:
        """Whether each data-dependent start below this step has taken place."""
        return True

    def add_weight(self, *args: Any, **kwargs: Any) -> keras.Variable:
        """`Layer.add_weight` in the flow dtype, immune to Keras' autocasting."""
        kwargs.setdefault("dtype", self.flow_dtype.name)
        kwargs.setdefault("autocast", False)
        return super().add_weight(*args, **kwargs)

    def build(self, data_shape: Any) -> None:
        """Creates the weights for data of shape `[batch, *event]`; none by default."""

    def _post_build(self) -> None:
        """Keras' hook after `build`: fixes event shapes, shows TFP the variables."""
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
        self.onto = domains.is_onto(self)

    def _forward_and_log_det(
        self, z: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        raise NotImplementedError(
            f"{type(self).__name__} implements no _forward_and_log_det"
        )

    def _inverse_and_log_det(
        self, x: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        raise InverseNotAvailable.of(self)

    def _forward_as_inverse(
        self, z: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The forward pass where it goes to latents, inside of `Invert`.

        A step whose forward pass is not defined everywhere gives log-dets of -inf, and
        values of 0, to rows where it is not; a composite passes this on to its parts.
        """
        return self._forward_and_log_det(z, context)

    def _initialize(self, value: tf.Tensor, context: Any, direction: str) -> tf.Tensor:
        """Sets weights from a batch `[B, *event]`; returns it passed on."""
        return self._fused_pass(direction)(value, context)[0]

    def forward_event_shape(self, input_shape: Any) -> tf.TensorShape:
        """The data-side shape of latents `[..., *event]`."""
        rule, mapped = super().forward_event_shape, self._data_event_shape
        return self._mapped_shape(rule, input_shape, self._latent_event_shape, mapped)

    def inverse_event_shape(self, output_shape: Any) -> tf.TensorShape:
        """The latent-side shape of data `[..., *event]`."""
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

    def _fused_pass(self, direction: str) -> Any:
        if direction == "inverse":
            return self._inverse_and_log_det
        if direction == "forward" or self.onto:
            return self._forward_and_log_det
        return self._forward_as_inverse

    def initialize(
        self, value: Any, context: Any = None, direction: str = "inverse"
    ) -> tf.Tensor:
        """Data-dependent start from one batch, once, in eager mode.

        Args:
          value: `[..., *event]`: data for direction "inverse", latents for "forward".
          context: None, or a tensor with the value's leading axes.
          direction: The direction in which the batch passes the step.

        Returns:
          The value passed through the initialised step in that direction.

        Raises:
          ValueError: In graph mode, or for a value that is not finite.
        """
        if direction not in ("forward", "inverse"):
            raise ValueError(
                f"expected direction 'forward' or 'inverse', got {direction!r}"
            )
        if not tf.executing_eagerly():
            raise ValueError(
                f"{self.name}.initialize: expected eager mode, got a graph"
            )
        value = self._built_for(value, direction)
        if not tf.size(value) or not bool(all_finite(value)):
            raise ValueError(
                f"{self.name}.initialize: expected finite values, one or more"
            )

        def run(flat: tf.Tensor, context: Any) -> tuple[tf.Tensor]:
            return (self._initialize(flat, context, direction),)

        before = [weight.numpy() for weight in self.weights]
        try:
            return self._on_one_batch_axis(run, value, context, direction)[0]
        except Exception:  # whatever fails, no step is left half-started
            for weight, start in zip(self.weights, before, strict=True):
                weight.assign(start)
            raise

    def forward_and_log_det(
        self, z: Any, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Maps latents `[..., *event]` to data; also log|det dx/dz| `[...]` in nats."""
        if self.onto:
            return self._from_latents(z, context)
        z = self._built_for(z, "forward")
        z, nowhere = domains.without_far(z, len(self.latent_event_shape))
        x, log_det = self._from_latents(z, context)
        return domains.nan_where(nowhere, x, log_det)

    def _from_latents(self, z: Any, context: Any = None) -> tuple[tf.Tensor, tf.Tensor]:
        """`forward_and_log_det` of what are latents, however large: none is `FAR`."""
        run = self._forward_and_log_det
        return self._on_one_batch_axis(run, z, context, "forward")

    def inverse_and_log_det(
        self, x: Any, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Maps data `[..., *event]` to latents; also log|det dz/dx| `[...]` in nats."""
        run = self._inverse_and_log_det
        z, log_det = self._on_one_batch_axis(run, x, context, "inverse")
        if self.onto:
            return z, log_det
        return domains.far_where_no_image(z, log_det), log_det

    def forward(
        self, x: Any, context: Any = None, name: str | None = None
    ) -> tf.Tensor:
        """Maps latents `[..., *event]` to data."""
        return self.forward_and_log_det(x, context)[0]

    def inverse(
        self, y: Any, context: Any = None, name: str | None = None
    ) -> tf.Tensor:
        """Maps data `[..., *event]` to latents."""
        return self.inverse_and_log_det(y, context)[0]

    def forward_log_det_jacobian(
        self,
        x: Any,
        event_ndims: Any = None,
        context: Any = None,
        name: str | None = None,
    ) -> tf.Tensor:
        """log|det dx/dz| at latents `[..., *event]`, in nats, summed over the event."""
        x = self._built_for(x, "forward", event_ndims)
        log_det = self.forward_and_log_det(x, context)[1]
        return shapes.sum_extra_axes(
            log_det, event_ndims, len(self.latent_event_shape), self.name
        )

    def inverse_log_det_jacobian(
        self,
        y: Any,
        event_ndims: Any = None,
        context: Any = None,
        name: str | None = None,
    ) -> tf.Tensor:
        """log|det dz/dx| at data `[..., *event]`, in nats, summed over the event."""
        y = self._built_for(y, "inverse", event_ndims)
        log_det = self.inverse_and_log_det(y, context)[1]
        return shapes.sum_extra_axes(
            log_det, event_ndims, len(self.data_event_shape), self.name
        )

    def __call__(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        """Keras' `__call__` on tensors; TFP's on distributions and bijectors."""
        if isinstance(value, tfd.Distribution | tfb.Bijector):
            return tfb.Bijector.__call__(self, value, *args, **kwargs)
        if not isinstance(value, keras.KerasTensor):
            value = shapes.as_float(value, self.flow_dtype, self.name)
        self._build_on_first_use(value.shape, "forward", None)
        return keras.layers.Layer.__call__(self, value, *args, **kwargs)

    def call(self, z: tf.Tensor, context: Any = None) -> tf.Tensor:
        """Maps latents `[..., *event]` to data."""
        return self.forward(z, context=context)

    def _on_one_batch_axis(
        self, run: Any, value: Any, context: Any, direction: str
    ) -> tuple[tf.Tensor, ...]:
        value = self._built_for(value, direction)
        if direction == "forward":
            event = self.latent_event_shape
        else:
            event = self.data_event_shape
        if len(self.data_event_shape) == 3:  # images: there may be convolutions
            run = shapes.never_empty(run)
        return shapes.on_one_batch_axis(run, value, context, event, self.name)

    def _built_for(
        self, value: Any, direction: str, event_ndims: Any = None
    ) -> tf.Tensor:
        value = shapes.as_float(value, self.flow_dtype, self.name)
        self._build_on_first_use(value.shape, direction, event_ndims)
        return value

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

    def copy(self, **overrides: Any) -> FlowStep:
        """A step with weights of its own: these values, or fresh ones given overrides.

        Args:
          **overrides: Arguments of the constructor to replace.
        """
        if not overrides:
            return copy.deepcopy(self)
        return type(self).from_config({**self.get_config(), **overrides})

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "event_ndims": self._config_event_ndims}
