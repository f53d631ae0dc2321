"""Simulators with known posteriors: parameters theta, and an observation of them."""

from __future__ import annotations

import abc
import math
from typing import Any

import numpy as np
from scipy.special import ndtr

from tfflows.data.source import check_positive, check_seed


class Simulator(abc.ABC):
    """A prior p(theta) and a likelihood p(observation | theta).

    A conditional flow over theta with the observation as context learns the posterior
    p(theta | observation) from pairs alone; here it is known, to compare with.

    Attributes:
        name: name of the simulator.
        theta_dim: size D of theta.
        observation_dim: size C of an observation.
    """

    name: str
    theta_dim: int
    observation_dim: int

    def sample(self, n: int, seed: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Draws independent pairs.

        Args:
            n: number of pairs.
            seed: non-negative; the same seed gives the same pairs. None: fresh.

        Returns:
            theta, float32 [n, D], and observation, float32 [n, C].

        Raises:
            ValueError: n is no positive integer, or a bad seed.
        """
        check_positive("n", n)
        if seed is not None:
            check_seed(seed)
        rng = np.random.default_rng(seed)
        theta = self._prior(n, rng)
        observation = self._simulate(theta, rng)
        return theta.astype(np.float32), observation.astype(np.float32)

    def posterior_log_prob(
        self, theta: np.ndarray, observation: np.ndarray
    ) -> np.ndarray:
        """Returns log p(theta | observation) in nats, row by row.

        Args:
            theta: parameters [n, D].
            observation: an observation for each [n, C], or one for all [C].

        Returns:
            float64 [n]; -inf outside the support.

        Raises:
            ValueError: another shape, or values that are not finite.
        """
        theta = _checked("theta", theta, self.theta_dim)
        is_shared = np.ndim(observation) == 1
        rows = [observation] if is_shared else observation
        observation = _checked("observation", rows, self.observation_dim)
        if not is_shared and len(observation) != len(theta):
            raise ValueError(
                f"expected one observation for each of {len(theta)} rows of theta, got "
                f"{len(observation)}"
            )
        return self._posterior_log_prob(theta, observation)

    def posterior_sample(
        self, observation: np.ndarray, n: int, seed: int | None = None
    ) -> np.ndarray:
        """Draws n parameters, float32 [n, D], from the posterior of one observation.

        Raises:
            ValueError: an observation of another shape than [C], not finite, or one
                that the simulator does not make; n or seed as in `sample`.
        """
        check_positive("n", n)
        if seed is not None:
            check_seed(seed)
        row = _checked("observation", [observation], self.observation_dim)[0]
        rng = np.random.default_rng(seed)
        return self._posterior_sample(row, n, rng).astype(np.float32)

    @abc.abstractmethod
    def _prior(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draws theta [n, D]."""

    @abc.abstractmethod
    def _simulate(self, theta: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draws an observation of each theta, [n, C]."""

    @abc.abstractmethod
    def _posterior_log_prob(
        self, theta: np.ndarray, observation: np.ndarray
    ) -> np.ndarray:
        """Of theta [n, D] and observations [n, C], or [1, C] for all: [n]."""

    @abc.abstractmethod
    def _posterior_sample(
        self, observation: np.ndarray, n: int, rng: np.random.Generator
    ) -> np.ndarray:
        """Draws [n, D] given one observation [C]."""


class LinearGaussian(Simulator):
    """theta ~ N(0, I), observation = A theta + sd * noise, noise ~ N(0, I).

    The posterior is N(mean, S) with S = (I + A^T A / sd^2)^-1 and
    mean = S A^T observation / sd^2.

    Args:
        name: name of the simulator.
        matrix: A, [C, D].
        sd: standard deviation of the noise.
    """

    def __init__(self, name: str, matrix: np.ndarray, sd: float) -> None:
        self.name, self.sd = name, sd
        self.matrix = np.asarray(matrix, np.float64)
        self.observation_dim, self.theta_dim = self.matrix.shape
        precision = np.eye(self.theta_dim) + self.matrix.T @ self.matrix / sd**2
        self.posterior_covariance = np.linalg.inv(precision)

    def posterior_mean(self, observation: np.ndarray) -> np.ndarray:
        """The mean [n, D] of the posterior of each observation [n, C]."""
        weights = self.posterior_covariance @ self.matrix.T / self.sd**2
        return np.asarray(observation, np.float64) @ weights.T

    def _prior(self, n: int, rng: np.random.Generator) -> np.ndarray:
        return rng.standard_normal((n, self.theta_dim))

    def _simulate(self, theta: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        noise = rng.standard_normal((len(theta), self.observation_dim))
        return theta @ self.matrix.T + self.sd * noise

    def _posterior_log_prob(
        self, theta: np.ndarray, observation: np.ndarray
    ) -> np.ndarray:
        factor = np.linalg.cholesky(self.posterior_covariance)
        deviation = theta - self.posterior_mean(observation)
        scaled = np.linalg.solve(factor, deviation.T)  # [D, n]
        log_det = np.sum(np.log(np.diag(factor)))
        constant = 0.5 * self.theta_dim * math.log(2 * math.pi)
        return -0.5 * np.sum(scaled**2, axis=0) - log_det - constant

    def _posterior_sample(
        self, observation: np.ndarray, n: int, rng: np.random.Generator
    ) -> np.ndarray:
        factor = np.linalg.cholesky(self.posterior_covariance)
        noise = rng.standard_normal((n, self.theta_dim))
        return self.posterior_mean(observation[np.newaxis]) + noise @ factor.T


class TwoMoonsPosterior(Simulator):
    """The benchmark's two moons: the posterior is a pair of crescents.

    theta is uniform in [-1, 1]^2 and, with the rotated s = (theta_1 + theta_2) / sqrt 2
    and d = (theta_2 - theta_1) / sqrt 2,

      observation = (r cos a + 0.25 - |s|, r sin a + d),
      a uniform in [-pi/2, pi/2], r ~ N(0.1, 0.01^2).

    The likelihood of u = observation - (0.25 - |s|, d) is N(r; 0.1, 0.01^2) / (pi r)
    with r = ||u|| where u_1 >= 0. The evidence is the probability, over a and r, that
    s and d = observation_2 - r sin a belong to a theta of the prior: an integral of
    normal probabilities over a, computed at `angles` midpoints. (Radii below 0 have a
    probability of 1e-23 and are left out of account.)

    Source: Lueckmann et al., "Benchmarking Simulation-Based Inference", 2021,
    arXiv 2101.04653, appendix T.8.

    Args:
        name: name of the simulator.
        angles: number of midpoints.
    """

    theta_dim = observation_dim = 2
    radius, sd, offset = 0.1, 0.01, 0.25

    def __init__(self, name: str, angles: int = 2000) -> None:
        self.name = name
        midpoints = (np.arange(angles) + 0.5) / angles
        self._angles = math.pi * (midpoints - 0.5)

    def log_evidence(self, observation: np.ndarray) -> np.ndarray:
        """The log-density of observations [n, C] in nats, [n]; -inf: impossible."""
        observation = _checked("observation", observation, self.observation_dim)
        return np.array([self._log_evidence(*row) for row in observation])

    def _log_evidence(self, x_1: float, x_2: float) -> float:
        cos, sin = np.cos(self._angles), np.sin(self._angles)
        # |s| = 0.25 - x_1 + r cos a >= 0 and |s| +- d <= sqrt 2: each bounds r.
        gap = self.offset - x_1
        low = -gap / cos
        high = np.full_like(low, np.inf)
        for sign in (1.0, -1.0):
            slope, room = cos - sign * sin, math.sqrt(2) - gap - sign * x_2
            bound = room / slope
            high = np.where(slope > 0, np.minimum(high, bound), high)
            low = np.where(slope < 0, np.maximum(low, bound), low)
        probability = ndtr((high - self.radius) / self.sd)
        probability -= ndtr((low - self.radius) / self.sd)
        inside = np.mean(np.maximum(probability, 0.0))
        # Twice, for s of both signs, times the prior's density 1/4.
        return math.log(inside / 2) if inside > 0 else -math.inf

    def _prior(self, n: int, rng: np.random.Generator) -> np.ndarray:
        return rng.uniform(-1, 1, size=(n, 2))

    def _noise(self, n: int, rng: np.random.Generator) -> np.ndarray:
        angle = rng.uniform(-math.pi / 2, math.pi / 2, size=n)
        radius = self.radius + self.sd * rng.standard_normal(n)
        return radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)

    def _simulate(self, theta: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return self._noise(len(theta), rng) + self._centre(theta)

    def _centre(self, theta: np.ndarray) -> np.ndarray:
        s = (theta[:, 0] + theta[:, 1]) / math.sqrt(2)
        d = (theta[:, 1] - theta[:, 0]) / math.sqrt(2)
        return np.stack([self.offset - np.abs(s), d], axis=-1)

    def _posterior_log_prob(
        self, theta: np.ndarray, observation: np.ndarray
    ) -> np.ndarray:
        u = observation - self._centre(theta)
        r = np.maximum(np.linalg.norm(u, axis=-1), np.finfo(np.float64).tiny)
        scaled = (r - self.radius) / self.sd
        log_normal = -0.5 * scaled**2 - math.log(math.sqrt(2 * math.pi) * self.sd)
        log_joint = log_normal - np.log(4 * math.pi * r)
        possible = (u[:, 0] >= 0) & np.all(np.abs(theta) <= 1, axis=-1)
        log_joint = np.where(possible, log_joint, -np.inf)
        log_evidence = self.log_evidence(observation)
        return log_joint - np.where(np.isfinite(log_evidence), log_evidence, 0.0)

    def _posterior_sample(
        self, observation: np.ndarray, n: int, rng: np.random.Generator
    ) -> np.ndarray:
        if self._log_evidence(*observation) < math.log(1e-4):
            raise ValueError(
                f"expected an observation that {self.name!r} makes, got {observation}"
            )
        drawn = np.empty((0, 2))
        while len(drawn) < n:
            u = self._noise(4096, rng)
            s = self.offset - observation[0] + u[:, 0]
            d = observation[1] - u[:, 1]
            sign = rng.choice([-1.0, 1.0], size=len(s))
            theta = np.stack([sign * s - d, sign * s + d], axis=-1) / math.sqrt(2)
            possible = (s >= 0) & np.all(np.abs(theta) <= 1, axis=-1)
            drawn = np.concatenate([drawn, theta[possible]])
        return drawn[:n]


def _checked(name: str, value: Any, size: int) -> np.ndarray:
    value = np.asarray(value, np.float64)
    if value.ndim != 2 or value.shape[1] != size:
        raise ValueError(f"expected {name} of shape [n, {size}], got {value.shape}")
    if not np.isfinite(value).all():
        raise ValueError(f"expected {name} to be finite, got NaN or Inf")
    return value


linear_gaussian = LinearGaussian(
    "linear_gaussian",
    np.array([[1.0, 0.5, 0.0], [0.0, 1.0, -0.5], [0.5, 0.0, 1.0], [1.0, 1.0, 1.0]]),
    sd=0.5,
)
sbi_two_moons = TwoMoonsPosterior("sbi_two_moons")

SIMULATORS: dict[str, Simulator] = {
    simulator.name: simulator for simulator in (linear_gaussian, sbi_two_moons)
}
