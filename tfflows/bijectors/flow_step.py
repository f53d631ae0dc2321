"""The base class of all flow steps: the passes of one invertible map."""

from __future__ import annotations

import copy
from typing import Any

import tensorflow as tf

from tfflows.backend import domains
from tfflows.backend.autograph import without_autograph
from tfflows.backend.checks import all_finite
from tfflows.bijectors import shapes
from tfflows.bijectors.empty_batches import never_empty
from tfflows.bijectors.errors import InverseNotAvailable
from tfflows.bijectors.layer_bijector import LayerBijector

# The directions of passes, each with the one that `Invert` runs in its place.
OPPOSITE = {
    "forward": "inverse",
    "inverse": "forward_as_inverse",
    "forward_as_inverse": "inverse",
}


@without_autograph
class FlowStep(LayerBijector):
    """One invertible map z -> x: a Keras layer and a `tfb.Bijector` in one object.

    Latent to data is *forward*, as everywhere in TFP; data to latent is *inverse*.
    A step implements the two fused passes and nothing else of the bijector::

        def _forward_and_log_det(self, z, context=None):  # -> x, log|det dx/dz|
        def _inverse_and_log_det(self, x, context=None):  # -> z, log|det dz/dx|

    They receive float tensors with exactly one batch axis, `[B, *event]`, and return
    the log-det as `[B]`, summed over the event, in nats. A step creates its weights in
    `build(data_shape)`, which always receives the data-side shape, batch axis first. A
    step that sets weights from data does so in `_initialize`.

    The public methods take any number of leading axes, or none, and restore them. They
    keep no values between calls (unlike stock TFP bijectors). AutoGraph rewrites no
    pass: use `tf.cond` for an `if` on a tensor.

    Args:
      event_ndims: Number of axes of one data-side event. None: all but the first axis
        of the shape given to `build`; for a step that builds on first use, the last
        three axes (H, W, C) of a value of rank 4 or more, else the last one.
      dtype: Keras dtype policy. The flow path and the log-dets run in its variable
        dtype, or in float32 if that is a half precision.
      name: Name of the layer.
      trainable: Whether the step's weights are trained.
    """

    has_inverse = True
    # Whether each value has an inverse. A step that sets it to False gives log-dets of
    # -inf, and latents of 0, to rows outside its image (see domains.py).
    onto = True
    # What `RecomputedChain` keeps of a pass. "output": the other pass undoes it to
    # rounding and at its cost. "input": it does not. None: all values, for a pass that
    # assigns variables, or reads some that Keras does not track.
    recomputed_from: str | None = "output"
    # Whether `build` draws each weight by an initializer of its own, see
    # `initial_weights`.
    draws_weights_apart = True
    # Why XLA cannot compile a step that sets `supports_jit = False`.
    jit_obstacle = "the step says so"
    # What is approximate in a step's log-dets, and what makes it less so. A step that
    # sets them has a `tolerance` in nats, and works finer inside of `refined`.
    approximation: str | None = None
    remedy = ""

    @property
    def is_initialized(self) -> bool:
        """Whether each data-dependent start in this step has taken place."""
        return True

    def _post_build(self) -> None:
        super()._post_build()
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
        """Runs the forward pass on the way to latents, inside `Invert`.

        A step whose forward pass is not defined everywhere gives log-dets of -inf, and
        values of 0, to rows where it is not; a composite passes this on to its parts.
        """
        return self._forward_and_log_det(z, context)

    def _initialize(self, value: tf.Tensor, context: Any, direction: str) -> tf.Tensor:
        """Sets weights from a batch `[B, *event]`; returns it passed on."""
        return self._fused_pass(direction)(value, context)[0]

    def _fused_pass(self, direction: str) -> Any:
        if direction == "inverse":
            return self._inverse_and_log_det
        if direction == "forward" or self.onto:
            return self._forward_and_log_det
        return self._forward_as_inverse

    def initialize(
        self, value: Any, context: Any = None, direction: str = "inverse"
    ) -> tf.Tensor:
        """Sets weights from one batch, once, in eager mode.

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
        return self._started(value, context, direction)

    def _started(self, value: tf.Tensor, context: Any, direction: str) -> tf.Tensor:
        """Runs `_initialize`; if it fails, no step is left half-started."""

        def run(flat: tf.Tensor, context: Any) -> tuple[tf.Tensor]:
            return (self._initialize(flat, context, direction),)

        before = [weight.numpy() for weight in self.weights]
        try:
            return self._on_one_batch_axis(run, value, context, direction)[0]
        except Exception:
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
        """Runs `forward_and_log_det` on true latents, none of which is `FAR`."""
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
        """Returns log|det dx/dz| at latents `[..., *event]`, summed, in nats."""
        x = self._built_for(x, "forward", event_ndims)
        log_det = self.forward_and_log_det(x, context)[1]
        own_ndims = len(self.latent_event_shape)
        return shapes.sum_extra_axes(log_det, event_ndims, own_ndims, self.name)

    def inverse_log_det_jacobian(
        self,
        y: Any,
        event_ndims: Any = None,
        context: Any = None,
        name: str | None = None,
    ) -> tf.Tensor:
        """Returns log|det dz/dx| at data `[..., *event]`, summed, in nats."""
        y = self._built_for(y, "inverse", event_ndims)
        log_det = self.inverse_and_log_det(y, context)[1]
        own_ndims = len(self.data_event_shape)
        return shapes.sum_extra_axes(log_det, event_ndims, own_ndims, self.name)

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
            run = never_empty(run)
        return shapes.on_one_batch_axis(run, value, context, event, self.name)

    def _built_for(
        self, value: Any, direction: str, event_ndims: Any = None
    ) -> tf.Tensor:
        value = shapes.as_float(value, self.flow_dtype, self.name)
        self._build_on_first_use(value.shape, direction, event_ndims)
        return value

    def copy(self, **overrides: Any) -> FlowStep:
        """Returns a step with its own weights.

        Without overrides, the weights have the same values; with them, fresh ones.

        Args:
          **overrides: Arguments of the constructor to replace.
        """
        if not overrides:
            return copy.deepcopy(self)
        return type(self).from_config({**self.get_config(), **overrides})
