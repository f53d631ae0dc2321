"""The serving signatures of a flow: names, inputs, outputs and dtypes.

| key | inputs | outputs |
|---|---|---|
| `log_prob` | `x [B, ...]` | `log_prob [B]`, and `bits_per_dim [B]` of integer data |
| `encode` | `x [B, ...]` | `z [B, D]`, `log_det_jacobian [B]` |
| `decode` | `z [B, D]` | `x [B, ...]` |
| `score` | `x [B, ...]` | `score [B, ...]`, `log_prob [B]` |
| `interpolate` | `x_a [B, ...]`, `x_b [B, ...]`, `weight float32 [B]` | `x [B, ...]` |
| `sample` | `seed int32 [B, 2]`, `temperature float32 [B]` | `x [B, ...]`, `log_prob [B]` |
| `sample_n` | `num_samples int32 []`, `seed int32 [2]`, `temperature float32 []` | `x [N, ...]`, `log_prob [N]` |
| `generate` | `seed int32 [B, 2]`, `temperature float32 [B]`, `guidance float32 [B]` | `x [B, ...]` |

A conditional flow's signatures also take `context`: `[B, ...]`, an int32 `[B]` for
class labels, and for `sample_n` one context for all samples, without the batch axis.

Log-densities and log-dets are in nats, in the units of the raw data. The input `x` of a
model of integer data is uint8 (int32 above 256 levels); the output `x` is always
continuous, for integer data y in [0, levels) whose floor is the pixel. `score` is the
gradient of log p with respect to x or, for integer data, to the dequantised y. Image
models have `interpolate`, which returns images on the straight line between the latents
of x_a (weight 0) and x_b (weight 1).

`generate` is that of a `TarFlow` that can guide its samples or remove their noise: it
does what it can, and takes `guidance` only if the model learnt without labels, too.

A `FlowMixture`, which has no latents, has `log_prob`, `score`, `sample` and `sample_n`.
Columns of categories take and give their codes, which `table` in flow.json explains;
codes that are none have log_prob -inf. `score` is 0 or has no meaning for them.
"""  # noqa: E501 (a table row is one line)

from __future__ import annotations

import tensorflow as tf

from tfflows import metrics
from tfflows.export.writing.description import float_dtype
from tfflows.export.writing.endpoints import (
    IMAGE_RANK,
    Endpoint,
    Outputs,
    data_spec,
    interpolate_endpoint,
    make_endpoint,
    mixed,
    one_for_each,
    sample_endpoint,
    sample_n_endpoint,
)
from tfflows.models.flow import Flow
from tfflows.models.flow_mixture import FlowMixture
from tfflows.models.raw_data import without
from tfflows.models.tarflow_model import TarFlow


def flow_endpoints(flow: Flow) -> dict[str, Endpoint]:
    """Makes the signatures of a flow, as in the table of this module.

    The functions are pure: they read the weights and their inputs, and all randomness
    comes from the seeds. Row i of the outputs of `sample` depends on row i of its
    inputs alone, so a server may batch the requests of several clients.

    Args:
      flow: An initialised flow.

    Returns:
      The endpoints by name, the default first; of a flow without an inverse, those
      that draw and decode.
    """
    drawn = {"sample": _sample(flow), "sample_n": _sample_n(flow)}
    if not flow.has_inverse:
        return {**drawn, "decode": _decode(flow)}
    given = {
        "log_prob": _log_prob(flow),
        "encode": _encode(flow),
        "decode": _decode(flow),
        "score": _score(flow),
    }
    if len(flow.event_shape) == IMAGE_RANK:
        given["interpolate"] = _interpolate(flow)
    if isinstance(flow, TarFlow) and (flow.noise_std or flow.label_dropout):
        drawn["generate"] = _generate(flow)
    return {**given, **drawn}


def mixture_endpoints(mixture: FlowMixture) -> dict[str, Endpoint]:
    """Makes the signatures of a mixture of flows: those that need no latents."""
    return {
        "log_prob": _log_prob(mixture),
        "score": _score(mixture),
        "sample": _sample(mixture),
        "sample_n": _sample_n(mixture),
    }


