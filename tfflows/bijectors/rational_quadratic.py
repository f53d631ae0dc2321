"""Monotone rational-quadratic splines as a coupling law."""

from __future__ import annotations

import itertools
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
        bins_z, bins_x, slopes = self._spline(params)
        # Inside before any arithmetic: the branch that `where` drops would otherwise
        # make NaN gradients of its infinities.
        inside = tf.clip_by_value(z, -self.bound, self.bound)
        piece = _Piece(_Place(inside, bins_z), bins_z, bins_x, slopes)
        t = (inside - piece.z) / piece.width
        x, log_slope = piece.value(t), piece.log_slope(t)
        return self._with_tails(z, x, log_slope)

    def inverse(self, x: tf.Tensor, params: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """-> z and ln dz/dx."""
        bins_z, bins_x, slopes = self._spline(params)
        inside = tf.clip_by_value(x, -self.bound, self.bound)
        piece = _Piece(_Place(inside, bins_x), bins_z, bins_x, slopes)
        t = piece.solve(inside)
        z = piece.z + t * piece.width
        return self._with_tails(x, z, -piece.log_slope(t))

    def _with_tails(
        self, value: tf.Tensor, spline: tf.Tensor, log_slope: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        inside = tf.abs(value) < self.bound
        zeros = tf.zeros_like(log_slope)
        return tf.where(inside, spline, value), tf.where(inside, log_slope, zeros)

    def _spline(self, params: tf.Tensor) -> tuple[_Bins, _Bins, tf.Tensor]:
        """The bins on both axes, and the slopes at inner knots `[B, ..., K - 1, n]`."""
        bins = self.num_bins
        size = params.shape[-1] // self.num_params
        shape = tf.concat([tf.shape(params)[:-1], [self.num_params, size]], axis=0)
        parts = tf.split(tf.reshape(params, shape), [bins, bins, bins - 1], axis=-2)
        # softplus(offset) = 1 - the smallest slope: zero parameters give slope 1.
        offset = math.log(math.expm1(1.0 - _MIN_SLOPE))
        slopes = _MIN_SLOPE + tf.nn.softplus(parts[2] + offset)
        return _Bins(parts[0], self.bound), _Bins(parts[1], self.bound), slopes

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"num_bins": self.num_bins, "bound": self.bound}


class _Bins:
    """The bins of one axis: their sizes are a softmax, from -bound to bound."""

    def __init__(self, logits: tf.Tensor, bound: float) -> None:
        # tf.nn.softmax would transpose twice for an inner axis.
        largest = tf.stop_gradient(tf.reduce_max(logits, axis=-2, keepdims=True))
        self._weights = tf.exp(logits - largest)  # [B, ..., K, n]
        self._total = tf.reduce_sum(self._weights, axis=-2)
        self._bound, self._num_bins = bound, logits.shape[-2]

    def inner_knots(self) -> tf.Tensor:
        """`[B, ..., K - 1, n]`, to find a bin by: without gradients."""
        # Adds in place of tf.cumsum, which takes ten times as long on an inner axis.
        weights = tf.unstack(tf.stop_gradient(self._weights), axis=-2)
        sums = tf.stack(list(itertools.accumulate(weights[:-1])), axis=-2)
        total = tf.stop_gradient(self._total)[..., tf.newaxis, :]
        number = tf.range(1, self._num_bins, dtype=sums.dtype)[:, tf.newaxis]
        return self._scaled(number, sums / total) - self._bound

    def pick(self, place: _Place) -> tuple[tf.Tensor, tf.Tensor]:
        """The lower knot and the size of each element's bin."""
        number, below = place.number, place.sum_below(self._weights)
        lower = self._scaled(number, below / self._total) - self._bound
        share = place.sum_chosen(self._weights) / self._total
        return lower, self._scaled(tf.ones_like(number), share)

    def _scaled(self, number: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
        """The length of so many bins that make up a share of the softmax."""
        least = _MIN_SHARE / self._num_bins
        return 2.0 * self._bound * (least * number + (1.0 - _MIN_SHARE) * share)


class _Place:
    """The bin of each element, as zeros and ones over the bins.

    They stand in the place of a gather, whose gradient is a scatter. Sums by them need
    no knots: the lower knot of a bin is the sum of the sizes below it.
    """

    def __init__(self, value: tf.Tensor, bins: _Bins) -> None:
        reached = tf.cast(value[..., tf.newaxis, :] >= bins.inner_knots(), value.dtype)
        zero = tf.zeros_like(reached[..., :1, :])
        self.number = tf.reduce_sum(reached, axis=-2)
        self._below = tf.concat([reached, zero], axis=-2)
        self._chosen = tf.concat([zero + 1.0, reached], axis=-2) - self._below

    def sum_below(self, values: tf.Tensor) -> tf.Tensor:
        """The sum of `[B, ..., K, n]` over the bins below each element's own."""
        return _selected_sum(values, self._below)

    def sum_chosen(self, values: tf.Tensor) -> tf.Tensor:
        """The value of `[B, ..., K, n]` of each element's bin."""
        return _selected_sum(values, self._chosen)

    def pick_slopes(self, inner: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The slopes at the bin's knots, of those at inner knots; 1 at both ends."""
        first, last = self._chosen[..., 0, :], self._chosen[..., -1, :]
        lower = first + _selected_sum(inner, self._chosen[..., 1:, :])
        upper = last + _selected_sum(inner, self._chosen[..., :-1, :])
        return lower, upper


@tf.custom_gradient
def _selected_sum(values: tf.Tensor, selection: tf.Tensor) -> Any:
    """Sums values where the selection, which gets no gradient, is 1, over axis -2."""

    def gradients(upstream: tf.Tensor) -> tuple[tf.Tensor, None]:
        # TensorFlow's own would first copy the upstream gradient for each bin.
        return upstream[..., tf.newaxis, :] * selection, None

    return tf.reduce_sum(values * selection, axis=-2), gradients


class _Piece:
    """The spline's piece for each element: all attributes have the element's shape."""

    def __init__(
        self, place: _Place, bins_z: _Bins, bins_x: _Bins, slopes: tf.Tensor
    ) -> None:
        self.z, self.width = bins_z.pick(place)
        self.x, self.height = bins_x.pick(place)
        self.slope, self.next_slope = place.pick_slopes(slopes)
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
