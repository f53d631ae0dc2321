"""A density by change of variables, from its parts."""

from __future__ import annotations

import dataclasses
from typing import Any

import tensorflow as tf

from tfflows.backend import domains
from tfflows.bijectors import FlowStep
from tfflows.models.contexts.conditioning import Conditioning


@dataclasses.dataclass(frozen=True)
class Density:
    """The density of y = f(z; c), with z from a base, in nats.

      log p(y | c) = log p(z | c) + log|det dz/dy|  with z = f^-1(y; c)

    A plain object, made where it is used: its parts are layers that belong to a model,
    which saves them under its own names. What `conditioning` makes of a context comes
    in as c, by `embedded`.

    Args:
      base: What has `log_prob(z, c)` and `sample_rows(seeds, temperature, c)`, as
        `distributions.Base` and `vae.gaussian.Gaussian`.
      transform: The built step f, from latents to data; None: the identity.
      conditioning: Checks and embeds contexts; None: c is made elsewhere.
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
        """The c of each event of a value; see `Conditioning.rows`."""
        if self.conditioning is None:
            return context
        return self.conditioning.rows(context, value, event_ndims, name)

    def log_prob(self, y: tf.Tensor, c: tf.Tensor | None = None) -> tf.Tensor:
        """Log-densities `[...]` of `[..., *event]`; -inf outside of the support."""
        return self.latents(y, c)[1]

    def latents(
        self, y: tf.Tensor, c: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Latents z `[..., *latent]` of data `[..., *event]`, and log p(y | c)."""
        if self.transform is None:
            return y, self.base.log_prob(y, c)
        z, log_det = self.transform.inverse_and_log_det(y, c)
        log_prob = self._of_base(z, c, log_det) + log_det
        return z, domains.zero_outside(self.transform, log_prob, log_det)

    def data(
        self, z: tf.Tensor, c: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Data y `[..., *event]` of latents `[..., *latent]`, and log p(y | c)."""
        if self.transform is None:
            return z, self.base.log_prob(z, c)
        y, log_det = self.transform._from_latents(z, c)
        return y, self._of_base(z, c, log_det) - log_det

    def draw(
        self, seeds: tf.Tensor, temperature: Any, c: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """One y `[N, *event]` for each seed row `[N, 2]`, and log p(y | c) `[N]`.

        Args:
          seeds: int32 `[N, 2]`.
          temperature: Multiplies the deviation of z from its location, `[N]` or one;
            the density is that of temperature 1.
          c: None, or `[N, ...]`.
        """
        rows = self.base.sample_rows(seeds, temperature, c)
        return self.data(self.as_latents(rows), c)

    def as_latents(self, z: tf.Tensor) -> tf.Tensor:
        """Flat latents `[..., D]` in the shape that the transform takes."""
        if self.transform is None:
            return z
        latent = self.transform.latent_event_shape
        return tf.reshape(z, tf.concat([tf.shape(z)[:-1], latent], axis=0))

    def _of_base(self, z: tf.Tensor, c: Any, log_det: tf.Tensor) -> tf.Tensor:
        return tf.reshape(self.base.log_prob(z, c), tf.shape(log_det))
