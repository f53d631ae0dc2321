"""A density by change of variables, from its parts."""

from __future__ import annotations

import dataclasses
from typing import Any

import tensorflow as tf

from tfflows.backend import domains
from tfflows.backend.random import Seeds
from tfflows.bijectors import FlowStep
from tfflows.models.contexts.conditioning import Conditioning


@dataclasses.dataclass(frozen=True)
class Density:
    """The density of y = f(z; c), with z from a base, in nats.

      log p(y | c) = log p(z | c) + log|det dz/dy|  with z = f^-1(y; c)

    It is a plain object, created on each use. Its parts are layers of a model, which
    saves them under its own names. `embedded` turns a context into c.

    Args:
      base: An object with `log_prob(z, c)` and `sample_rows(seeds, temperature, c)`,
        such as `distributions.Base` and `vae.gaussian.Gaussian`.
      transform: The built step f, from latents to data; None: the identity.
      conditioning: Checks and embeds contexts; None: contexts are embedded elsewhere.
    """

    base: Any
    transform: FlowStep | None
    conditioning: Conditioning | None = None

    @property
    def has_bounded_support(self) -> bool:
        """Whether the density may be 0 somewhere."""
        onto = self.transform is None or self.transform.onto
        return not onto or self.base.has_bounded_support

    def embedded(
        self, context: Any, value: tf.Tensor, event_ndims: int, name: str
    ) -> tf.Tensor | None:
        """Returns c for each event of a value; see `Conditioning.rows`."""
        if self.conditioning is None:
            return context
        return self.conditioning.rows(context, value, event_ndims, name)

    def log_prob(self, y: tf.Tensor, c: tf.Tensor | None = None) -> tf.Tensor:
        """Returns log p(y | c) `[...]` of `[..., *event]`, -inf outside the support."""
        return self.latents(y, c)[1]

    def latents(
        self, y: tf.Tensor, c: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Maps data `[..., *event]` to latents `[..., *latent]`; also log p(y | c)."""
        if self.transform is None:
            return y, self.base.log_prob(y, c)
        z, log_det = self.transform.inverse_and_log_det(y, c)
        log_prob = self._of_base(z, c, log_det) + log_det
        return z, domains.zero_outside(self.transform, log_prob, log_det)

    def data(
        self, z: tf.Tensor, c: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Maps latents `[..., *latent]` to data `[..., *event]`; also log p(y | c)."""
        if self.transform is None:
            return z, self.base.log_prob(z, c)
        y, log_det = self.transform._from_latents(z, c)
        return y, self._of_base(z, c, log_det) - log_det

    def draw(
        self, seeds: Seeds, temperature: Any, c: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Draws one y `[N, *event]` for each seed row; also log p(y | c) `[N]`.

        Args:
          seeds: int32 `[N, 2]`, or `RowsOfSeed`.
          temperature: One or `[N]`; multiplies the deviation of z from its location.
            The density is that at temperature 1.
          c: None, or `[N, ...]`.
        """
        rows = self.base.sample_rows(seeds, temperature, c)
        return self.data(self.as_latents(rows), c)

    def as_latents(self, z: tf.Tensor) -> tf.Tensor:
        """Reshapes flat latents `[..., D]` for the transform."""
        if self.transform is None:
            return z
        latent = self.transform.latent_event_shape
        return tf.reshape(z, tf.concat([tf.shape(z)[:-1], latent], axis=0))

    def _of_base(self, z: tf.Tensor, c: Any, log_det: tf.Tensor) -> tf.Tensor:
        return tf.reshape(self.base.log_prob(z, c), tf.shape(log_det))
