"""Monotone rational-quadratic splines as a coupling law."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

from tfflows.backend.arguments import check_count, check_number
from tfflows.bijectors.coupling import Coupling
from tfflows.bijectors.laws import CouplingLaw
from tfflows.bijectors.spline_bins import Bins, Tensors, find_bin

# Minimum slope, so that the spline is monotone in float32.
_MIN_SLOPE = 1e-3


@keras.saving.register_keras_serializable("tfflows")
class RationalQuadraticLaw(CouplingLaw):
    """A monotone spline of rational-quadratic pieces on [-bound, bound].

    Outside [-bound, bound] it is the identity; the slopes at both ends are 1. Within
    bin k of width w and height h, with s = h / w and t = (z - z_k) / w:

      x = x_k + h (s t^2 + d_k t (1 - t)) / (s + (d_{k+1} + d_k - 2 s) t (1 - t))

    Source: Durkan, Bekasov, Murray and Papamakarios, "Neural Spline Flows", 2019,
    arXiv 1906.04032, equations 4 to 8.

    Args:
      num_bins: Number of bins K; the law has 3 K - 1 parameters per element.
      bound: Half the length of the interval.

    Raises:
      ValueError: If num_bins is below 2 or bound is not positive.
    """

    def __init__(self, num_bins: int = 8, bound: float = 3.0) -> None:
        self.num_bins = check_count("num_bins", num_bins, least=2)
        self.bound = check_number("bound", bound, above=0.0)
        self.num_params = 3 * self.num_bins - 1

    def forward(
        self, z: tf.Tensor, params: tf.Tensor, axis: int = -1
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns x and ln dx/dz."""
        # Clip before any arithmetic: the branch that `where` drops would otherwise give
        # NaN gradients.
        inside = tf.clip_by_value(z, -self.bound, self.bound)
        return self._with_tails(z, *self._spline(params, axis).forward(inside))

    def inverse(
        self, x: tf.Tensor, params: tf.Tensor, axis: int = -1
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns z and ln dz/dx."""
        inside = tf.clip_by_value(x, -self.bound, self.bound)
        return self._with_tails(x, *self._spline(params, axis).inverse(inside))

    def _with_tails(
        self, value: tf.Tensor, spline: tf.Tensor, log_slope: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        inside = tf.abs(value) < self.bound
        zeros = tf.zeros_like(log_slope)
        return tf.where(inside, spline, value), tf.where(inside, log_slope, zeros)

    def _spline(self, params: tf.Tensor, axis: int) -> Spline:
        bins = self.num_bins
        parts = unstack(params, self.num_params, axis)
        end = tf.zeros_like(parts[0])  # slope 1
        knots = [end, *parts[2 * bins :], end]
        return Spline(parts[:bins], parts[bins : 2 * bins], knots, self.bound)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {"num_bins": self.num_bins, "bound": self.bound}


def unstack(params: tf.Tensor, number: int, axis: int) -> Tensors:
    """Cuts an axis into blocks: one tensor for each parameter."""
    if axis == 0:
        return tf.split(params, number, axis=0)
    size = params.shape[-1] // number
    shape = tf.concat([tf.shape(params)[:-1], [number, size]], axis=0)
    return tf.unstack(tf.reshape(params, shape), num=number, axis=-2)


class Spline:
    """A spline of rational-quadratic pieces for each element, on [-bound, bound].

    Args:
      bins_z: Logits of the bins' widths, one tensor for each bin.
      bins_x: Logits of their heights.
      knots: Parameters of the slopes, one tensor for each knot; zeros give slope 1.
      bound: Half the length of the interval, one or one for each element.
    """

    def __init__(
        self, bins_z: Tensors, bins_x: Tensors, knots: Tensors, bound: Any
    ) -> None:
        self._bins_z, self._bins_x = Bins(bins_z, bound), Bins(bins_x, bound)
        self._knots = knots

    def forward(self, z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns x and ln dx/dz at z in the interval."""
        piece = _Piece(*find_bin(z, self._bins_z, self._bins_x, self._knots))
        t = _into_bin((z - piece.z) / piece.width)
        return piece.value(t), piece.log_slope(t)

    def inverse(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns z and ln dz/dx at x in the interval."""
        bin_x, bin_z, ends = find_bin(x, self._bins_x, self._bins_z, self._knots)
        piece = _Piece(bin_z, bin_x, ends)
        t = piece.solve(x)
        return piece.z + t * piece.width, -piece.log_slope(t)


def _into_bin(t: tf.Tensor) -> tf.Tensor:
    """Clips the position t in its bin to [0, 1].

    Rounding may put a value at a knot outside its bin, where a steep piece has a pole.
    The gradient is t's, because it must not vanish at the ends.
    """
    return t + tf.stop_gradient(tf.clip_by_value(t, 0.0, 1.0) - t)


class _Piece:
    """The spline's piece for each element: all attributes have the element's shape."""

    def __init__(
        self,
        bin_z: tuple[tf.Tensor, tf.Tensor],
        bin_x: tuple[tf.Tensor, tf.Tensor],
        ends: Tensors,
    ) -> None:
        (self.z, self.width), (self.x, self.height) = bin_z, bin_x
        # softplus(offset) = 1 - the smallest slope: zero parameters give slope 1.
        offset = math.log(math.expm1(1.0 - _MIN_SLOPE))
        self.slope, self.next_slope = [
            _MIN_SLOPE + tf.nn.softplus(end + offset) for end in ends
        ]
        self.mean_slope = self.height / self.width
        self.bend = self.next_slope + self.slope - 2.0 * self.mean_slope

    def value(self, t: tf.Tensor) -> tf.Tensor:
        """Returns x at t in [0, 1] (equation 4)."""
        rise = self.mean_slope * t**2 + self.slope * t * (1.0 - t)
        return self.x + self.height * rise / self._denominator(t)

    def log_slope(self, t: tf.Tensor) -> tf.Tensor:
        """Returns ln dx/dz at t in [0, 1] (equation 5)."""
        mean, rest = self.mean_slope, 1.0 - t
        rise = self.next_slope * t**2 + 2.0 * mean * t * rest + self.slope * rest**2
        log_denominator = tf.math.log(self._denominator(t))
        return tf.math.log(rise) + 2.0 * (tf.math.log(mean) - log_denominator)

    def _denominator(self, t: tf.Tensor) -> tf.Tensor:
        return self.mean_slope + self.bend * t * (1.0 - t)

    def solve(self, x: tf.Tensor) -> tf.Tensor:
        """Returns the t in [0, 1] with value(t) = x (equations 6 to 8)."""
        offset = x - self.x
        a = self.height * (self.mean_slope - self.slope) + offset * self.bend
        b = self.height * self.slope - offset * self.bend
        c = -self.mean_slope * offset
        # Positive except for rounding; sqrt has no gradient at 0.
        discriminant = tf.maximum(b**2 - 4.0 * a * c, x.dtype.as_numpy_dtype(1e-30))
        return _into_bin(2.0 * c / (-b - tf.sqrt(discriminant)))


@keras.saving.register_keras_serializable("tfflows")
class RationalQuadraticCoupling(Coupling):
    """`Coupling` with a monotone spline tau, see `RationalQuadraticLaw`.

      forward:          x_a = z_a,  x_b = tau(z_b, c(z_a))
      forward log-det:  sum ln dtau/dz_b
      inverse:          z_a = x_a,  z_b = tau^-1(x_b, c(x_a))
      inverse log-det:  -sum ln dtau/dz_b

    Source: Durkan et al., "Neural Spline Flows", 2019, arXiv 1906.04032.

    Args:
      conditioner: As in `Coupling`.
      mask: As in `Coupling`.
      num_bins: Number of bins.
      bound: The spline acts on [-bound, bound]; outside the step is the identity.
      **kwargs: `reverse`, `head` of `Coupling`; arguments of `FlowStep`.
    """

    def __init__(
        self,
        conditioner: keras.layers.Layer,
        mask: Any = "half",
        *,
        num_bins: int = 8,
        bound: float = 3.0,
        **kwargs: Any,
    ) -> None:
        law = RationalQuadraticLaw(num_bins, bound)
        super().__init__(law, conditioner, mask, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = super().get_config()
        law = config.pop("law")
        return {**config, **law["config"]}
