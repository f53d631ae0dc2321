"""Toy densities of angles in [-pi, pi), with exact densities, in two dimensions."""

from __future__ import annotations

import abc
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import i0e, logsumexp

from tfflows.data.toy import Toy


def von_mises_log_prob(angle: np.ndarray, mean: float, kappa: float) -> np.ndarray:
    """Returns kappa cos(angle - mean) - ln(2 pi I_0(kappa)), in nats."""
    # i0e is I_0 times e^-kappa.
    return kappa * (np.cos(angle - mean) - 1.0) - math.log(2.0 * math.pi * i0e(kappa))


class CircularToy(Toy):
    """A density of points whose first coordinates are angles.

    Attributes:
      circular: Which coordinates are angles.
    """

    circular: tuple[bool, bool]

    def _log_prob(self, x: np.ndarray) -> np.ndarray:
        # Angles are rounded to float32, whose pi is above pi.
        inside = np.abs(x) <= np.float32(np.pi)
        inside = np.all(inside | ~np.array(self.circular), axis=-1)
        return np.where(inside, self._log_density(x), -np.inf)

    @abc.abstractmethod
    def _log_density(self, x: np.ndarray) -> np.ndarray:
        """Log-densities [n] of points [n, 2], periodic in angles."""


class Component(NamedTuple):
    """Angles a ~ von Mises(means[0], kappas[0]) and b = turns a + von Mises.

    Attributes:
      means: Mean directions.
      kappas: Concentrations; 0: uniform.
      turns: How often b turns around while a does.
    """

    means: tuple[float, float]
    kappas: tuple[float, float]
    turns: int = 0


class VonMisesMixture(CircularToy):
    """Equally weighted components of two angles, see `Component`.

    p(a, b) = mean_k vM(a; means[0], kappas[0]) vM(b - turns a; means[1], kappas[1])

    Args:
      name: Name of the density.
      components: The components.
    """

    circular = (True, True)

    def __init__(self, name: str, components: Sequence[Component]) -> None:
        super().__init__(name)
        self.components = list(components)

    def _sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        number = rng.integers(len(self.components), size=n)
        means, kappas = [
            np.array([getattr(one, key) for one in self.components])[number]
            for key in ("means", "kappas")
        ]
        angles = rng.vonmises(means, kappas)
        turns = np.array([one.turns for one in self.components])[number]
        angles[:, 1] += turns * angles[:, 0]
        return (angles + np.pi) % (2.0 * np.pi) - np.pi

    def _log_density(self, x: np.ndarray) -> np.ndarray:
        a, b = x.T
        each = [
            von_mises_log_prob(a, one.means[0], one.kappas[0])
            + von_mises_log_prob(b - one.turns * a, one.means[1], one.kappas[1])
            for one in self.components
        ]
        return logsumexp(each, axis=0) - math.log(len(each))


class Cylinder(CircularToy):
    """An angle a and a real number r: points on a cylinder.

    a is from a mixture of two von Mises distributions, one of them around the seam, and
    r ~ N(1.5 sin(2 a), (0.3 + 0.15 cos a)^2).
    """

    circular = (True, False)
    means, kappas = (math.pi, 0.5), (2.0, 5.0)

    def _sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        number = rng.integers(2, size=n)
        a = rng.vonmises(np.array(self.means)[number], np.array(self.kappas)[number])
        a = (a + np.pi) % (2.0 * np.pi) - np.pi
        mean, sd = self._moments(a)
        return np.stack([a, mean + sd * rng.standard_normal(n)], axis=-1)

    @staticmethod
    def _moments(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return 1.5 * np.sin(2.0 * a), 0.3 + 0.15 * np.cos(a)

    def _log_density(self, x: np.ndarray) -> np.ndarray:
        a, r = x.T
        pairs = zip(self.means, self.kappas, strict=True)
        each = [von_mises_log_prob(a, mean, kappa) for mean, kappa in pairs]
        mean, sd = self._moments(a)
        normal = -0.5 * ((r - mean) / sd) ** 2 - np.log(sd)
        log_normalizer = math.log(2.0) + 0.5 * math.log(2.0 * math.pi)
        return logsumexp(each, axis=0) + normal - log_normalizer


von_mises = VonMisesMixture(
    "von_mises",
    [
        Component((math.pi, math.pi), (4.0, 4.0)),  # around both seams
        Component((0.0, math.pi), (8.0, 3.0)),
        Component((-1.5, 0.5), (6.0, 6.0)),
        Component((1.5, -1.0), (3.0, 10.0)),
        Component((0.0, 0.0), (0.0, 10.0), turns=1),  # a band around the torus
    ],
)
cylinder = Cylinder("cylinder")

CIRCULAR: dict[str, CircularToy] = {toy.name: toy for toy in (von_mises, cylinder)}
