"""Splines on circles: angles, or angles beside real elements, as coupling laws."""

from __future__ import annotations

import copy
import functools
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfflows.backend.angles import (
    as_seen,
    check_circular,
    circular_flags,
    half_period,
    in_period,
    wrapped,
)
from tfflows.backend.arguments import check_count, check_flag, check_number
from tfflows.backend.domains import all_of_row, select_rows
from tfflows.bijectors.coupling import Coupling
from tfflows.bijectors.flow_step import FlowStep
from tfflows.bijectors.laws import CouplingLaw
from tfflows.bijectors.masked_autoregressive import MaskedAutoregressive
from tfflows.bijectors.masks import Mask
from tfflows.bijectors.rational_quadratic import Spline, unstack


class CircularSplineLaw(CouplingLaw):
    """A spline of the circle onto itself, then a rotation.

    The spline maps [-pi, pi] onto itself and has one slope at both ends, a parameter
    like the others. The rotation is the angle of (1 + a, b): unlike a parameter that is
    the angle itself, it can turn around while what it depends on turns around. Elements
    that are no angles get the spline of `RationalQuadraticLaw`.

    Args:
      num_bins: Number of bins K; the law has 3 K + 2 parameters per element.
      bound: Half the length of the interval of elements that are no angles.
      angles: Which elements are angles, boolean `[n]`.
    """

    def __init__(
        self, num_bins: int, bound: float, angles: np.ndarray | None = None
    ) -> None:
        self.num_bins = check_count("num_bins", num_bins, least=2)
        self.bound = check_number("bound", bound, above=0.0)
        self.num_params = 3 * self.num_bins + 2
        self._angles: Any = np.ones(1, bool) if angles is None else angles

    def of_element(self, i: tf.Tensor) -> CircularSplineLaw:
        """Returns the law of element i alone."""
        law = copy.copy(self)
        if not self._all_angles:
            law._angles = tf.gather(self._angles, i)[tf.newaxis]
        return law

    @property
    def _all_angles(self) -> bool:
        return isinstance(self._angles, np.ndarray) and bool(self._angles.all())

    def forward(
        self, z: tf.Tensor, params: tf.Tensor, axis: int = -1
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns x and ln dx/dz; angles z must be in [-pi, pi]."""
        law = _Parts(self, params, axis)
        x, log_slope = law.spline.forward(law.choose(z, law.clipped(z)))
        turned = wrapped(x + law.rotation)
        return law.with_tails(z, turned, x, log_slope)

    def inverse(
        self, x: tf.Tensor, params: tf.Tensor, axis: int = -1
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns z and ln dz/dx."""
        law = _Parts(self, params, axis)
        back = wrapped(x - law.rotation)
        z, log_slope = law.spline.inverse(law.choose(back, law.clipped(x)))
        return law.with_tails(x, wrapped(z), z, log_slope)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, without the angles."""
        return {"num_bins": self.num_bins, "bound": self.bound}


class _Parts:
    """A law's spline and rotation of each element."""

    def __init__(self, law: CircularSplineLaw, params: tf.Tensor, axis: int) -> None:
        self._all, self._bound = law._all_angles, law.bound
        self._angles = law._angles[:, tf.newaxis] if axis == 0 else law._angles
        bins = law.num_bins
        parts = unstack(params, law.num_params, axis)
        *slopes, end, a, b = parts[2 * bins :]
        self.rotation = _angle(1.0 + a, b)
        end = self.choose(end, tf.zeros_like(end))  # slope 1 of real elements
        half = half_period(params.dtype)
        bound: Any = half
        if not self._all:
            bound = tf.where(self._angles, half, np.array(law.bound, half.dtype))
        knots = [end, *slopes, end]
        self.spline = Spline(parts[:bins], parts[bins : 2 * bins], knots, bound)

    def choose(self, angle: tf.Tensor, real: tf.Tensor) -> tf.Tensor:
        """Returns the first for angles, the second for other elements."""
        return angle if self._all else tf.where(self._angles, angle, real)

    def clipped(self, value: tf.Tensor) -> tf.Tensor:
        """Clips to the interval of elements that are no angles."""
        return tf.clip_by_value(value, -self._bound, self._bound)

    def with_tails(
        self, value: tf.Tensor, angle: tf.Tensor, real: tf.Tensor, log_slope: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns results; those of real elements outside are the identity's."""
        if self._all:
            return angle, log_slope
        inside = tf.abs(value) < self._bound
        real = tf.where(inside, real, value)
        log_slope = tf.where(self._angles | inside, log_slope, tf.zeros_like(log_slope))
        return self.choose(angle, real), log_slope


def _angle(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Returns the angle of (x, y); of (0, 0) it is 0, with a gradient of 0."""
    none = tf.equal(x, 0.0) & tf.equal(y, 0.0)
    angle = tf.atan2(y, tf.where(none, tf.ones_like(x), x))
    return tf.where(none, tf.zeros_like(angle), angle)


class _OnCircles(FlowStep):
    """A step of whose elements, along the last axis, some are angles in [-pi, pi).

    Its subclass sets `circular` and `wrap`, and `_angles` when it is built.
    """

    circular: Any
    wrap: bool
    _angles: np.ndarray

    def _set_circular(self, circular: Any, wrap: bool) -> None:
        self.circular = check_circular(circular)
        self.wrap = check_flag("wrap", wrap)
        self.onto = self.wrap

    def _wrapped(self, value: tf.Tensor) -> tf.Tensor:
        if self._angles.all():
            return wrapped(value)
        return tf.where(self._angles, wrapped(value), value)

    def _checked(
        self, run: Any, value: tf.Tensor, context: Any
    ) -> tuple[tf.Tensor, tf.Tensor]:
        inner = self._wrapped(value)
        if self.wrap:
            return run(inner, context)
        rows = all_of_row(in_period(value) | ~self._angles)
        inner = select_rows(rows, inner, tf.zeros_like(inner))
        value, log_det = run(inner, context)
        log_det = tf.where(rows, log_det, tf.constant(-np.inf, log_det.dtype))
        return select_rows(rows, value, tf.zeros_like(value)), log_det

    def _inverse_and_log_det(
        self, x: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return self._checked(super()._inverse_and_log_det, x, context)

    def _forward_as_inverse(
        self, z: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return self._checked(super()._forward_and_log_det, z, context)

    def _forward_and_log_det(
        self, z: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        return super()._forward_and_log_det(self._wrapped(z), context)


@keras.saving.register_keras_serializable("tfflows")
class CircularSplineCoupling(_OnCircles, Coupling):
    """`Coupling` of angles by splines of the circle, continuous across the seam.

    With tau a monotone rational-quadratic spline of [-pi, pi] onto itself, of equal
    slopes at both ends, and phi a rotation, both functions of e(z_a), the cosines and
    sines of the kept angles:

      forward:          x_a = z_a,  x_b = tau(z_b) + phi mod 2 pi
      forward log-det:  sum ln dtau/dz_b
      inverse:          z_a = x_a,  z_b = tau^-1(x_b - phi mod 2 pi)
      inverse log-det:  -sum ln dtau/dz_b

    Values and slopes agree at -pi and pi, and so does the density of a flow of such
    steps over a `UniformTorus`. Elements that are no angles, if there are any, get
    `RationalQuadraticCoupling`'s spline; the conditioner sees them as they are.

    Rows with an angle outside [-pi, pi] have log-det -inf: their density is 0. The
    forward pass wraps angles, so that samples are in [-pi, pi).

    Source: Rezende et al., "Normalizing Flows on Tori and Spheres", 2020, arXiv
    2002.02428, sections 2.1 (circular splines) and 2.2; Durkan et al., "Neural Spline
    Flows", 2019, arXiv 1906.04032.

    Args:
      conditioner: As in `Coupling`, of the kept part with cosines for angles, followed
        by their sines along the last axis.
      mask: As in `Coupling`.
      num_bins: Number of bins of each spline.
      circular: Which elements along the last axis are angles: True for all, or a
        sequence of True and False.
      bound: The splines of other elements act on [-bound, bound].
      wrap: Whether angles outside the period are wrapped into it instead. The density
        is then that of one period, repeated: its integral over more is more than 1.
      **kwargs: `reverse`, `head` of `Coupling`; arguments of `FlowStep`.

    Raises:
      ValueError: If no element is an angle, or an argument is out of range; on `build`,
        for another number of flags than elements.
    """

    def __init__(
        self,
        conditioner: keras.layers.Layer,
        mask: Any = "half",
        *,
        num_bins: int = 8,
        circular: Any = True,
        bound: float = 3.0,
        wrap: bool = False,
        **kwargs: Any,
    ) -> None:
        make_law = functools.partial(CircularSplineLaw, num_bins, bound)
        super().__init__(make_law(), conditioner, mask, **kwargs)
        self._make_law = make_law
        self._set_circular(circular, wrap)

    def build(self, data_shape: Any) -> None:
        """Builds conditioner and head, and finds the angles of both parts."""
        self._angles = circular_flags(self.circular, int(data_shape[-1]), self.name)
        super().build(data_shape)
        changed = _of_parts(self._mask, self._angles)[1]
        self.law = self._make_law(changed)

    def _build_conditioner(self, kept: tuple[int | None, ...]) -> tuple:
        self._kept_angles = _of_parts(self._mask, self._angles)[0]
        size = int(kept[-1]) + int(self._kept_angles.sum())  # type: ignore[arg-type]
        return super()._build_conditioner((*kept[:-1], size))

    def _features(self, kept: tf.Tensor, context: Any) -> tf.Tensor:
        return super()._features(as_seen(kept, self._kept_angles), context)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = super().get_config()
        del config["law"]
        own = {"circular": self.circular, "wrap": self.wrap}
        return {**config, **self.law.get_config(), **own}


def _of_parts(mask: Mask, angles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns which elements of the kept and of the changed part are angles."""
    if mask.kept_shape[-1] == len(angles):
        return angles, angles
    with tf.init_scope():
        kept, changed = mask.split(tf.constant(angles[np.newaxis]))
        return kept.numpy()[0], changed.numpy()[0]


@keras.saving.register_keras_serializable("tfflows")
class CircularSplineAutoregressive(_OnCircles, MaskedAutoregressive):
    """`MaskedAutoregressive` of angles by the splines of `CircularSplineCoupling`.

    With tau_i and phi_i, spline and rotation of element i, functions of the cosines and
    sines of x_1 .. x_{i-1}:

      forward:          x_i = tau_i(z_i) + phi_i mod 2 pi, one element after the other
      forward log-det:  sum_i ln dtau_i/dz_i
      inverse:          z_i = tau_i^-1(x_i - phi_i mod 2 pi), all at once
      inverse log-det:  -sum_i ln dtau_i/dz_i

    Source: Rezende et al., "Normalizing Flows on Tori and Spheres", 2020, arXiv
    2002.02428, section 2.2.

    Args:
      network: A `tfflows.networks.MADE`; it gets `circular`.
      num_bins: Number of bins of each spline.
      circular: Which elements are angles: True for all, or a sequence of True and
        False. The others get `RationalQuadraticLaw`'s splines.
      bound: The splines of other elements act on [-bound, bound].
      wrap: As in `CircularSplineCoupling`.
      **kwargs: `name`, `dtype`, `trainable` of `FlowStep`.

    Raises:
      ValueError: If the network is no `MADE` or was made for other angles, no element
        is an angle, or an argument is out of range.
    """

    def __init__(
        self,
        network: Any,
        *,
        num_bins: int = 8,
        circular: Any = True,
        bound: float = 3.0,
        wrap: bool = False,
        **kwargs: Any,
    ) -> None:
        make_law = functools.partial(CircularSplineLaw, num_bins, bound)
        super().__init__(network, make_law(), **kwargs)
        self._make_law = make_law
        self._set_circular(circular, wrap)
        if network.circular is None:
            network.circular = self.circular
        if network.circular != self.circular:
            raise ValueError(
                f"expected a MADE with circular={self.circular}, the step's, or None, "
                f"got {network.circular}"
            )

    def build(self, data_shape: Any) -> None:
        """Builds the network, and finds the angles."""
        self._angles = circular_flags(self.circular, int(data_shape[-1]), self.name)
        self.law = self._make_law(self._angles)
        super().build(data_shape)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = super().get_config()
        del config["law"]
        own = {"circular": self.circular, "wrap": self.wrap}
        return {**config, **self.law.get_config(), **own}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> CircularSplineAutoregressive:
        """Returns a new step with the same config."""
        network = keras.saving.deserialize_keras_object(config["network"])
        return cls(**{**config, "network": network})
