"""Shared parts of all models' signatures: specs, and checks of inputs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf

from tfflows.backend import checks

IMAGE_RANK = 3  # events with `interpolate` are images [H, W, C]
_UINT8_LEVELS = 256
# Limits of `sample_n` for one request; networks are wider than small events.
_MOST_VALUES, _MOST_ROWS = 2**22, 2**16

Outputs = dict[str, tf.Tensor]


class Endpoint(NamedTuple):
    """A signature: a function of tensors, and specs that name its inputs."""

    function: Callable[..., Outputs]
    inputs: tuple[tf.TensorSpec, ...]


def make_endpoint(function: Callable[..., Outputs], *specs: tf.TensorSpec) -> Endpoint:
    """Returns an endpoint that enforces the shapes of its inputs.

    Args:
      function: Takes a tensor for each spec and returns the outputs by name.
      *specs: Names, dtypes and shapes of the inputs.
    """

    def checked(*values: tf.Tensor) -> Outputs:
        # TF Serving does not check shapes: without this, [3, 1] given to an input
        # [None, 2] would broadcast silently.
        pairs = zip(values, specs, strict=True)
        return function(*(tf.ensure_shape(value, spec.shape) for value, spec in pairs))

    return Endpoint(checked, specs)


def data_spec(
    event_shape: tuple[int, ...], levels: int | None, float_dtype: tf.DType
) -> tf.TensorSpec:
    """Returns the spec of data `x`: uint8 up to 256 levels, int32 above, else float."""
    dtype = float_dtype
    if levels is not None:
        dtype = tf.uint8 if levels <= _UINT8_LEVELS else tf.int32
    return tf.TensorSpec((None, *event_shape), dtype, "x")


def one_for_each(value: tf.Tensor, rows: tf.Tensor, what: str) -> tf.Tensor:
    """Checks that a value has as many rows as `rows`, and returns it.

    One temperature for two seeds would broadcast. (A tf.reshape to the batch of `rows`
    does not help, because the graph optimiser removes it.)

    Args:
      value: `[B, ...]`.
      rows: `[B, ...]`.
      what: Text for the message, as in "one temperature for each row of seed".
    """
    fits = tf.equal(tf.shape(value)[0], tf.shape(rows)[0])
    with checks.require(fits, f"expected {what}"):
        return tf.identity(value)


def interpolate_endpoint(
    mix: Callable[..., tf.Tensor], x_spec: tf.TensorSpec, *more: tf.TensorSpec
) -> Endpoint:
    """Returns the signature `interpolate`: mix(x_a, x_b, weight `[B, 1]`, ...).

    Args:
      mix: Also takes a tensor for each further spec; returns data `[B, ...]`.
      x_spec: Spec of the data, `x`.
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
    """Returns (1 - weight) z_a + weight z_b."""
    weight = tf.cast(weight, z_a.dtype)
    return (1.0 - weight) * z_a + weight * z_b


def sample_endpoint(draw: Callable[..., Outputs], *more: tf.TensorSpec) -> Endpoint:
    """Returns the signature `sample`: draw(seeds `[B, 2]`, temperatures `[B]`, ...).

    Args:
      draw: Also takes a tensor for each further spec.
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
    """Returns the largest number of these events that `sample_n` draws per request.

    A small request can ask for any number, so without a limit it could use up the
    server's memory. `sample` is limited by the size of its messages.
    """
    return max(1, min(_MOST_ROWS, _MOST_VALUES // math.prod(event_shape)))


def sample_n_endpoint(
    draw: Callable[..., Outputs], event_shape: Sequence[int], *more: tf.TensorSpec
) -> Endpoint:
    """Returns the signature `sample_n`: draw(number, seed `[2]`, temperature, ...).

    Args:
      draw: Also takes a tensor for each further spec.
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
