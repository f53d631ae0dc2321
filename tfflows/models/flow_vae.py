"""`FlowVAE`: a variational autoencoder with flows for its posterior and prior."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tfflows.backend import random
from tfflows.backend.arguments import check_count, check_number, check_sizes
from tfflows.backend.autograph import without_autograph
from tfflows.bijectors import FlowStep
from tfflows.bijectors.composite import as_step
from tfflows.bijectors.shapes import as_float, at_least_single
from tfflows.bijectors.shapes import event_shape as event_shape_of
from tfflows.fitting.batch import Batch, first_batch
from tfflows.fitting.call_signature import input_spec
from tfflows.fitting.train_step import LikelihoodModel
from tfflows.models.compiled_calls import (
    DATA,
    LATENTS,
    NUMBER,
    ONE,
    SEED,
    SEEDS,
    START,
    compiled_call,
    temperature_in,
)
from tfflows.models.sampling import checked_number
from tfflows.models.vae_densities import VAEDensities
from tfflows.vae.active_units import ActiveUnits
from tfflows.vae.building import (
    build_decoder,
    build_encoder,
    build_flows,
    check_networks,
)
from tfflows.vae.gaussian import GaussianHeads
from tfflows.vae.likelihoods import Likelihood, as_likelihood

# Streams of noise for one seed: they must not meet.
_TRAINING, _EVALUATION, _IWAE = 0, 1, 2
_PARTS = ("encoder", "decoder", "posterior", "prior", "likelihood")
_FIELDS = (
    "latent_dim",
    "event_shape",
    "warmup_steps",
    "free_nats",
    "evaluation_samples",
    "seed",
)

_TEMPERATURE = temperature_in(lambda vae: vae.flow_dtype)


class NoLogProbError(AttributeError, ValueError):
    """An AttributeError, so that `hasattr` says no, and an error of use like others."""


@keras.saving.register_keras_serializable("tfflows")
@without_autograph
class FlowVAE(LikelihoodModel):
    """A VAE whose posterior and prior may be flows.

      z_0 ~ N(mean(x), diag(exp(log_variance(x)))),  z = posterior(z_0; features(x))
      log q(z|x) = log N(z_0) - log|det dz/dz_0|
      log p(z) = log N(prior^-1(z); 0, I) + log|det dprior^-1/dz|
      elbo(x) = E[log p(x|z)] - E[log q(z|x) - log p(z)]  <=  log p(x)

    in nats, with the second expectation, the KL, in closed form where neither side is
    a flow. Source: Kingma and Welling, "Auto-Encoding Variational Bayes", 2013, arXiv
    1312.6114; flows: Rezende and Mohamed, 2015, arXiv 1505.05770, equation 15; prior
    flows: Chen et al., "Variational Lossy Autoencoder", 2016, arXiv 1611.02731.

    Args:
      encoder: A Keras layer from data `[B, *event]` (levels scaled to [0, 1]) to
        features `[B, F]`; the model adds the heads for mean and log_variance.
      decoder: A Keras layer from z `[B, latent_dim]` to the likelihood's parameters
        `[B, *event[:-1], num_params * C]`, C the size of the event's last axis.
      latent_dim: Size of z.
      posterior: A step or None; it runs forward, from z_0 to z, needs no inverse, and
        gets the encoder's features as its context.
      prior: A step with an inverse or None; it runs forward from N(0, I) to z.
      likelihood: A `Likelihood` or its name, see `as_likelihood`.
      event_shape: Shape of one event; None: that of the batch to `initialize`.
      warmup_steps: In training, the KL's weight beta rises from 0 to 1 over so many
        steps of the optimizer.
      free_nats: In training, KL per example below which there is no loss.
      evaluation_samples: Samples of the IWAE bound in `evaluate`; 0: no bound.
      seed: Seed of the noise of `fit` and `evaluate`.
      name: Name of the model.
      **kwargs: Those of `keras.Model`.

    Raises:
      ValueError: For parts that do not fit each other.
    """

    metric_names: tuple[str, ...] = ("loss", "elbo", "reconstruction", "kl")

    def __init__(
        self,
        encoder: keras.layers.Layer,
        decoder: keras.layers.Layer,
        latent_dim: int,
        posterior: Any = None,
        prior: Any = None,
        *,
        likelihood: Likelihood | str = "bernoulli",
        event_shape: Sequence[int] | None = None,
        warmup_steps: int = 0,
        free_nats: float = 0.0,
        evaluation_samples: int = 0,
        seed: int = 0,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        check_networks(encoder, decoder)
        self.encoder, self.decoder = encoder, decoder
        self.latent_dim = check_count("latent_dim", latent_dim)
        self.posterior = None if posterior is None else as_step(posterior)
        self.prior = None if prior is None else as_step(prior)
        self.likelihood = as_likelihood(likelihood)
        if event_shape is not None:
            event_shape = check_sizes("event_shape", event_shape)
        self.event_shape = event_shape
        self._heads = GaussianHeads(self.latent_dim, dtype=self.dtype_policy)
        self.supports_jit = all(step.supports_jit for step in self._steps)
        self.warmup_steps = check_count("warmup_steps", warmup_steps, least=0)
        self.free_nats = check_number("free_nats", free_nats, least=0.0)
        self.evaluation_samples = check_count(
            "evaluation_samples", evaluation_samples, least=0
        )
        self.seed = check_count("seed", seed, least=0)
        if self.evaluation_samples:
            self.metric_names = (*self.metric_names, "iwae", "gap")
        self._create_trackers()
        self._trackers["active_units"] = ActiveUnits(self.latent_dim)
        if self.event_shape is not None:
            self.build((None, *self.event_shape))

    @property
    def _steps(self) -> list[FlowStep]:
        return [step for step in (self.posterior, self.prior) if step is not None]

    @property
    def _densities(self) -> VAEDensities:
        steps, networks = (self.posterior, self.prior), (self.encoder, self._heads)
        rest = (self.decoder, self.likelihood, self.latent_dim, self.flow_dtype)
        return VAEDensities(*networks, *steps, *rest)

    @property
    def flow_dtype(self) -> tf.DType:
        """The dtype of latents and densities, whatever the networks' policy."""
        return at_least_single(self.variable_dtype)

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
        build_encoder(self.encoder, self._heads, event)
        build_flows(self.posterior, self.prior, self.latent_dim)
        build_decoder(self.decoder, self.likelihood, self.latent_dim, event)
        self.built = True

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
        features, base = self._densities.encoded(x)
        z = base.sample_rows(self._row_seeds(x, 0))
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

    def _row_seeds(self, x: tf.Tensor, seed: Any, start: Any = 0) -> tf.Tensor:
        """A seed for each row, of which the first has the number `start`."""
        numbers = start + tf.range(tf.shape(x)[0])
        return random.fold_in(random.as_seed(seed), numbers)

    def per_example(self, batch: Batch, training: bool) -> dict[str, tf.Tensor]:
        """The loss and the terms of the bound `[B]` in nats; posterior means."""
        x, index = self._data(batch), batch.index_or_position()
        stream, step = (_TRAINING, self.noise_step()) if training else (_EVALUATION, 0)
        seeds = random.noise_seeds(self.seed, stream, step, index)
        terms = self._densities.terms(x, seeds)
        values = {"loss": -terms["elbo"], **terms}
        values["active_units"] = values.pop("mean")
        kl = terms["kl"]
        if training:
            charged = self._beta(kl.dtype) * tf.maximum(kl, self.free_nats)
            values["loss"] = charged - terms["reconstruction"]
        elif self.evaluation_samples:
            seeds = random.noise_seeds(self.seed, _IWAE, 0, index)
            values["iwae"] = self._densities.iwae(x, seeds, self.evaluation_samples)
            values["gap"] = values["iwae"] - terms["elbo"]
        return values

    def _beta(self, dtype: tf.DType) -> tf.Tensor:
        if not self.warmup_steps:
            return tf.ones([], dtype)
        share = tf.cast(self.optimizer.iterations + 1, dtype) / self.warmup_steps
        return tf.minimum(share, 1.0)

    def elbo(self, x: Any, beta: float = 1.0, seed: Any = None) -> tf.Tensor:
        """One draw of E[log p(x|z)] - beta KL for each example, in nats.

        Args:
          x: Data `[B, *event]`.
          beta: Weight of the KL.
          seed: None (fresh), an int, or int32 `[2]`.

        Returns:
          `[B]`.

        Raises:
          ValueError: For another shape, or values that the likelihood does not allow.
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
        """The terms "elbo", "reconstruction" and "kl" `[B]`, row i from seed row i.

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
        """The importance-weighted bound: ln 1/S sum_s p(x, z_s) / q(z_s|x).

        It rises with S from the ELBO (S = 1) to log p(x).

        Source: Burda, Grosse and Salakhutdinov, "Importance Weighted Autoencoders",
        2015, arXiv 1509.00519, equation 8.

        Args:
          x: Data `[B, *event]`.
          num_samples: S.
          seed: None (fresh), an int, or int32 `[2]`.
          chunk_size: Samples per example that are held in memory at a time; None: as
            many as make 5,000 rows of the batch. The result does not depend on it.

        Returns:
          `[B]`, in nats.

        Raises:
          ValueError: For a number below 1, or data as in `elbo`.
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
        """Not there: the density of a VAE is an integral over its latents.

        Raises:
          AttributeError: Always; it names the bounds.
        """
        raise NoLogProbError(
            f"{self.name}: a FlowVAE has no log_prob, its density is an integral over "
            "latents; iwae(x, num_samples) is a lower bound that tends to it with the "
            "number of samples, elbo(x) that of one sample"
        )

    def encode(self, x: Any, seed: Any = None) -> tf.Tensor:
        """A draw of q(z|x), `[B, latent_dim]`; arguments as in `elbo`."""
        return self._encoded(x, seed, 0)

    @compiled_call(x=DATA, seed=SEED, start=START)
    def _encoded(self, x: Any, seed: Any, start: Any) -> tf.Tensor:
        x = self._checked(x)
        return self.encode_rows(x, self._row_seeds(x, seed, start))["z"]

    @compiled_call(x=DATA, seeds=SEEDS)
    def encode_rows(self, x: Any, seeds: tf.Tensor) -> dict[str, tf.Tensor]:
        """A draw "z" of q(z|x); "mean" and "log_variance" of z_0; all `[B, D]`.

        Args:
          x: Data `[B, *event]`.
          seeds: int32 `[B, 2]`: row i of the draws depends on row i alone.
        """
        features, base = self._densities.encoded(self._checked(x))
        z, _ = self._densities.q(base).draw(seeds, 1.0, features)
        return {"z": z, "mean": base.mean, "log_variance": base.log_variance}

    @compiled_call(z=LATENTS)
    def decode(self, z: Any) -> tf.Tensor:
        """The likelihood's mean `[B, *event]` for latents `[B, D]`, raw data units.

        Raises:
          ValueError: For latents of another shape.
        """
        z = as_float(z, self.flow_dtype, self.name)
        if not z.shape.is_compatible_with((None, self.latent_dim)):
            raise ValueError(
                f"{self.name}: expected latents of shape (batch, {self.latent_dim}), "
                f"got {tuple(z.shape)}"
            )
        return self.likelihood.mean(self._densities.params(z))

    @compiled_call(x=DATA)
    def encode_mean(self, x: Any) -> tf.Tensor:
        """What the posterior flow makes of the mean of z_0, `[B, latent_dim]`."""
        features, base = self._densities.encoded(self._checked(x))
        return self._densities.q(base).data(base.mean, features)[0]

    @compiled_call(x=DATA)
    def reconstruct(self, x: Any) -> tf.Tensor:
        """`decode` at `encode_mean`: deterministic."""
        return self.decode(self.encode_mean(x))

    def call(self, inputs: Any, training: bool = False) -> tf.Tensor:
        """`reconstruct`.

        Args:
          inputs: x `[B, *event]`, or a batch as `fit` takes it.
          training: Not used.
        """
        return self.reconstruct(self._data(Batch.of(inputs)))

    def sample(
        self, num_samples: int, seed: Any = None, temperature: Any = 1.0
    ) -> tf.Tensor:
        """Draws of p(x|z), z from the prior.

        Args:
          num_samples: N.
          seed: None (fresh), an int, or int32 `[2]`. Sample i depends on the seed and
            i alone.
          temperature: T >= 0; multiplies the normal draw that the prior transforms.

        Returns:
          `[N, *event]`, in raw data units.

        Raises:
          ValueError: For a negative number or temperature, or a seed of another shape.
        """
        return self._draws(num_samples, 0, seed, temperature)

    @compiled_call(num_samples=NUMBER, start=START, seed=SEED, temperature=_TEMPERATURE)
    def _draws(
        self, num_samples: Any, start: Any, seed: Any, temperature: Any
    ) -> tf.Tensor:
        """Of the samples from number `start` on; see `sample`."""
        numbers = start + tf.range(checked_number(num_samples))
        seeds = random.fold_in(random.as_seed(seed), numbers)
        params, data_seeds = self._densities.drawn_params(seeds, temperature)
        return self.likelihood.sample(params, data_seeds)

    @compiled_call(seeds=SEEDS, temperature=_TEMPERATURE)
    def sample_rows(self, seeds: tf.Tensor, temperature: Any) -> dict[str, tf.Tensor]:
        """A draw "x" of the model, and the "mean" of its p(x|z), both `[N, *event]`.

        Args:
          seeds: int32 `[N, 2]`: row i of the draws depends on row i alone.
          temperature: `[N]` or one for all, as in `sample`.
        """
        params, data_seeds = self._densities.drawn_params(seeds, temperature)
        return {
            "x": self.likelihood.sample(params, data_seeds),
            "mean": self.likelihood.mean(params),
        }

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        parts = {name: getattr(self, name) for name in _PARTS}
        fields = {name: getattr(self, name) for name in _FIELDS}
        serialized = keras.saving.serialize_keras_object(parts)
        return {**super().get_config(), **serialized, **fields}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> FlowVAE:
        """A fresh model of equal config."""
        parts = keras.saving.deserialize_keras_object(
            {name: config[name] for name in _PARTS}, custom_objects
        )
        return cls(**{**config, **parts})
