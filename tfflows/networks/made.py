"""MADE: a dense network whose outputs depend only on earlier inputs."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfflows.backend.angles import as_seen, check_circular, circular_flags
from tfflows.backend.arguments import (
    check_activation,
    check_count,
    check_counts,
    check_flag,
)
from tfflows.backend.checkpointing import CheckpointsAllWeights
from tfflows.networks.made_steps import MADESteps
from tfflows.networks.staircase import StaircaseProduct


@keras.saving.register_keras_serializable("tfflows")
class MADE(CheckpointsAllWeights, keras.layers.Layer):
    """A masked autoencoder for distribution estimation.

    Maps `[B, D]` to `[B, num_params * D]`: block p of D outputs holds parameter p of
    each input, and output i of a block depends only on the inputs before i. The output
    layer starts at zero.

    Hidden units are sorted by degree, the number of inputs that they may depend on. The
    units of one degree are therefore a slice, which `tfflows.networks.made_steps` can
    compute as soon as these inputs are known: all inputs together cost about one full
    pass.

    Source: Germain, Gregor, Murray and Larochelle, "MADE: Masked Autoencoder for
    Distribution Estimation", 2015, arXiv 1502.03509, equations 8 and 9.

    Args:
      hidden_units: Widths of the hidden layers; equal if `residual`.
      num_params: Parameters per input; None: set by the step that uses the network.
      activation: Name of a Keras activation.
      residual: Whether each hidden layer after the first is added to the previous one.
      context_dim: Size C of a context `[B, C]` that every output may depend on; None:
        the network ignores a context.
      circular: Which inputs are angles, of which the network sees cosine and sine: True
        for all, or True or False for each; None: none, or those of the step that uses
        the network.
      **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
      ValueError: If widths are missing, not positive or (with `residual`) unequal; on
        call, if the context is missing.
    """

    def __init__(
        self,
        hidden_units: Sequence[int],
        num_params: int | None = None,
        activation: str = "relu",
        residual: bool = False,
        context_dim: int | None = None,
        circular: Any = None,
        **kwargs: Any,
    ) -> None:
        # Cast after the cosines: half an angle's digits are too few at the seam.
        super().__init__(autocast=False, **kwargs)
        self.hidden_units = check_counts("hidden_units", hidden_units)
        self.residual = check_flag("residual", residual)
        if residual and len(set(self.hidden_units)) > 1:
            raise ValueError(
                f"expected equal hidden_units with residual, got {hidden_units}"
            )
        for name, size in (("num_params", num_params), ("context_dim", context_dim)):
            if size is not None:
                check_count(name, size)
        self.num_params, self.context_dim = num_params, context_dim
        self.activation = check_activation(activation)
        self.circular = None if circular is None else check_circular(circular)

    def build(self, input_shape: Any) -> None:
        """Creates kernels and biases, and fixes the masks."""
        if self.num_params is None:
            raise ValueError(f"{self.name}: expected num_params, got None")
        self.size = size = int(input_shape[-1])
        self._angles, degrees = None, [np.arange(1, size + 1)]
        if self.circular is not None:
            self._angles = circular_flags(self.circular, size, self.name)
            sines = np.flatnonzero(self._angles) + 1
            degrees = [np.concatenate([*degrees, sines])]
        degrees += [self._hidden_degrees(units) for units in self.hidden_units]
        masks = [
            (before[:, np.newaxis] <= after).astype("float32")
            for before, after in itertools.pairwise(degrees)
        ]
        # Strict: an output must not depend on its own input.
        last = degrees[-1][:, np.newaxis] < np.arange(1, size + 1)
        last = last.astype("float32")
        masks.append(np.tile(last, (1, self.num_params)))
        self._products = [StaircaseProduct(mask) for mask in masks]
        self.degrees = degrees[1:]
        self.kernels, self.biases = [], []
        for i, mask in enumerate(masks):
            start = "zeros" if i == len(masks) - 1 else _masked_glorot(mask)
            self.kernels.append(
                self.add_weight(shape=mask.shape, initializer=start, name=f"kernel_{i}")
            )
            self.biases.append(
                self.add_weight(
                    shape=mask.shape[1:], initializer="zeros", name=f"bias_{i}"
                )
            )
        self.context_kernel = None
        if self.context_dim is not None:
            self.context_kernel = self.add_weight(
                shape=(self.context_dim, self.hidden_units[0]),
                initializer="glorot_uniform",
                name="context_kernel",
            )

    def _hidden_degrees(self, units: int) -> np.ndarray:
        # Units of degree 0 depend only on the context.
        first = 1 if self.context_dim is None else 0
        count = max(self.size - first, 1)
        return first + (np.arange(units) * count) // units

    def call(self, inputs: tf.Tensor, context: Any = None) -> tf.Tensor:
        """Maps `[B, D]` (and context `[B, C]`) to `[B, num_params * D]`."""
        shift = self.context_shift(context)
        hidden = self._preactivate(0, self.seen(inputs), shift)
        for layer in range(1, len(self.hidden_units)):
            update = self._preactivate(layer, self.activation(hidden))
            hidden = hidden + update if self.residual else update
        return self._preactivate(-1, self.activation(hidden))

    def seen(self, inputs: tf.Tensor, axis: int = -1) -> tf.Tensor:
        """Returns what the first layer takes: inputs, or cosines and sines of them."""
        return tf.cast(as_seen(inputs, self._angles, axis), self.compute_dtype)

    def _preactivate(
        self, layer: int, inputs: tf.Tensor, shift: tf.Tensor | None = None
    ) -> tf.Tensor:
        kernel = tf.cast(self.kernels[layer], self.compute_dtype)
        outputs = self._products[layer](inputs, kernel)
        outputs += tf.cast(self.biases[layer], self.compute_dtype)
        return outputs if shift is None else outputs + shift

    def masked_kernel(self, layer: int) -> tf.Tensor:
        """Returns a layer's kernel in the compute dtype, zero for hidden inputs."""
        kernel = tf.cast(self.kernels[layer], self.compute_dtype)
        return self._products[layer].masked(kernel)

    def context_shift(self, context: Any) -> tf.Tensor | None:
        """Returns what a context `[B, C]` adds to the first hidden layer, or None.

        Raises:
          ValueError: If the context is missing or has another size.
        """
        if self.context_kernel is None:
            return None
        expected = (None, self.context_dim)
        if context is None or not context.shape.is_compatible_with(expected):
            got = None if context is None else tuple(context.shape)
            raise ValueError(
                f"{self.name}: expected a context of shape {expected}, got {got}"
            )
        kernel = tf.cast(self.context_kernel, self.compute_dtype)
        return tf.matmul(tf.cast(context, kernel.dtype), kernel)

    def steps(self, context: Any = None) -> MADESteps:
        """Returns the network for input-by-input evaluation; see `MADESteps`."""
        return MADESteps(self, context)

    def compute_output_shape(self, input_shape: Any, **kwargs: Any) -> tuple:
        """Returns the input's shape with num_params times its last axis."""
        return (*tuple(input_shape)[:-1], self.num_params * input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "hidden_units": self.hidden_units,
            "num_params": self.num_params,
            "activation": keras.activations.serialize(self.activation),
            "residual": self.residual,
            "context_dim": self.context_dim,
            "circular": self.circular,
        }


def _masked_glorot(mask: np.ndarray) -> keras.initializers.Initializer:
    # Scale by the connections that a unit has, not by its layer's size.
    fan_in, fan_out = mask.sum(axis=0).mean(), mask.sum(axis=1).mean()
    limit = float(np.sqrt(6.0 / max(fan_in + fan_out, 1.0)))
    return keras.initializers.RandomUniform(-limit, limit)
