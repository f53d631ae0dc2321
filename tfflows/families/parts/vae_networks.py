"""Encoder and decoder pairs of the VAE families."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras

from tfflows.networks import MLP, GatedConv

Pair = tuple[keras.layers.Layer, keras.layers.Layer]


def dense_pair(
    event_shape: tuple[int, ...],
    channels: int,
    hidden_units: Sequence[int],
) -> Pair:
    """Returns MLPs on flat events; the decoder reverses the encoder's widths.

    Args:
      event_shape: Shape of one event.
      channels: Size of the last axis of the decoder's output.
      hidden_units: Widths of the encoder; the last is the number of features.
    """
    output = (*event_shape[:-1], channels)
    encoder = keras.Sequential(
        [keras.layers.Flatten(), MLP(hidden_units)],
        name="encoder",
    )
    decoder = keras.Sequential(
        [
            MLP(tuple(hidden_units)[::-1]),
            keras.layers.Dense(math.prod(output)),
            keras.layers.Reshape(output),
        ],
        name="decoder",
    )
    return encoder, decoder


def gated_conv_pair(
    event_shape: tuple[int, ...],
    channels: int,
    features: int = 256,
) -> Pair:
    """Returns gated convolutional networks, each with two layers of stride 2.

    Source of the layer sizes: van den Berg et al., "Sylvester Normalizing Flows for
    Variational Inference", 2018, arXiv 1803.05649, appendix A.

    Args:
      event_shape: Shape of one image [H, W, C]; 4 divides H = W.
      channels: Size of the last axis of the decoder's output.
      features: Number of features of the encoder.

    Raises:
      ValueError: If events are no such images.
    """
    if len(event_shape) != 3 or event_shape[0] != event_shape[1] or event_shape[0] % 4:
        raise ValueError(
            "expected square images (H, W, C) whose side 4 divides for gated "
            f"convolutions, got events of shape {tuple(event_shape)}"
        )
    quarter = event_shape[0] // 4

    def conv(filters: int, size: int = 5, *args: Any, **kwargs: Any) -> GatedConv:
        return GatedConv(filters, size, *args, **kwargs)

    encoder = keras.Sequential(
        [
            conv(32),
            conv(32, 5, 2),
            conv(64),
            conv(64, 5, 2),
            conv(64),
            conv(features, quarter, padding="valid"),
            keras.layers.Flatten(),
        ],
        name="encoder",
    )
    decoder = keras.Sequential(
        [
            _AsImage(),
            conv(64, quarter, padding="valid", transpose=True),
            conv(64, transpose=True),
            conv(32, 5, 2, transpose=True),
            conv(32, transpose=True),
            conv(32, 5, 2, transpose=True),
            conv(32, transpose=True),
            keras.layers.Conv2D(channels, 1),
        ],
        name="decoder",
    )
    return encoder, decoder


@keras.saving.register_keras_serializable("tfflows")
class _AsImage(keras.layers.Layer):
    """Turns vectors `[B, D]` into images `[B, 1, 1, D]`."""

    def call(self, inputs: Any) -> Any:
        return inputs[:, None, None, :]
