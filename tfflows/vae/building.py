"""Builds the parts of a VAE and checks that they fit."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tfflows.bijectors import FlowStep
from tfflows.bijectors.composite import build_step
from tfflows.vae.likelihood import Likelihood


def check_networks(*networks: Any) -> None:
    """Raises ValueError unless these are Keras layers."""
    for network in networks:
        if not isinstance(network, keras.layers.Layer):
            raise ValueError(
                "expected an encoder and a decoder that are Keras layers, got "
                f"{network!r}"
            )


def build_encoder(
    encoder: keras.layers.Layer, heads: keras.layers.Layer, event: tuple[int, ...]
) -> None:
    """Builds the encoder, and the heads on its features.

    Raises:
      ValueError: If the encoder's features are no vectors.
    """
    features = tuple(encoder(keras.Input(event)).shape)
    if len(features) != 2:
        raise ValueError(
            f"expected an encoder that returns features (batch, F), got {features}"
        )
    heads.build(features)


def build_flows(
    posterior: FlowStep | None, prior: FlowStep | None, latent_dim: int
) -> None:
    """Builds the flows on latents.

    Raises:
      ValueError: If the steps have other events or the prior has no inverse.
    """
    for step in (posterior, prior):
        if step is None:
            continue
        build_step(step, (latent_dim,))
        if step.latent_event_shape != (latent_dim,):
            raise ValueError(
                f"expected steps between vectors of size {latent_dim}, got "
                f"{step.name} with latents of shape {step.latent_event_shape}"
            )
    if prior is not None and not prior.has_inverse:
        raise ValueError(
            f"expected a prior with an inverse, got {prior.name}, which has none"
        )


def start_flows(
    posterior: FlowStep | None, prior: FlowStep | None, z: tf.Tensor, features: Any
) -> None:
    """Runs the flows' data-dependent starts.

    Args:
      posterior: The step from z_0 to z, or None.
      prior: The step from N(0, I) to z, or None.
      z: Draws of z_0 `[B, latent_dim]`.
      features: The encoder's features `[B, F]`, the posterior's context.
    """
    if posterior is not None:
        z = posterior.initialize(z, features, direction="forward")
    if prior is not None:
        prior.initialize(z)


def build_decoder(
    decoder: keras.layers.Layer,
    likelihood: Likelihood,
    latent_dim: int,
    event: tuple[int, ...],
) -> None:
    """Builds the decoder.

    Raises:
      ValueError: If the decoder does not return the likelihood's parameters.
    """
    expected = (None, *event[:-1], likelihood.num_params * event[-1])
    got = tuple(decoder(keras.Input((latent_dim,))).shape)
    if got != expected:
        raise ValueError(
            f"expected a decoder from (batch, {latent_dim}) to the likelihood's "
            f"parameters {expected}, got {got}"
        )
