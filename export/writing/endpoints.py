"""What the signatures of all models share: specs, and inputs that are checked."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf

from tfflows.backend import checks

IMAGE_RANK = 3  # of the events that `interpolate` is made for: [H, W, C]
_UINT8_LEVELS = 256
# That `sample_n` draws for one request: a network is wider than a small event.
_MOST_VALUES, _MOST_ROWS = 2**22, 2**16

Outputs = dict[str, tf.Tensor]


class Endpoint(NamedTuple):
    """One signature: a function of tensors, and the specs that name its inputs."""

    function: Callable[..., Outputs]
    inputs: tuple[tf.TensorSpec, ...]


def make_endpoint(function: Callable[..., Outputs], *specs: tf.TensorSpec) -> Endpoint:
    """The function with its inputs' shapes enforced.

    Args:
      function: Takes a tensor for each spec, returns the outputs by name.
      *specs: Names, dtypes and shapes of the inputs.
    """

    def checked(*values: tf.Tensor) -> Outputs:
        # TF Serving compares no shapes with the signature: without this, [3, 1] fed
        # to an input [None, 2] would broadcast silently.
        pairs = zip(values, specs, strict=True)
        return function(*(tf.ensure_shape(value, spec.shape) for value, spec in pairs))

    return Endpoint(checked, specs)


def data_spec(
    event_shape: tuple[int, ...], levels: int | None, float_dtype: tf.DType
) -> tf.TensorSpec:
    """The input `x` of raw data: uint8 up to 256 levels, int32 above, else float."""
    dtype = float_dtype
    if levels is not None:
        dtype = tf.uint8 if levels <= _UINT8_LEVELS else tf.int32
    return tf.TensorSpec((None, *event_shape), dtype, "x")


def one_for_each(value: tf.Tensor, rows: tf.Tensor, what: str) -> tf.Tensor:
    """The value, whose first axis must be as long as that of `rows`.

    One temperature for two seeds would broadcast. (A tf.reshape to the rows' batch
    would not do: the graph optimiser takes it for the identity.)

    Args:
      value: `[B, ...]`.
      rows: `[B, ...]`.
      what: For the message, as in "one temperature for each row of seed".
    """
    fits = tf.equal(tf.shape(value)[0], tf.shape(rows)[0])
    with checks.require(fits, f"expected {what}"):
        return tf.identity(value)


def interpolate_endpoint(
    mix: Callable[..., tf.Tensor], x_spec: tf.TensorSpec, *more: tf.TensorSpec
) -> Endpoint:
    """The signature `interpolate` of mix(x_a, x_b, weight `[B, 1]`, ...).

    Args:
      mix: Takes also a tensor for each further spec; gives data `[B, ...]`.
      x_spec: That of data, `x`.
      *more: Specs of further inputs.
    """

    def interpolate(
        x_a: tf.Tensor, x_b: tf.Tensor, weight: tf.Tensor, *others: tf.Tensor
    ) -> Outputs:
        x_b = one_for_each(x_b, x_a, "one x_b for each row of x_a")
        weight = one_for_each(weight, x_a, "one weight for each row of x_a")
        finite = tf.reduce_all(tf.math.is_finite(weight))
        with checks.require(finite, "expected a finite weight"):
            weight = tf.identity(weight[:, tf.newaxis])
        return {"x": mix(x_a, x_b, weight, *others)}

    ends = [tf.TensorSpec(x_spec.shape, x_spec.dtype, name) for name in ("x_a", "x_b")]
    weight = tf.TensorSpec((None,), tf.float32, "weight")
    return make_endpoint(interpolate, *ends, weight, *more)


def mixed(z_a: tf.Tensor, z_b: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
    """(1 - weight) z_a + weight z_b."""
    weight = tf.cast(weight, z_a.dtype)
    return (1.0 - weight) * z_a + weight * z_b


def sample_endpoint(draw: Callable[..., Outputs], *more: tf.TensorSpec) -> Endpoint:
    """The signature `sample` of draw(seeds `[B, 2]`, temperatures `[B]`, ...).

    Args:
      draw: Takes also a tensor for each further spec.
      *more: Specs of further inputs.
    """

    def sample(seed: tf.Tensor, temperature: tf.Tensor, *others: tf.Tensor) -> Outputs:
        what = "one temperature for each row of seed"
        return draw(seed, one_for_each(temperature, seed, what), *others)

    return make_endpoint(
        sample,
        tf.TensorSpec((None, 2), tf.int32, "seed"),
        tf.TensorSpec((None,), tf.float32, "temperature"),
        *more,
    )


def most_samples(event_shape: Sequence[int]) -> int:
    """The largest number that `sample_n` draws for one request, of these events.

    The request is small whatever its number is: without a limit, it could take all
    memory of the server, and end it. `sample` is limited by the size of its messages.
    """
    return max(1, min(_MOST_ROWS, _MOST_VALUES // math.prod(event_shape)))


def sample_n_endpoint(
    draw: Callable[..., Outputs], event_shape: Sequence[int], *more: tf.TensorSpec
) -> Endpoint:
    """The signature `sample_n` of draw(number, seed `[2]`, temperature, ...).

    Args:
      draw: Takes also a tensor for each further spec.
      event_shape: Shape of one sample.
      *more: Specs of further inputs.
    """
    most = most_samples(event_shape)

    def sample_n(num_samples: tf.Tensor, *others: tf.Tensor) -> Outputs:
        message = f"expected num_samples of at most {most}: ask several times"
        with checks.require(num_samples <= most, message):
            return draw(tf.identity(num_samples), *others)

    return make_endpoint(
        sample_n,
        tf.TensorSpec((), tf.int32, "num_samples"),
        tf.TensorSpec((2,), tf.int32, "seed"),
        tf.TensorSpec((), tf.float32, "temperature"),
        *more,
    )
