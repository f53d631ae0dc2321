"""The densities of a VAE, and the bounds that follow from them."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import tensorflow as tf

from tfflows.backend import random
from tfflows.bijectors import FlowStep
from tfflows.bijectors.shapes import sum_over_event
from tfflows.models.calls.sampling import checked_seeds, temperature_rows
from tfflows.models.density import Density
from tfflows.vae.gaussian import Gaussian
from tfflows.vae.importance import importance_bound
from tfflows.vae.likelihood import Likelihood

# Streams of noise for one seed: they must not meet.
_LATENT, _DATA = 0, 1


@dataclasses.dataclass(frozen=True)
class VAEDensities:
    """q(z | x), p(z) and p(x | z), from parts that belong to a `FlowVAE`.

    Row i of a result depends only on row i of data, latents and seeds.

    Args:
      encoder: From data to features `[B, F]`.
      heads: From features to mean and log-variance `[B, D]`.
      posterior: The step from z_0 to z, given the features, or None.
      prior: The step from N(0, I) to z, or None.
      decoder: From z to the likelihood's parameters.
      likelihood: The likelihood of data given its parameters.
      latent_dim: D.
      dtype: The dtype of latents and densities.
    """

    encoder: keras.layers.Layer
    heads: keras.layers.Layer
    posterior: FlowStep | None
    prior: FlowStep | None
    decoder: keras.layers.Layer
    likelihood: Likelihood
    latent_dim: int
    dtype: tf.DType

    def encoded(self, x: tf.Tensor) -> tuple[tf.Tensor, Gaussian]:
        """Returns features `[B, F]` of data, and the law of z_0."""
        features = self.encoder(self.likelihood.network_input(x))
        features = tf.cast(features, self.dtype)
        return features, Gaussian(*self.heads(features))

    def q(self, base: Gaussian) -> Density:
        """Returns the posterior, given the law of z_0; its c is the features of x."""
        return Density(base, self.posterior)

    @property
    def p(self) -> Density:
        """The prior of latents."""
        return Density(Gaussian.standard(self.latent_dim, self.dtype), self.prior)

    def params(self, z: tf.Tensor) -> tf.Tensor:
        """Returns the likelihood's parameters for latents `[B, D]`."""
        return tf.cast(self.decoder(z), self.dtype)

    def log_likelihood(self, x: tf.Tensor, z: tf.Tensor) -> tf.Tensor:
        """Returns log p(x | z) `[B]`, in nats."""
        return sum_over_event(self.likelihood.log_prob(x, self.params(z)))

    def terms(self, x: tf.Tensor, seeds: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns "elbo", "reconstruction" and "kl" of one draw, `[B]` in nats.

        Also returns the "mean" of z_0 `[B, D]`. The KL is exact if neither side is a
        flow.
        """
        features, base = self.encoded(x)
        z, log_q = self.q(base).draw(seeds, 1.0, features)
        if self._has_closed_kl:
            kl = base.kl_to_standard()
        else:
            kl = log_q - self.p.log_prob(z)
        reconstruction = self.log_likelihood(x, z)
        elbo = reconstruction - kl
        values = {"elbo": elbo, "reconstruction": reconstruction, "kl": kl}
        return {**values, "mean": base.mean}

    @property
    def _has_closed_kl(self) -> bool:
        # An empty chain is no flow.
        flows = [step for step in (self.posterior, self.prior) if step is not None]
        return not any(getattr(step, "steps", [step]) for step in flows)

    def iwae(
        self,
        x: tf.Tensor,
        seeds: tf.Tensor,
        num_samples: int,
        chunk_size: int | None = None,
    ) -> tf.Tensor:
        """Returns the importance-weighted bound `[B]` in nats, see `FlowVAE.iwae`."""
        features, base = self.encoded(x)

        def log_weights(
            seeds: tf.Tensor, x: tf.Tensor, features: tf.Tensor, *law: tf.Tensor
        ) -> tf.Tensor:
            z, log_q = self.q(Gaussian(*law)).draw(seeds, 1.0, features)
            return self.log_likelihood(x, z) + self.p.log_prob(z) - log_q

        rows = (x, features, base.mean, base.log_variance)
        return importance_bound(log_weights, rows, seeds, num_samples, chunk_size)

    def drawn_params(self, seeds: Any, temperature: Any) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the likelihood's parameters at draws of p(z), and seeds for x."""
        seeds = checked_seeds(seeds)
        number = random.number_of_rows(seeds)
        rows = temperature_rows(temperature, number, self.dtype)
        latent_seeds, data_seeds = [
            random.fold_in(seeds, tf.constant([stream])) for stream in (_LATENT, _DATA)
        ]
        z, _ = self.p.draw(latent_seeds, rows)
        return self.params(z), data_seeds
