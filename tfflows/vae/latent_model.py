"""The joint model of data and latents that a VAE trains: its parts and densities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tfflows.backend import random
from tfflows.backend.arguments import check_count, check_sizes
from tfflows.backend.autograph import without_autograph
from tfflows.bijectors import FlowStep
from tfflows.bijectors.composite import as_step, build_step
from tfflows.bijectors.shapes import as_float, at_least_single, sum_over_event
from tfflows.bijectors.shapes import event_shape as event_shape_of
from tfflows.fitting.batch import Batch, first_batch
from tfflows.fitting.call_signature import input_spec
from tfflows.fitting.train_step import LikelihoodModel
from tfflows.vae.gaussian import (
    GaussianHeads,
    draw_gaussian,
    gaussian_kl,
    gaussian_log_prob,
)
from tfflows.vae.importance import streamed_log_mean_exp
from tfflows.vae.likelihoods import Likelihood, as_likelihood

# Latents that the IWAE bound decodes at a time: what fits in memory for images.
_IWAE_ROWS = 5000


@without_autograph
class LatentModel(LikelihoodModel):
    """Encoder, posterior flow, prior flow and decoder, and what follows from them.

    The arguments are those of `FlowVAE`.
    """

    def __init__(
        self,
        encoder: keras.layers.Layer,
        decoder: keras.layers.Layer,
        latent_dim: int,
        posterior: Any,
        prior: Any,
        likelihood: Likelihood | str,
        event_shape: Sequence[int] | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_count("latent_dim", latent_dim)
        for part in (encoder, decoder):
            if not isinstance(part, keras.layers.Layer):
                raise ValueError(
                    "expected an encoder and a decoder that are Keras layers, got "
                    f"{part!r}"
                )
        self.encoder, self.decoder = encoder, decoder
        self.latent_dim = int(latent_dim)
        self.posterior = None if posterior is None else as_step(posterior)
        self.prior = None if prior is None else as_step(prior)
        self.likelihood = as_likelihood(likelihood)
        if event_shape is not None:
            event_shape = check_sizes("event_shape", event_shape)
        self.event_shape = event_shape
        self._heads = GaussianHeads(self.latent_dim, dtype=self.dtype_policy)
        self.supports_jit = all(step.supports_jit for step in self._steps)

    @property
    def _steps(self) -> list[FlowStep]:
        return [step for step in (self.posterior, self.prior) if step is not None]

    @property
    def levels(self) -> int | None:
        """Number of levels of integer data; None for continuous data."""
        return self.likelihood.levels

    @property
    def is_initialized(self) -> bool:
        """Whether the model is built and each data-dependent start has taken place."""
        return self.built and all(step.is_initialized for step in self._steps)

    @property
    def call_signature(self) -> Any:
        """The spec of a call's input: data.

        Raises:
          ValueError: Before the model is built.
        """
        if self.event_shape is None:
            raise ValueError(
                f"{self.name}: expected a built model; give event_shape=, or call "
                f"{self.name}.initialize(batch) first"
            )
        return input_spec("x", self.event_shape, self.flow_dtype)

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        """Shape of reconstructions, batch axis None."""
        return self.input_shape

    def build(self, input_shape: Any = None) -> None:
        """Builds all parts for data of shape `[batch, *event]`, once.

        Raises:
          ValueError: For parts that do not fit each other.
        """
        if self.built:
            super().build(input_shape)
            return
        event = event_shape_of(tuple(input_shape), None, self.name)
        self.event_shape = event
        features = tuple(self.encoder(keras.Input(event)).shape)
        if len(features) != 2:
            raise ValueError(
                f"expected an encoder that returns features (batch, F), got {features}"
            )
        self._heads.build(features)
        self._build_steps()
        self._build_decoder(event)
        self.built = True

    def _build_steps(self) -> None:
        for step in self._steps:
            build_step(step, (self.latent_dim,))
            if step.latent_event_shape != (self.latent_dim,):
                raise ValueError(
                    f"expected steps between vectors of size {self.latent_dim}, got "
                    f"{step.name} with latents of shape {step.latent_event_shape}"
                )
        if self.prior is not None and not self.prior.has_inverse:
            raise ValueError(
                f"expected a prior with an inverse, got {self.prior.name}, which has "
                "none"
            )

    def _build_decoder(self, event: tuple[int, ...]) -> None:
        channels = self.likelihood.num_params * event[-1]
        expected = (None, *event[:-1], channels)
        got = tuple(self.decoder(keras.Input((self.latent_dim,))).shape)
        if got != expected:
            raise ValueError(
                f"expected a decoder from (batch, {self.latent_dim}) to the "
                f"likelihood's parameters {expected}, got {got}"
            )

    def initialize(self, batch: Any) -> None:
        """Builds the model and runs each data-dependent start, in eager mode, once.

        Args:
          batch: x `[B, *event]`, a batch as `fit` takes it, or a `tf.data.Dataset` of
            batches, of which it takes the first.

        Raises:
          ValueError: For data that break the model's rules.
        """
        x = self._data(Batch.of(first_batch(batch)))
        if not x.shape[0]:
            raise ValueError(f"{self.name}.initialize: expected data, got none")
        features, mean, log_variance = self._encoded(x)
        z = draw_gaussian(mean, log_variance, self._row_seeds(x, 0))
        if self.posterior is not None:
            z = self.posterior.initialize(z, features, direction="forward")
        if self.prior is not None:
            self.prior.initialize(z)

    def _data(self, batch: Batch) -> tf.Tensor:
        if batch.context is not None:
            raise ValueError(
                f"{self.name}: expected batches without a context: a VAE takes none"
            )
        return self._checked(batch.x)

    def _checked(self, x: Any) -> tf.Tensor:
        x = as_float(x, self.flow_dtype, self.name)
        if not self.built:
            self.build((None, *x.shape[1:]))
        expected = ("batch", *(self.event_shape or ()))
        if not x.shape.is_compatible_with((None, *expected[1:])):
            raise ValueError(
                f"{self.name}: expected data of shape ({', '.join(map(str, expected))})"
                f", got {tuple(x.shape)}"
            )
        return self.likelihood.checked(x)

    @property
    def flow_dtype(self) -> tf.DType:
        """The dtype of latents and densities, whatever the networks' policy."""
        return at_least_single(self.variable_dtype)

    def _encoded(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Features `[B, F]`, and the mean and log_variance `[B, D]` of z_0."""
        features = self.encoder(self.likelihood.network_input(x))
        features = tf.cast(features, self.flow_dtype)
        return features, *self._heads(features)

    def _row_seeds(self, x: tf.Tensor, seed: Any) -> tf.Tensor:
        return random.fold_in(random.as_seed(seed), tf.range(tf.shape(x)[0]))

    def _params(self, z: tf.Tensor) -> tf.Tensor:
        return tf.cast(self.decoder(z), self.flow_dtype)

    def _log_likelihood(self, x: tf.Tensor, z: tf.Tensor) -> tf.Tensor:
        return sum_over_event(self.likelihood.log_prob(x, self._params(z)))

    def _posterior_draw(
        self,
        features: tf.Tensor,
        mean: tf.Tensor,
        log_variance: tf.Tensor,
        seeds: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Z `[B, D]` and log q(z|x) `[B]`."""
        z = draw_gaussian(mean, log_variance, seeds)
        log_q = gaussian_log_prob(z, mean, log_variance)
        if self.posterior is None:
            return z, log_q
        z, log_det = self.posterior._from_latents(z, features)
        return z, log_q - log_det

    def _log_prior(self, z: tf.Tensor) -> tf.Tensor:
        if self.prior is None:
            return gaussian_log_prob(z)
        z, log_det = self.prior.inverse_and_log_det(z)
        return gaussian_log_prob(z) + log_det

    @property
    def _has_closed_kl(self) -> bool:
        # An empty chain is no flow.
        return not any(getattr(step, "steps", [step]) for step in self._steps)

    def _terms(self, x: tf.Tensor, seeds: tf.Tensor) -> dict[str, tf.Tensor]:
        """One draw's "reconstruction" and "kl" `[B]`; the "mean" of z_0 `[B, D]`."""
        features, mean, log_variance = self._encoded(x)
        z, log_q = self._posterior_draw(features, mean, log_variance, seeds)
        if self._has_closed_kl:
            kl = gaussian_kl(mean, log_variance)
        else:
            kl = log_q - self._log_prior(z)
        return {"reconstruction": self._log_likelihood(x, z), "kl": kl, "mean": mean}

    def _iwae(
        self,
        x: tf.Tensor,
        seeds: tf.Tensor,
        num_samples: int,
        chunk_size: int | None = None,
    ) -> tf.Tensor:
        encoded, batch_size = self._encoded(x), tf.shape(x)[0]
        if chunk_size is None:
            chunk_size = tf.maximum(_IWAE_ROWS // tf.maximum(batch_size, 1), 1)
        chunk_size = tf.minimum(chunk_size, num_samples)

        def log_weights(numbers: tf.Tensor) -> tf.Tensor:
            x_rows, seed_rows, features, mean, log_variance = [
                tf.repeat(tensor, chunk_size, axis=0) for tensor in (x, seeds, *encoded)
            ]
            sample_seeds = random.fold_in(seed_rows, tf.tile(numbers, [batch_size]))
            z, log_q = self._posterior_draw(features, mean, log_variance, sample_seeds)
            weights = self._log_likelihood(x_rows, z) + self._log_prior(z) - log_q
            return tf.reshape(weights, [batch_size, chunk_size])

        return streamed_log_mean_exp(
            log_weights, num_samples, chunk_size, batch_size, x.dtype
        )
