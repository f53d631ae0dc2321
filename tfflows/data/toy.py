"""Toy densities in two dimensions: samplers and, where known, exact densities."""

import abc
import math

import numpy as np
from scipy.special import logsumexp

from tfflows.data.source import check_positive, check_seed


class Toy(abc.ABC):
    """A density on the plane.

    Attributes:
        name: name of the density.
        entropy: differential entropy in nats where it is known, else None.
    """

    entropy: float | None = None

    def __init__(self, name: str) -> None:
        self.name = name

    def sample(self, n: int, seed: int | None = None) -> np.ndarray:
        """Draws independent points.

        Args:
            n: number of points.
            seed: non-negative; the same seed gives the same points. None: fresh.

        Returns:
            float32 [n, 2].

        Raises:
            ValueError: n is no positive integer, or a bad seed.
        """
        check_positive("n", n)
        if seed is not None:
            check_seed(seed)
        return self._sample(n, np.random.default_rng(seed)).astype(np.float32)

    @property
    def has_log_prob(self) -> bool:
        """Whether the density is known in closed form."""
        return type(self)._log_prob is not Toy._log_prob

    def log_prob(self, x: np.ndarray) -> np.ndarray:
        """Returns the log-density in nats, -inf outside the support.

        Args:
            x: points [n, 2].

        Returns:
            float64 [n].

        Raises:
            ValueError: another shape, or points that are not numbers.
            NotImplementedError: the density is not known (see `has_log_prob`).
        """
        points = np.asarray(x, np.float64)
        if points.ndim != 2 or points.shape[1] != 2:
            raise ValueError(f"expected points of shape [n, 2], got {points.shape}")
        if np.isnan(points).any():
            raise ValueError("expected points without NaN, got NaN")
        return self._log_prob(points)

    @abc.abstractmethod
    def _sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draws [n, 2]."""

    def _log_prob(self, x: np.ndarray) -> np.ndarray:
        raise NotImplementedError(
            f"the density of {self.name!r} is not known in closed form; "
            "check has_log_prob first"
        )


class GaussianMixture(Toy):
    """Equally weighted round Gaussians: p(x) = mean_k N(x; means[k], sd^2 I).

    Args:
        name: name of the density.
        means: centres [K, 2].
        sd: standard deviation of each coordinate.
    """

    def __init__(self, name: str, means: np.ndarray, sd: float) -> None:
        super().__init__(name)
        self.means = np.asarray(means, np.float64)
        self.sd = sd

    def _sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        component = rng.integers(len(self.means), size=n)
        return self.means[component] + self.sd * rng.standard_normal((n, 2))

    def _log_prob(self, x: np.ndarray) -> np.ndarray:
        squared = np.sum((x[:, None, :] - self.means) ** 2, axis=-1)  # [n, K]
        log_normalizer = math.log(2 * math.pi * self.sd**2 * len(self.means))
        return logsumexp(-squared / (2 * self.sd**2), axis=-1) - log_normalizer


class Rings(Toy):
    """Four equally weighted rings: radius ~ N(k, 0.1^2), k = 1 .. 4, any angle.

    p(x) = mean_k N(r; k, 0.1^2) / (2 pi r) with r = ||x||. (Negative radii have a
    probability below 1e-23 and are left out of account.)
    """

    radii = np.arange(1.0, 5.0)
    sd = 0.1

    def _sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        radius = rng.choice(self.radii, size=n) + self.sd * rng.standard_normal(n)
        angle = rng.uniform(0, 2 * math.pi, size=n)
        return radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)

    def _log_prob(self, x: np.ndarray) -> np.ndarray:
        # The floor keeps log r finite at the origin.
        r = np.maximum(np.linalg.norm(x, axis=-1), np.finfo(np.float64).tiny)
        scaled = (r[:, None] - self.radii) / self.sd  # [n, 4]
        log_normalizer = math.log(math.sqrt(2 * math.pi) * self.sd * len(self.radii))
        log_radial = logsumexp(-0.5 * scaled**2, axis=-1) - log_normalizer
        return log_radial - np.log(2 * math.pi * r)


class TwoMoons(Toy):
    """Two interleaved half circles of radius 1 with Gaussian noise of sd 0.1.

    The curves of scikit-learn's `make_moons`, but with independent points:
    (cos t, sin t) or (1 - cos t, 1/2 - sin t), t uniform in [0, pi].
    """

    sd = 0.1

    def _sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        angle = rng.uniform(0, math.pi, size=n)
        upper = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        lower = np.stack([1 - np.cos(angle), 0.5 - np.sin(angle)], axis=-1)
        is_upper = rng.integers(2, size=(n, 1)).astype(bool)
        return np.where(is_upper, upper, lower) + self.sd * rng.standard_normal((n, 2))


class Checkerboard(Toy):
    """Uniform on the 8 squares [2i-4, 2i-2) x [2j-4, 2j-2) with i + j even."""

    entropy = math.log(32)

    def _sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        column = rng.integers(4, size=n)
        row = 2 * rng.integers(2, size=n) + column % 2
        corner = (2 * np.stack([column, row], axis=-1) - 4).astype(np.float32)
        x = (corner + rng.uniform(0, 2, size=(n, 2))).astype(np.float32)
        # Rounding to float32 can reach the open edge, which is outside the support.
        return np.minimum(x, np.nextafter(corner + 2, corner))

    def _log_prob(self, x: np.ndarray) -> np.ndarray:
        is_on_board = np.all((x >= -4) & (x < 4), axis=-1)
        # Clipped, because inf has no parity.
        is_dark = np.floor(np.clip(x, -4, 4) / 2).sum(axis=-1) % 2 == 0
        return np.where(is_on_board & is_dark, -self.entropy, -np.inf)


def _circle(count: int, radius: float) -> np.ndarray:
    angle = 2 * math.pi * np.arange(count) / count
    return radius * np.stack([np.cos(angle), np.sin(angle)], axis=-1)


two_moons = TwoMoons("two_moons")
rings = Rings("rings")
eight_gaussians = GaussianMixture("eight_gaussians", _circle(8, 2.83), sd=0.354)
three_gaussians = GaussianMixture(
    "three_gaussians", np.array([[-2.0, 0.0], [2.0, 0.0], [0.0, 2.5]]), sd=0.7
)
checkerboard = Checkerboard("checkerboard")

TOYS: dict[str, Toy] = {
    toy.name: toy
    for toy in (two_moons, rings, eight_gaussians, three_gaussians, checkerboard)
}
