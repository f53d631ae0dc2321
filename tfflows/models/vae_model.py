"""What a VAE gives its users: bounds, codes, reconstructions and draws."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfflows.backend import random
from tfflows.backend.arguments import check_count
from tfflows.backend.autograph import without_autograph
from tfflows.backend.random import Seeds
from tfflows.bijectors.shapes import as_float, at_least_single
from tfflows.fitting.train_step import LikelihoodModel
from tfflows.models.calls.arguments import (
    DATA,
    LATENTS,
    NUMBER,
    ONE,
    SEED,
    SEEDS,
    START,
    temperature_in,
)
from tfflows.models.calls.compiled_calls import compiled_call
from tfflows.models.calls.inputs import check_rows
from tfflows.models.calls.sampling import seeds_of_numbers
from tfflows.models.vae_densities import VAEDensities
from tfflows.vae.likelihood import Likelihood

_TEMPERATURE = temperature_in(lambda vae: vae.flow_dtype)


class NoLogProbError(AttributeError, ValueError):
    """An AttributeError, so that `hasattr` says no, and a ValueError like others."""


@without_autograph
class VAEModel(LikelihoodModel):
    """A model of data x with latents z.

    Subclasses set `event_shape`, `latent_dim` and `likelihood`, and implement
    `_densities` and `_checked`.
    """

    event_shape: tuple[int, ...] | None
    latent_dim: int
    likelihood: Likelihood

    @property
    def flow_dtype(self) -> tf.DType:
        """The dtype of latents and densities, whatever the networks' policy."""
        return at_least_single(self.variable_dtype)

    @property
    def levels(self) -> int | None:
        """Number of levels of integer data; None for continuous data."""
        return self.likelihood.levels

    @property
    def _densities(self) -> VAEDensities:
        raise NotImplementedError

    def _checked(self, x: Any) -> tf.Tensor:
        """Returns data `[B, *event]` as a tensor; raises ValueError if not valid."""
        raise NotImplementedError

    def _row_seeds(self, x: tf.Tensor, seed: Any, start: Any = 0) -> tf.Tensor:
        """Returns a seed for each row; rows are numbered from `start`."""
        numbers = start + tf.range(tf.shape(x)[0])
        return random.fold_in(random.as_seed(seed), numbers)

    def elbo(self, x: Any, beta: float = 1.0, seed: Any = None) -> tf.Tensor:
        """Returns E[log p(x|z)] - beta KL for each example, from one draw, in nats.

        Args:
          x: Data `[B, *event]`.
          beta: Weight of the KL.
          seed: None (fresh), an int, or int32 `[2]`.

        Returns:
          `[B]`.

        Raises:
          ValueError: If the shape is another one, or the likelihood does not allow a
            value.
        """
        terms = self._elbo_terms(x, seed, 0)
        return terms["reconstruction"] - beta * terms["kl"]

    @compiled_call(x=DATA, seed=SEED, start=START)
    def _elbo_terms(self, x: Any, seed: Any, start: Any) -> dict[str, tf.Tensor]:
        x = self._checked(x)
        terms = self._densities.terms(x, self._row_seeds(x, seed, start))
        return {name: terms[name] for name in ("reconstruction", "kl")}

    @compiled_call(x=DATA, seeds=SEEDS)
    def elbo_rows(self, x: Any, seeds: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns "elbo", "reconstruction" and "kl" `[B]`, row i with seed row i.

        Args:
          x: Data `[B, *event]`.
          seeds: int32 `[B, 2]`.
        """
        terms = self._densities.terms(self._checked(x), seeds)
        return {name: terms[name] for name in ("elbo", "reconstruction", "kl")}

    def iwae(
        self,
        x: Any,
        num_samples: int,
        seed: Any = None,
        chunk_size: int | None = None,
    ) -> tf.Tensor:
        """Returns the importance-weighted bound: ln 1/S sum_s p(x, z_s) / q(z_s|x).

        It rises with S from the ELBO (S = 1) to log p(x).

        Source: Burda, Grosse and Salakhutdinov, "Importance Weighted Autoencoders",
        2015, arXiv 1509.00519, equation 8.

        Args:
          x: Data `[B, *event]`.
          num_samples: S.
          seed: None (fresh), an int, or int32 `[2]`.
          chunk_size: Samples per example in memory at a time; None: 5,000 for the whole
            batch. The result does not depend on it.

        Returns:
          `[B]`, in nats.

        Raises:
          ValueError: If a number is below 1, or data are not valid, see `elbo`.
        """
        check_count("num_samples", num_samples)
        if chunk_size is not None:
            check_count("chunk_size", chunk_size)
        return self._iwae(x, num_samples, seed, 0, chunk_size)

    @compiled_call(x=DATA, num_samples=ONE, seed=SEED, start=START, chunk_size=ONE)
    def _iwae(
        self, x: Any, num_samples: Any, seed: Any, start: Any, chunk_size: Any
    ) -> tf.Tensor:
        x = self._checked(x)
        seeds = self._row_seeds(x, seed, start)
        return self._densities.iwae(x, seeds, num_samples, chunk_size)

    @property
    def log_prob(self) -> Any:
        """A VAE has none, because its density is an integral over latents.

        Raises:
          AttributeError: Always; its message names the bounds.
        """
        raise NoLogProbError(
            f"{self.name}: a FlowVAE has no log_prob, its density is an integral over "
            "latents; iwae(x, num_samples) is a lower bound that tends to it with the "
            "number of samples, elbo(x) that of one sample"
        )

    def encode(self, x: Any, seed: Any = None) -> tf.Tensor:
        """Draws from q(z|x), `[B, latent_dim]`; the arguments are those of `elbo`."""
        return self._encoded(x, seed, 0)

    @compiled_call(x=DATA, seed=SEED, start=START)
    def _encoded(self, x: Any, seed: Any, start: Any) -> tf.Tensor:
        x = self._checked(x)
        return self.encode_rows(x, self._row_seeds(x, seed, start))["z"]

    @compiled_call(x=DATA, seeds=SEEDS)
    def encode_rows(self, x: Any, seeds: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns a draw "z" of q(z|x), "mean" and "log_variance" of z_0, all `[B, D]`.

        Args:
          x: Data `[B, *event]`.
          seeds: int32 `[B, 2]`; row i of the draws depends only on row i.
        """
        features, base = self._densities.encoded(self._checked(x))
        z, _ = self._densities.q(base).draw(seeds, 1.0, features)
        return {"z": z, "mean": base.mean, "log_variance": base.log_variance}

    @compiled_call(z=LATENTS)
    def decode(self, z: Any) -> tf.Tensor:
        """Maps latents `[B, D]` to means of the likelihood `[B, *event]`, in raw units.

        Raises:
          ValueError: If the latents have another shape.
        """
        z = as_float(z, self.flow_dtype, self.name)
        check_rows(z, (self.latent_dim,), "latents", self.name)
        return self.likelihood.mean(self._densities.params(z))

    @compiled_call(x=DATA)
    def encode_mean(self, x: Any) -> tf.Tensor:
        """Returns the posterior flow's output for the mean of z_0, `[B, D]`."""
        features, base = self._densities.encoded(self._checked(x))
        return self._densities.q(base).data(base.mean, features)[0]

    @compiled_call(x=DATA)
    def reconstruct(self, x: Any) -> tf.Tensor:
        """Returns `decode(encode_mean(x))`, which is deterministic."""
        return self.decode(self.encode_mean(x))

    def sample(
        self, num_samples: int, seed: Any = None, temperature: Any = 1.0
    ) -> tf.Tensor:
        """Draws from p(x|z), with z from the prior.

        Args:
          num_samples: N.
          seed: None (fresh), an int, or int32 `[2]`. Sample i depends only on the seed
            and i.
          temperature: T >= 0; multiplies the normal draw that the prior transforms.

        Returns:
          `[N, *event]`, in raw data units.

        Raises:
          ValueError: If the number or temperature is negative, or the seed has another
            shape.
        """
        return self._draws(num_samples, 0, seed, temperature)

    @compiled_call(num_samples=NUMBER, start=START, seed=SEED, temperature=_TEMPERATURE)
    def _draws(
        self, num_samples: Any, start: Any, seed: Any, temperature: Any
    ) -> tf.Tensor:
        """Returns samples from number `start` on; see `sample`."""
        seeds = seeds_of_numbers(num_samples, start, seed)
        params, data_seeds = self._densities.drawn_params(seeds, temperature)
        return self.likelihood.sample(params, data_seeds)

    @compiled_call(seeds=SEEDS, temperature=_TEMPERATURE)
    def sample_rows(self, seeds: Seeds, temperature: Any) -> dict[str, tf.Tensor]:
        """Returns a draw "x", and the "mean" of its p(x|z), both `[N, *event]`.

        Args:
          seeds: int32 `[N, 2]`; row i of the draws depends only on row i.
          temperature: `[N]`, or one for all, see `sample`.
        """
        params, data_seeds = self._densities.drawn_params(seeds, temperature)
        return {
            "x": self.likelihood.sample(params, data_seeds),
            "mean": self.likelihood.mean(params),
        }
