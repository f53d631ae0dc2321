"""Any `tfb.Bijector` as a flow step."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfflows.backend import domains
from tfflows.backend.tfp_config import from_tfp_config, to_tfp_config
from tfflows.backend.tfp_variables import holds_code, variables_read
from tfflows.bijectors import shapes
from tfflows.bijectors.flow_step import FlowStep


@keras.saving.register_keras_serializable("tfflows")
class TFPStep(FlowStep):
    """A stock `tfb.Bijector` f as a step; its variables are tracked by Keras.

      forward:          x = f(z)
      forward log-det:  log|det df/dz|
      inverse:          z = f^-1(x)
      inverse log-det:  log|det df^-1/dx|, -inf outside of f's image and on its border

    Calls do not share TFP's cache: `inverse(forward(z))` really inverts.

    Args:
      bijector: The bijector. It is saved by its TFP class name and parameters, if
        these are numbers, arrays, variables or further bijectors.
      event_ndims: As in `FlowStep`; None: at least the bijector's own minimum.
      **kwargs: `name`, `dtype` (None: the bijector's), `trainable` of `FlowStep`.

    Raises:
      ValueError: If it is no `tfb.Bijector` of one tensor, with one inverse.
    """

    recomputed_from = None

    def __init__(
        self,
        bijector: tfp.bijectors.Bijector,
        *,
        event_ndims: int | None = None,
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
        self.onto = domains.is_onto(bijector)
        changes_rank = bijector.forward_min_event_ndims != minimum
        self.shape_preserving = not changes_rank and _keeps_shape(bijector, minimum)

    def _adopt(self, variables: Iterable[tf.Variable]) -> None:
        known = {id(variable.value) for variable in self._adopted}
        for variable in variables:
            if id(variable) in known:
                continue
            # keras.Variable takes a tf.Variable over as it is: one storage, two
            # trackers.
            adopted = keras.Variable(
                variable,
                trainable=variable.trainable,
                dtype=variable.dtype,
                autocast=False,
                name=variable.name.replace("/", "_").split(":")[0],
            )
            self._adopted.append(adopted)

    def build(self, data_shape: Any) -> None:
        """Adopts variables that a trace finds: those of networks in functions."""
        if not holds_code(self.bijector):
            return
        event = shapes.event_shape(data_shape, self.event_ndims, self.name)
        dtype = self.flow_dtype
        x = tf.fill((1, *event), tf.constant(0.5, dtype))
        self._adopt(variables_read(lambda x: _inverse_and_log_det(self.bijector, x), x))

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
        return _to_latents(self.bijector, x, self.latent_event_shape, self.onto)

    def _forward_as_inverse(self, z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The forward pass of a step that stands in `Invert`: it goes to latents."""
        turned = tfp.bijectors.Invert(self.bijector)
        return _to_latents(turned, z, self.data_event_shape, domains.is_onto(turned))

    def _initialize(self, value: tf.Tensor, context: Any, direction: str) -> tf.Tensor:
        value, log_det = self._fused_pass(direction)(value, context)
        rows = tf.where(domains.outside(log_det))
        if direction == "inverse" and tf.size(rows):
            raise ValueError(
                f"{self.name}: expected data inside of the image of "
                f"{self.bijector.name}, got row {int(rows[0, 0])} on its border or "
                "outside"
            )
        return value

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; ValueError if the bijector has no plain ones."""
        return {**super().get_config(), "bijector": to_tfp_config(self.bijector)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> TFPStep:
        """A fresh step of equal config."""
        bijector = from_tfp_config(config["bijector"])
        return cls(**{**config, "bijector": bijector})


def tfp_dtype(bijector: Any) -> str | None:
    """Name of the dtype of a stock bijector, None where it takes any."""
    dtype = getattr(bijector, "dtype", None)
    return dtype.name if isinstance(dtype, tf.DType) else None


def _to_latents(
    bijector: tfp.bijectors.Bijector,
    x: tf.Tensor,
    latent_shape: tuple[int, ...],
    onto: bool,
) -> tuple[tf.Tensor, tf.Tensor]:
    """The inverse and its log-det: 0 and -inf of rows outside of the image."""
    if onto:
        return _inverse_and_log_det(bijector, x)
    inside = domains.in_image(bijector, tf.stop_gradient(x))
    # Rows outside are replaced before the map: its NaN would reach all gradients.
    point = domains.inner_point(bijector, latent_shape, x.dtype)
    z, log_det = _inverse_and_log_det(bijector, domains.select_rows(inside, x, point))
    z = domains.select_rows(inside, z, tf.zeros_like(z))
    return z, tf.where(inside, log_det, tf.constant(-math.inf, log_det.dtype))


def _inverse_and_log_det(
    bijector: tfp.bijectors.Bijector, x: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    x = tf.identity(x)  # a tensor that TFP's cache has never seen
    z = bijector.inverse(x)  # first: what it leaves in the cache serves the log-det
    log_det = bijector.inverse_log_det_jacobian(x, event_ndims=x.shape.rank - 1)
    return z, _per_row(log_det, x)


def _keeps_shape(bijector: tfp.bijectors.Bijector, ndims: int) -> bool:
    probe = tf.TensorShape([4] * max(ndims, 1))
    try:
        return bijector.inverse_event_shape(probe) == probe
    except (ValueError, TypeError):  # not for this size: then it depends on shapes
        return False


def _per_row(log_det: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
    # A bijector of constant Jacobian gives a scalar.
    return tf.broadcast_to(log_det, tf.shape(value)[:1])
