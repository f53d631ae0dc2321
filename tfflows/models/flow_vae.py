"""`FlowVAE`: a variational autoencoder with flows for its posterior and prior."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tfflows.backend.arguments import check_count, check_number, check_sizes
from tfflows.backend.autograph import without_autograph
from tfflows.bijectors import FlowStep
from tfflows.bijectors.composite import as_step
from tfflows.bijectors.shapes import as_float
from tfflows.bijectors.shapes import event_shape as event_shape_of
from tfflows.fitting.batch import Batch, first_batch
from tfflows.fitting.call_signature import input_spec
from tfflows.models.calls.inputs import check_rows
from tfflows.models.vae_densities import VAEDensities
from tfflows.models.vae_model import VAEModel
from tfflows.models.vae_objective import VAEObjective
from tfflows.vae.active_units import ActiveUnits
from tfflows.vae.building import (
    build_decoder,
    build_encoder,
    build_flows,
    check_networks,
    start_flows,
)
from tfflows.vae.gaussian import GaussianHeads
from tfflows.vae.likelihood import Likelihood
from tfflows.vae.likelihoods import as_likelihood

_PARTS = ("encoder", "decoder", "posterior", "prior", "likelihood")
_FIELDS = (
    "latent_dim",
    "event_shape",
    "warmup_steps",
    "free_nats",
    "evaluation_samples",
    "seed",
)


@keras.saving.register_keras_serializable("tfflows")
@without_autograph
class FlowVAE(VAEModel):
    """A VAE whose posterior and prior may be flows.

      z_0 ~ N(mean(x), diag(exp(log_variance(x)))),  z = posterior(z_0; features(x))
      log q(z|x) = log N(z_0) - log|det dz/dz_0|
      log p(z) = log N(prior^-1(z); 0, I) + log|det dprior^-1/dz|
      elbo(x) = E[log p(x|z)] - E[log q(z|x) - log p(z)]  <=  log p(x)

    All are in nats. The second expectation, the KL, is in closed form if neither side
    is a flow.

    Source: Kingma and Welling, "Auto-Encoding Variational Bayes", 2013, arXiv
    1312.6114; flows: Rezende and Mohamed, 2015, arXiv 1505.05770, equation 15; prior
    flows: Chen et al., "Variational Lossy Autoencoder", 2016, arXiv 1611.02731.

    Args:
      encoder: A Keras layer from data `[B, *event]` (levels scaled to [0, 1]) to
        features `[B, F]`. The model adds the heads for mean and log_variance.
      decoder: A Keras layer from z `[B, latent_dim]` to the likelihood's parameters
        `[B, *event[:-1], num_params * C]`; C is the size of the event's last axis.
      latent_dim: Size of z.
      posterior: A step or None. It runs forward, from z_0 to z, needs no inverse, and
        receives the encoder's features as its context.
      prior: A step with an inverse, or None. It runs forward, from N(0, I) to z.
      likelihood: A `Likelihood` or its name, see `as_likelihood`.
      event_shape: Shape of one event; None: taken from the batch to `initialize`.
      warmup_steps: Optimizer steps over which the KL's weight beta rises from 0 to 1.
      free_nats: KL of an example below which training does not reduce it.
      evaluation_samples: Samples of the IWAE bound in `evaluate`; 0: no bound.
      seed: Seed of the noise of `fit` and `evaluate`.
      name: Name of the model.
      **kwargs: Arguments of `keras.Model`.

    Raises:
      ValueError: If the parts do not fit each other.
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
        """Shape of reconstructions, with None for the batch axis."""
        return self.input_shape

    def build(self, input_shape: Any = None) -> None:
        """Builds all parts for data of shape `[batch, *event]`, once.

        Raises:
          ValueError: If the parts do not fit each other.
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
          ValueError: If the data are not valid, see `elbo`.
        """
        x = self._data(Batch.of(first_batch(batch)))
        if not x.shape[0]:
            raise ValueError(f"{self.name}.initialize: expected data, got none")
        features, base = self._densities.encoded(x)
        z = base.sample_rows(self._row_seeds(x, 0))
        start_flows(self.posterior, self.prior, z, features)

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
        check_rows(x, self.event_shape or (), "data", self.name)
        return self.likelihood.checked(x)

    def per_example(self, batch: Batch, training: bool) -> dict[str, tf.Tensor]:
        """Returns the loss, the terms of the bound, and posterior means.

        All are `[B]` in nats, but "active_units" is the means `[B, latent_dim]`.
        """
        x, index = self._data(batch), batch.index_or_position()
        objective = VAEObjective(self._densities, self.seed)
        if training:
            step, beta = self.noise_step(), self._beta(self.flow_dtype)
            return objective.training(x, index, step, beta, self.free_nats)
        return objective.evaluation(x, index, self.evaluation_samples)

    def _beta(self, dtype: tf.DType) -> tf.Tensor:
        if not self.warmup_steps:
            return tf.ones([], dtype)
        share = tf.cast(self.optimizer.iterations + 1, dtype) / self.warmup_steps
        return tf.minimum(share, 1.0)

    def call(self, inputs: Any, training: bool = False) -> tf.Tensor:
        """Returns `reconstruct(x)`.

        Args:
          inputs: x `[B, *event]`, or a batch as `fit` takes it.
          training: Not used.
        """
        return self.reconstruct(self._data(Batch.of(inputs)))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        parts = {name: getattr(self, name) for name in _PARTS}
        fields = {name: getattr(self, name) for name in _FIELDS}
        serialized = keras.saving.serialize_keras_object(parts)
        return {**super().get_config(), **serialized, **fields}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> FlowVAE:
        """Returns a new model with the same config."""
        parts = keras.saving.deserialize_keras_object(
            {name: config[name] for name in _PARTS}, custom_objects
        )
        return cls(**{**config, **parts})
