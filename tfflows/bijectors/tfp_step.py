"""Uses any `tfb.Bijector` as a flow step."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfflows.backend import domains
from tfflows.backend.arguments import check_flag
from tfflows.backend.tfp.config import from_tfp_config, to_tfp_config
from tfflows.backend.tfp.variables import holds_code, keras_variable, variables_read
from tfflows.bijectors import shapes
from tfflows.bijectors.flow_step import FlowStep


@keras.saving.register_keras_serializable("tfflows")
class TFPStep(FlowStep):
    """A stock `tfb.Bijector` f as a step, whose variables Keras tracks.

      forward:          x = f(z)
      forward log-det:  log|det df/dz|
      inverse:          z = f^-1(x)
      inverse log-det:  log|det df^-1/dx|, -inf outside of f's image and on its border

    Calls do not share TFP's cache: `inverse(forward(z))` really inverts.

    Args:
      bijector: The bijector. It is saved as its TFP class name and parameters if these
        are numbers, arrays, variables or other bijectors.
      event_ndims: As in `FlowStep`; None: at least the bijector's own minimum.
      onto: Whether it maps all of R^n onto all of R^n. False: passes to latents check
        for rows outside its image (inside `Invert`, its domain), which costs another
        inverse and two forward passes. None: True for stock bijectors known to be onto,
        else False. Set it for your own bijector.
      **kwargs: `name`, `dtype` (None: the bijector's), `trainable` of `FlowStep`.

    Raises:
      ValueError: If it is no `tfb.Bijector` of one tensor with one inverse, or onto is
        no flag.
    """

    recomputed_from = None

    def __init__(
        self,
        bijector: tfp.bijectors.Bijector,
        *,
        event_ndims: int | None = None,
        onto: bool | None = None,
        **kwargs: Any,
    ) -> None:
        if not isinstance(bijector, tfp.bijectors.Bijector):
            raise ValueError(f"expected a tfb.Bijector, got {type(bijector).__name__}")
        if not bijector._is_injective:
            raise ValueError(f"expected a bijector of one inverse, got {bijector.name}")
        minimum = bijector.inverse_min_event_ndims
        if tf.nest.is_nested(minimum):
            raise ValueError(
                f"expected a bijector of one tensor, got the multipart {bijector.name}"
            )
        minimum = int(minimum)
        if event_ndims is None and minimum > 1:
            event_ndims = minimum
        if kwargs.get("dtype") is None:
            kwargs["dtype"] = tfp_dtype(bijector)
        super().__init__(event_ndims=event_ndims, **kwargs)
        self.bijector = bijector
        self._adopted: list[keras.Variable] = []
        self._adopt(bijector.variables)
        self._told_onto = None if onto is None else check_flag("onto", onto)
        self.onto = domains.is_onto(bijector) if onto is None else onto
        changes_rank = bijector.forward_min_event_ndims != minimum
        self.shape_preserving = not changes_rank and _keeps_shape(bijector, minimum)

    def _adopt(self, variables: Iterable[tf.Variable]) -> None:
        known = {id(variable.value) for variable in self._adopted}
        for variable in variables:
            if id(variable) in known:
                continue
            name = variable.name.replace("/", "_").split(":")[0]
            adopted = keras_variable(variable, name=name)
            self._adopted.append(adopted)

    def build(self, data_shape: Any) -> None:
        """Tracks variables that a trace finds, such as networks' in functions."""
        if not holds_code(self.bijector):
            return
        event = shapes.event_shape(data_shape, self.event_ndims, self.name)
        dtype = self.flow_dtype
        x = tf.fill((1, *event), tf.constant(0.5, dtype))
        self._adopt(variables_read(lambda x: _inverse_and_log_det(self.bijector, x), x))

    def _post_build(self) -> None:
        super()._post_build()
        self._inner_point = None
        # A value that depends on weights changes with them.
        moves = self.bijector.variables or holds_code(self.bijector)
        if not self.onto and not moves and tf.executing_eagerly():
            shape = self.latent_event_shape
            point = domains.inner_point(self.bijector, shape, self.flow_dtype)
            self._inner_point = point.numpy()

    def _inverse_event_shape(self, shape: tf.TensorShape) -> tf.TensorShape:
        return self.bijector.inverse_event_shape(shape)

    def _forward_event_shape(self, shape: tf.TensorShape) -> tf.TensorShape:
        return self.bijector.forward_event_shape(shape)

    def _forward_and_log_det(
        self, z: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        z = tf.identity(z)  # a tensor that TFP's cache has never seen
        x = self.bijector.forward(z)
        log_det = self.bijector.forward_log_det_jacobian(
            z, event_ndims=len(self.latent_event_shape)
        )
        return x, _per_row(log_det, z)

    def _inverse_and_log_det(
        self, x: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        if self.onto:
            return _inverse_and_log_det(self.bijector, x)
        point = self._inner_point
        if point is None:
            shape = self.latent_event_shape
            point = domains.inner_point(self.bijector, shape, x.dtype)
        return _to_latents(self.bijector, x, point)

    def _forward_as_inverse(
        self, z: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        turned = tfp.bijectors.Invert(self.bijector)
        point = domains.inner_point(turned, self.data_event_shape, z.dtype)
        return _to_latents(turned, z, point)

    def _initialize(self, value: tf.Tensor, context: Any, direction: str) -> tf.Tensor:
        value, log_det = self._fused_pass(direction)(value, context)
        rows = tf.where(domains.outside(log_det))
        if direction != "forward" and tf.size(rows):
            which = "image" if direction == "inverse" else "domain"
            raise ValueError(
                f"{self.name}: expected data inside of the {which} of "
                f"{self.bijector.name}, got row {int(rows[0, 0])} on its border or "
                "outside"
            )
        return value

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments; ValueError without a plain config."""
        own = {"bijector": to_tfp_config(self.bijector), "onto": self._told_onto}
        return {**super().get_config(), **own}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> TFPStep:
        """Returns a new step with the same config."""
        bijector = from_tfp_config(config["bijector"])
        return cls(**{**config, "bijector": bijector})


def tfp_dtype(bijector: Any) -> str | None:
    """Returns the name of a stock bijector's dtype, or None if it accepts any."""
    dtype = getattr(bijector, "dtype", None)
    return dtype.name if isinstance(dtype, tf.DType) else None


def _to_latents(
    bijector: tfp.bijectors.Bijector, x: tf.Tensor, point: Any
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the inverse and its log-det; 0 and -inf for rows outside the image.

    Args:
      bijector: The bijector.
      x: `[B, *event]`.
      point: A point inside the image, `[1, *event]`.
    """
    inside = domains.in_image(bijector, tf.stop_gradient(x))
    # Replace rows outside before the map, because NaN would reach all gradients.
    z, log_det = _inverse_and_log_det(bijector, domains.select_rows(inside, x, point))
    z = domains.select_rows(inside, z, tf.zeros_like(z))
    return z, tf.where(inside, log_det, tf.constant(-math.inf, log_det.dtype))


def _inverse_and_log_det(
    bijector: tfp.bijectors.Bijector, x: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    x = tf.identity(x)  # a tensor that TFP's cache has never seen
    z = bijector.inverse(x)  # first, because the log-det uses its cache
    log_det = bijector.inverse_log_det_jacobian(x, event_ndims=x.shape.rank - 1)
    return z, _per_row(log_det, x)


def _keeps_shape(bijector: tfp.bijectors.Bijector, ndims: int) -> bool:
    probe = tf.TensorShape([4] * max(ndims, 1))
    try:
        return bijector.inverse_event_shape(probe) == probe
    except (ValueError, TypeError):  # not known for this size, so it depends on shapes
        return False


def _per_row(log_det: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
    # A bijector with constant Jacobian returns a scalar.
    return tf.broadcast_to(log_det, tf.shape(value)[:1])
