"""The serving signatures of a flow: names, inputs, outputs and dtypes.

| key | inputs | outputs |
|---|---|---|
| `log_prob` | `x [B, ...]` | `log_prob [B]`, and `bits_per_dim [B]` of integer data |
| `encode` | `x [B, ...]` | `z [B, D]`, `log_det_jacobian [B]` |
| `decode` | `z [B, D]` | `x [B, ...]` |
| `sample` | `seed int32 [B, 2]`, `temperature float32 [B]` | `x [B, ...]`, `log_prob [B]` |
| `sample_n` | `num_samples int32 []`, `seed int32 [2]`, `temperature float32 []` | `x [N, ...]`, `log_prob [N]` |

Log-densities and log-dets are in nats, in the units of the raw data. The input `x` of
a model of integer data is uint8 (int32 above 256 levels); the output `x` is always
continuous, for integer data y in [0, levels) whose floor is the pixel.
"""  # noqa: E501 (a table row is one line)

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from tfflows import checks, metrics
from tfflows.models.flow import Flow

_UINT8_LEVELS = 256


class Endpoint(NamedTuple):
    """One signature: a function of tensors, and the specs that name its inputs."""

    function: Callable[..., dict[str, tf.Tensor]]
    inputs: tuple[tf.TensorSpec, ...]


def flow_endpoints(flow: Flow) -> dict[str, Endpoint]:
    """Makes the signatures of a flow, as in the table of this module.

    The functions are pure: they read the weights and their inputs, and all randomness
    comes from the seeds. Row i of the outputs of `sample` depends on row i of its
    inputs alone, so that a server may batch the requests of several clients.

    Args:
      flow: An initialised flow.

    Returns:
      The endpoints by name.
    """
    # A context, where a model takes one, is one more input of log_prob, encode, decode,
    # sample ([B, C]) and sample_n ([C]): these functions are the place for it.
    return {
        "log_prob": _log_prob(flow),
        "encode": _encode(flow),
        "decode": _decode(flow),
        "sample": _sample(flow),
        "sample_n": _sample_n(flow),
    }


def _log_prob(flow: Flow) -> Endpoint:
    def log_prob(x: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = {"log_prob": flow.log_prob(x)}
        if flow.levels is not None:
            bits = metrics.bits_per_dim(outputs["log_prob"], flow.event_shape)
            outputs["bits_per_dim"] = bits
        return outputs

    return _endpoint(log_prob, _data_spec(flow))


def _encode(flow: Flow) -> Endpoint:
    def encode(x: tf.Tensor) -> dict[str, tf.Tensor]:
        z, log_det = flow.encode_and_log_det(x)
        return {"z": z, "log_det_jacobian": log_det}

    return _endpoint(encode, _data_spec(flow))


def _decode(flow: Flow) -> Endpoint:
    def decode(z: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"x": flow.decode(z)}

    return _endpoint(
        decode, tf.TensorSpec((None, flow.latent_dim), _float_dtype(flow), "z")
    )


def _sample(flow: Flow) -> Endpoint:
    def sample(seed: tf.Tensor, temperature: tf.Tensor) -> dict[str, tf.Tensor]:
        # One temperature for two seeds would broadcast. (A tf.reshape to the seeds'
        # batch would not do: the graph optimiser takes it for the identity.)
        with checks.require(
            tf.equal(tf.shape(temperature)[0], tf.shape(seed)[0]),
            "expected one temperature for each row of seed",
        ):
            temperature = tf.identity(temperature)
        x, log_prob = flow.sample_rows_and_log_prob(seed, temperature)
        return {"x": x, "log_prob": log_prob}

    return _endpoint(
        sample,
        tf.TensorSpec((None, 2), tf.int32, "seed"),
        tf.TensorSpec((None,), tf.float32, "temperature"),
    )


def _sample_n(flow: Flow) -> Endpoint:
    def sample_n(
        num_samples: tf.Tensor, seed: tf.Tensor, temperature: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        x, log_prob = flow.sample_and_log_prob(num_samples, seed, temperature)
        return {"x": x, "log_prob": log_prob}

    return _endpoint(
        sample_n,
        tf.TensorSpec((), tf.int32, "num_samples"),
        tf.TensorSpec((2,), tf.int32, "seed"),
        tf.TensorSpec((), tf.float32, "temperature"),
    )


def _data_spec(flow: Flow) -> tf.TensorSpec:
    dtype = _float_dtype(flow)
    if flow.levels is not None:
        dtype = tf.uint8 if flow.levels <= _UINT8_LEVELS else tf.int32
    return tf.TensorSpec((None, *flow.event_shape), dtype, "x")


def _float_dtype(flow: Flow) -> tf.DType:
    """The dtype of the flow path, float32 or float64 whatever the networks' policy."""
    return flow.base.distribution.dtype


def _endpoint(
    function: Callable[..., dict[str, tf.Tensor]], *specs: tf.TensorSpec
) -> Endpoint:
    def checked(*values: tf.Tensor) -> dict[str, tf.Tensor]:
        # TF Serving compares no shapes with the signature: without this, [3, 1] fed
        # to an input [None, 2] would broadcast silently.
        pairs = zip(values, specs, strict=True)
        return function(*(tf.ensure_shape(value, spec.shape) for value, spec in pairs))

    return Endpoint(checked, specs)