def _log_prob(flow: Flow | FlowMixture) -> Endpoint:
    def log_prob(x: tf.Tensor, *context: tf.Tensor) -> Outputs:
        outputs = {"log_prob": flow.log_prob(x, *context)}
        if flow.measures_bits:
            bits = metrics.bits_per_dim(outputs["log_prob"], flow.event_shape)
            outputs["bits_per_dim"] = bits
        return outputs

    return make_endpoint(log_prob, _data_spec(flow), *_context_specs(flow))


def _encode(flow: Flow) -> Endpoint:
    def encode(x: tf.Tensor, *context: tf.Tensor) -> Outputs:
        z, log_det = flow.encode_and_log_det(x, *context)
        return {"z": z, "log_det_jacobian": log_det}

    return make_endpoint(encode, _data_spec(flow), *_context_specs(flow))


def _decode(flow: Flow) -> Endpoint:
    def decode(z: tf.Tensor, *context: tf.Tensor) -> Outputs:
        return {"x": flow.decode(z, *context)}

    spec = tf.TensorSpec((None, flow.latent_dim), float_dtype(flow), "z")
    return make_endpoint(decode, spec, *_context_specs(flow))


def _score(flow: Flow | FlowMixture) -> Endpoint:
    def score(x: tf.Tensor, *context: tf.Tensor) -> Outputs:
        y, log_q = flow._raw.with_fixed_noise(x)
        named = {"context": context[0]} if context else {}
        with tf.GradientTape() as tape:
            tape.watch(y)
            log_prob = flow.distribution.log_prob(y, **named)
        # Codes have no gradient.
        zero = tf.UnconnectedGradients.ZERO
        score = tape.gradient(log_prob, y, unconnected_gradients=zero)
        return {"score": score, "log_prob": without(log_q, log_prob)}

    return make_endpoint(score, _data_spec(flow), *_context_specs(flow))


def _interpolate(flow: Flow) -> Endpoint:
    def mix(
        x_a: tf.Tensor, x_b: tf.Tensor, weight: tf.Tensor, *context: tf.Tensor
    ) -> tf.Tensor:
        z_a, z_b = flow.encode(x_a, *context), flow.encode(x_b, *context)
        return flow.decode(mixed(z_a, z_b, weight), *context)

    return interpolate_endpoint(mix, _data_spec(flow), *_context_specs(flow))


def _sample(flow: Flow | FlowMixture) -> Endpoint:
    def sample(*inputs: tf.Tensor) -> Outputs:
        x, log_prob = flow.sample_rows_and_log_prob(*inputs)
        return {"x": x, "log_prob": log_prob}

    return sample_endpoint(sample, *_context_specs(flow))


def _sample_n(flow: Flow | FlowMixture) -> Endpoint:
    def sample_n(*inputs: tf.Tensor) -> Outputs:
        x, log_prob = flow.sample_and_log_prob(*inputs)
        return {"x": x, "log_prob": log_prob}

    return sample_n_endpoint(
        sample_n, flow.event_shape, *_context_specs(flow, batch=())
    )


def _generate(flow: TarFlow) -> Endpoint:
    def generate(seed: tf.Tensor, temperature: tf.Tensor, *more: tf.Tensor) -> Outputs:
        if flow.label_dropout:
            guidance, *context = more
            guidance = one_for_each(guidance, seed, "one guidance for each row of seed")
            x = flow.guided_rows(seed, temperature, guidance, *context)
        else:
            context = list(more)
            x = flow.sample_rows_and_log_prob(seed, temperature, *context)[0]
        return {"x": x if flow.noise_std is None else flow.denoise(x, *context)}

    guidance = [tf.TensorSpec((None,), tf.float32, "guidance")]
    return sample_endpoint(
        generate, *(guidance if flow.label_dropout else []), *_context_specs(flow)
    )


def _data_spec(flow: Flow | FlowMixture) -> tf.TensorSpec:
    return data_spec(flow.event_shape, flow.levels, float_dtype(flow))


def _context_specs(
    flow: Flow | FlowMixture, batch: tuple[None, ...] = (None,)
) -> tuple[tf.TensorSpec, ...]:
    """Returns the spec of `context`, or none for an unconditional flow."""
    if isinstance(flow, FlowMixture):
        return ()
    conditioning = flow.conditioning
    if conditioning.context_shape is None:
        return ()
    shape = (*batch, *conditioning.context_shape)
    return (tf.TensorSpec(shape, conditioning.context_dtype, "context"),)
