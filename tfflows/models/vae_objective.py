"""The loss of a VAE and the terms that `fit` and `evaluate` report."""

from __future__ import annotations

import dataclasses

import tensorflow as tf

from tfflows.backend import random
from tfflows.models.vae_densities import VAEDensities

# Streams of noise for one seed: they must not meet.
_TRAINING, _EVALUATION, _IWAE = 0, 1, 2


@dataclasses.dataclass(frozen=True)
class VAEObjective:
    """Values `[B]` in nats for a batch, and posterior means as "active_units".

    Args:
      densities: Those of the model.
      seed: Seed of all noise.
    """

    densities: VAEDensities
    seed: int

    def training(
        self,
        x: tf.Tensor,
        index: tf.Tensor,
        step: tf.Tensor,
        beta: tf.Tensor,
        free_nats: float,
    ) -> dict[str, tf.Tensor]:
        """Returns the values for a training step.

        Args:
          x: Data `[B, *event]`.
          index: The examples' numbers `[B]`, which key the noise.
          step: Number of the training step, which keys it too.
          beta: Weight of the KL in the loss.
          free_nats: KL of an example below which the loss does not fall.
        """
        values = self._values(x, random.noise_seeds(self.seed, _TRAINING, step, index))
        charged = beta * tf.maximum(values["kl"], free_nats)
        return {**values, "loss": charged - values["reconstruction"]}

    def evaluation(
        self, x: tf.Tensor, index: tf.Tensor, num_samples: int
    ) -> dict[str, tf.Tensor]:
        """Returns the values without weights on the KL.

        Args:
          x: Data `[B, *event]`.
          index: The examples' numbers `[B]`, which key the noise.
          num_samples: Samples of the bound "iwae", which comes with its "gap" to the
            ELBO; 0: neither.
        """
        values = self._values(x, random.noise_seeds(self.seed, _EVALUATION, 0, index))
        if not num_samples:
            return values
        seeds = random.noise_seeds(self.seed, _IWAE, 0, index)
        iwae = self.densities.iwae(x, seeds, num_samples)
        return {**values, "iwae": iwae, "gap": iwae - values["elbo"]}

    def _values(self, x: tf.Tensor, seeds: tf.Tensor) -> dict[str, tf.Tensor]:
        terms = self.densities.terms(x, seeds)
        means = terms.pop("mean")
        return {"loss": -terms["elbo"], **terms, "active_units": means}
