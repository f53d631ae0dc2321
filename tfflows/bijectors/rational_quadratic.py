"""Monotone rational-quadratic splines as a coupling law."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

from tfflows.bijectors.coupling import Coupling
from tfflows.bijectors.laws import CouplingLaw

# Smallest bin, as a share of the average one, and smallest slope: monotone in float32.
_MIN_SHARE = 1e-2
_MIN_SLOPE = 1e-3


@keras.saving.register_keras_serializable("tfflows")
class RationalQuadraticLaw(CouplingLaw):
    """A monotone spline of rational-quadratic pieces on [-bound, bound].

    Outside it is the identity, with log-derivative 0; the slopes at both ends are 1.
    Within bin k of width w and height h, with s = h / w and t = (z - z_k) / w:

      x = x_k + h (s t^2 + d_k t (1 - t)) / (s + (d_{k+1} + d_k - 2 s) t (1 - t))

    Source: Durkan, Bekasov, Murray and Papamakarios, "Neural Spline Flows", 2019,
    arXiv 1906.04032, equations 4 to 8.

    Args:
      num_bins: Number of bins K; a law takes 3 K - 1 parameters per element.
      bound: Half the length of the interval.

    Raises:
      ValueError: For fewer than 2 bins, or a bound that is not positive.
    """

    def __init__(self, num_bins: int = 8, bound: float = 3.0) -> None:
        if num_bins < 2 or not 0.0 < bound < math.inf:
            raise ValueError(
                "expected num_bins >= 2 and a finite bound > 0, got "
                f"num_bins={num_bins}, bound={bound}"
            )
        self.num_bins, self.bound = int(num_bins), float(bound)
        self.num_params = 3 * self.num_bins - 1

    def forward(self, z: tf.Tensor, params: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """-> x and ln dx/dz."""
        knots_z, knots_x, slopes = self._spline(params)
        # Inside before any arithmetic: the branch that `where` drops would otherwise
        # make NaN gradients of its infinities.
        inside = tf.clip_by_value(z, -self.bound, self.bound)
        piece = _Piece(inside, knots_z, knots_z, knots_x, slopes)
        t = (inside - piece.z) / piece.width
        x, log_slope = piece.value(t), piece.log_slope(t)
        return self._with_tails(z, x, log_slope)

    def inverse(self, x: tf.Tensor, params: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """-> z and ln dz/dx."""
        knots_z, knots_x, slopes = self._spline(params)
        inside = tf.clip_by_value(x, -self.bound, self.bound)
        piece = _Piece(inside, knots_x, knots_z, knots_x, slopes)
        t = piece.solve(inside)
        z = piece.z + t * piece.width
        return self._with_tails(x, z, -piece.log_slope(t))

    def _with_tails(
        self, value: tf.Tensor, spline: tf.Tensor, log_slope: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        inside = tf.abs(value) < self.bound
        zeros = tf.zeros_like(log_slope)
        return tf.where(inside, spline, value), tf.where(inside, log_slope, zeros)

    def _spline(self, params: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """The K + 1 knots on both axes and slopes there, each `[B, ..., K + 1, n]`."""
        bins = self.num_bins
        size = params.shape[-1] // self.num_params
        shape = tf.concat([tf.shape(params)[:-1], [self.num_params, size]], axis=0)
        parts = tf.split(tf.reshape(params, shape), [bins, bins, bins - 1], axis=-2)
        # softplus(offset) = 1 - the smallest slope: zero parameters give slope 1.
        offset = math.log(math.expm1(1.0 - _MIN_SLOPE))
        inner = _MIN_SLOPE + tf.nn.softplus(parts[2] + offset)
        ends = tf.ones_like(inner[..., :1, :])
        slopes = tf.concat([ends, inner, ends], axis=-2)
        return self._knots(parts[0]), self._knots(parts[1]), slopes

    def _knots(self, logits: tf.Tensor) -> tf.Tensor:
        # tf.nn.softmax would transpose twice for an inner axis.
        largest = tf.stop_gradient(tf.reduce_max(logits, axis=-2, keepdims=True))
        shares = tf.exp(logits - largest)
        shares /= tf.reduce_sum(shares, axis=-2, keepdims=True)
        least = _MIN_SHARE / self.num_bins
        sizes = least + (1.0 - _MIN_SHARE) * shares
        inner = tf.cumsum(sizes, axis=-2)[..., :-1, :]
        end = tf.ones_like(inner[..., :1, :])
        inner = 2.0 * self.bound * inner - self.bound
        # The ends exactly, not up to the rounding of a sum.
        return tf.concat([-self.bound * end, inner, self.bound * end], axis=-2)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"num_bins": self.num_bins, "bound": self.bound}


class _Piece:
    """The spline's piece for each element: all attributes have the element's shape."""

    def __init__(
        self,
        value: tf.Tensor,
        knots: tf.Tensor,
        knots_z: tf.Tensor,
        knots_x: tf.Tensor,
        slopes: tf.Tensor,
    ) -> None:
        # One-hot in place of a gather, whose gradient is a scatter.
        at_or_above = tf.cast(
            value[..., tf.newaxis, :] >= knots[..., 1:-1, :], value.dtype
        )
        one = tf.ones_like(at_or_above[..., :1, :])
        steps = tf.concat([one, at_or_above, tf.zeros_like(one)], axis=-2)
        chosen = steps[..., :-1, :] - steps[..., 1:, :]

        def pick(candidates: tf.Tensor) -> tf.Tensor:
            return tf.reduce_sum(chosen * candidates, axis=-2)

        self.z, self.x = pick(knots_z[..., :-1, :]), pick(knots_x[..., :-1, :])
        self.width = pick(knots_z[..., 1:, :]) - self.z
        self.height = pick(knots_x[..., 1:, :]) - self.x
        self.slope = pick(slopes[..., :-1, :])
        self.next_slope = pick(slopes[..., 1:, :])
        self.mean_slope = self.height / self.width
        self.bend = self.next_slope + self.slope - 2.0 * self.mean_slope

    def value(self, t: tf.Tensor) -> tf.Tensor:
        """X at t in [0, 1] (equation 4)."""
        rise = self.mean_slope * t**2 + self.slope * t * (1.0 - t)
        return self.x + self.height * rise / self._denominator(t)

    def log_slope(self, t: tf.Tensor) -> tf.Tensor:
        """Ln dx/dz at t in [0, 1] (equation 5)."""
        mean, rest = self.mean_slope, 1.0 - t
        rise = self.next_slope * t**2 + 2.0 * mean * t * rest + self.slope * rest**2
        log_denominator = tf.math.log(self._denominator(t))
        return tf.math.log(rise) + 2.0 * (tf.math.log(mean) - log_denominator)

    def _denominator(self, t: tf.Tensor) -> tf.Tensor:
        return self.mean_slope + self.bend * t * (1.0 - t)

    def solve(self, x: tf.Tensor) -> tf.Tensor:
        """The t in [0, 1] with value(t) = x (equations 6 to 8)."""
        offset = x - self.x
        a = self.height * (self.mean_slope - self.slope) + offset * self.bend
        b = self.height * self.slope - offset * self.bend
        c = -self.mean_slope * offset
        # Positive but for rounding; sqrt has no gradient at 0.
        discriminant = tf.maximum(b**2 - 4.0 * a * c, x.dtype.as_numpy_dtype(1e-30))
        t = 2.0 * c / (-b - tf.sqrt(discriminant))
        return tf.clip_by_value(t, 0.0, 1.0)


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
      **kwargs: `reverse`, `head` of `Coupling`; those of `FlowStep`.
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
        """The constructor's arguments."""
        config = super().get_config()
        law = config.pop("law")
        return {**config, **law["config"]}
