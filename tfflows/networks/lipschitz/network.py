"""What networks with a bounded Lipschitz constant share."""

from __future__ import annotations

from typing import Any, Literal

import keras
import tensorflow as tf

from tfflows.backend.arguments import check_number, check_word

Activation = Literal["lipswish", "elu", "softplus", "tanh"]
Norm = Literal["1", "2", "inf"]

# The largest slope of x sigmoid(b x) is 1.09984, for any b.
_SWISH_SLOPE = 1.1
# Where softplus gives LipSwish's b a start of 1, the usual swish.
_START = 0.5413248546


class LipschitzNetwork(keras.layers.Layer):
    """A network g with ||g(x) - g(y)|| <= lipschitz ||x - y||, whatever its weights.

    Each of its n linear layers is scaled down to the norm lipschitz^(1/n) if the bound
    of its norm is above, and the activations between them have slopes of at most 1. The
    context is added, without a bound, before the first activation. Gradients flow
    through the scale.

    Everything runs in the variable dtype, or float32 if that is a half precision, whose
    rounding could exceed the bound.

    Args:
      activation: "lipswish", "elu", "softplus" or "tanh".
      lipschitz: The bound, between 0 and 1.
      norm: "1", "2" or "inf": the norm of vectors in which the bound holds.
      **kwargs: Arguments of the layer.

    Raises:
      ValueError: If a word is unknown, or the bound is not between 0 and 1.
    """

    def __init__(
        self, activation: str, lipschitz: float, norm: str, **kwargs: Any
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        self.activation = check_word("activation", activation, Activation)
        self.lipschitz = check_number("lipschitz", lipschitz, above=0.0, below=1.0)
        self.norm = check_word("norm", norm, Norm)

    def _create(self, shapes: list[tuple[int, ...]], context: int | None) -> None:
        """Creates kernels, biases, and the activations' and the context's weights.

        The last kernel starts at zero, so that g = 0.
        """
        starts = ["glorot_uniform"] * (len(shapes) - 1) + ["zeros"]
        self.kernels = [
            self.add_weight(shape=shape, initializer=start, name=f"kernel_{k}")
            for k, (shape, start) in enumerate(zip(shapes, starts, strict=True))
        ]
        self.biases = [
            self.add_weight(shape=shape[-1:], initializer="zeros", name=f"bias_{k}")
            for k, shape in enumerate(shapes)
        ]
        self.slopes = []
        if self.activation == "lipswish":
            start = keras.initializers.Constant(_START)
            self.slopes = [
                self.add_weight(shape=(), initializer=start, name=f"slope_{k}")
                for k in range(len(shapes) - 1)
            ]
        self.context_kernels = []
        if context is not None:
            shape = (*shapes[0][:-2], context, shapes[0][-1])
            self.context_kernels = [self.add_weight(shape=shape, name="context_kernel")]

    def constrained(self) -> tuple[tf.Tensor, ...]:
        """Returns the values of all weights, with kernels that keep the bound."""
        share = self.lipschitz ** (1.0 / len(self.kernels))
        values = [_value(kernel) for kernel in self.kernels]
        kernels = [kernel * self._scale(kernel, share) for kernel in values]
        others = [*self.biases, *self.slopes, *self.context_kernels]
        return (*kernels, *map(_value, others))

    def _scale(self, kernel: tf.Tensor, bound: float) -> tf.Tensor:
        limit = tf.math.log(tf.constant(bound, kernel.dtype))
        return tf.exp(tf.minimum(limit - self._log_bound(kernel), 0.0))

    def _log_bound(self, kernel: tf.Tensor) -> tf.Tensor:
        raise NotImplementedError

    def _linear(self, x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        raise NotImplementedError

    def _with_its_context(self, x: tf.Tensor, context: Any) -> tf.Tensor:
        raise NotImplementedError

    def apply_constrained(
        self, weights: tuple[tf.Tensor, ...], x: tf.Tensor, context: Any = None
    ) -> tf.Tensor:
        """Applies the network with given values of its weights.

        Args:
          weights: From `constrained`, which is computed once for many calls.
          x: `[B, *event]`.
          context: None, or the context of each row.
        """
        number, given = len(self.kernels), iter(weights)
        kernels, biases = ([next(given) for _ in range(number)] for _ in range(2))
        slopes = [next(given) for _ in self.slopes] or [None] * (number - 1)
        hidden = tf.cast(x, kernels[0].dtype)
        for k, (kernel, bias) in enumerate(zip(kernels, biases, strict=True)):
            if k:
                hidden = self._activate(hidden, slopes[k - 1])
            elif self.context_kernels:
                hidden = self._with_its_context(hidden, context)
                kernel = tf.concat([kernel, next(given)], axis=-2)
            hidden = self._linear(hidden, kernel) + bias
        return hidden

    def _activate(self, x: tf.Tensor, slope: tf.Tensor | None) -> tf.Tensor:
        if slope is None:
            return keras.activations.get(self.activation)(x)
        return x * tf.sigmoid(tf.math.softplus(slope) * x) / _SWISH_SLOPE

    def call(self, inputs: tf.Tensor, context: Any = None) -> tf.Tensor:
        """Maps `[B, *event]` (and a context) to `[B, *event]`."""
        return self.apply_constrained(self.constrained(), inputs, context)

    def compute_output_shape(self, input_shape: Any, **kwargs: Any) -> tuple:
        """Returns the input's shape."""
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        names = ("activation", "lipschitz", "norm")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def _value(weight: keras.Variable) -> tf.Tensor:
    value = tf.convert_to_tensor(weight)
    return value if value.dtype == tf.float64 else tf.cast(value, tf.float32)
