"""The serving signatures of a VAE: names, inputs, outputs and dtypes.

| key | inputs | outputs |
|---|---|---|
| `elbo` | `x [B, ...]`, `seed int32 [B, 2]` | `elbo`, `reconstruction`, `kl`, each `[B]` |
| `encode` | `x [B, ...]`, `seed int32 [B, 2]` | `z`, `mean`, `log_variance`, each `[B, D]` |
| `decode` | `z [B, D]` | `x [B, ...]` |
| `interpolate` | `x_a [B, ...]`, `x_b [B, ...]`, `weight float32 [B]` | `x [B, ...]` |
| `sample` | `seed int32 [B, 2]`, `temperature float32 [B]` | `x [B, ...]`, `mean [B, ...]` |
| `sample_n` | `num_samples int32 []`, `seed int32 [2]`, `temperature float32 []` | `x [N, ...]`, `mean [N, ...]` |

The terms of the bound are in nats, from one draw for each seed row. The `mean` of
`encode` is the mean of the posterior's Gaussian, before a posterior flow. Image models
have `interpolate`, between the latents of the means of x_a (weight 0) and x_b (weight
1). The `x` of `decode` and `interpolate` and the `mean` of samples are means of p(x|z).
The `x` of samples is a draw from p(x|z), in raw units.
"""  # noqa: E501 (a table row is one line)

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

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
from tfflows.models.calls.sampling import seeds_of_numbers
from tfflows.models.flow_vae import FlowVAE


def vae_endpoints(vae: FlowVAE) -> dict[str, Endpoint]:
    """Makes the signatures of a VAE, as in the table of this module.

    The functions are pure, and row i of their outputs depends only on row i of their
    inputs.

    Args:
      vae: An initialised VAE.

    Returns:
      The endpoints by name, the default first.
    """
    given = {
        "elbo": _of_data(vae, vae.elbo_rows),
        "encode": _of_data(vae, vae.encode_rows),
        "decode": _decode(vae),
    }
    if len(vae.event_shape or ()) == IMAGE_RANK:
        given["interpolate"] = _interpolate(vae)
    return {
        **given,
        "sample": sample_endpoint(vae.sample_rows),
        "sample_n": _sample_n(vae),
    }


def _of_data(vae: FlowVAE, rows: Callable[[tf.Tensor, tf.Tensor], Outputs]) -> Endpoint:
    def of_data(x: tf.Tensor, seed: tf.Tensor) -> Outputs:
        return rows(x, one_for_each(seed, x, "one seed for each row of x"))

    return make_endpoint(
        of_data,
        _data_spec(vae),
        tf.TensorSpec((None, 2), tf.int32, "seed"),
    )


def _decode(vae: FlowVAE) -> Endpoint:
    def decode(z: tf.Tensor) -> Outputs:
        return {"x": vae.decode(z)}

    spec = tf.TensorSpec((None, vae.latent_dim), vae.flow_dtype, "z")
    return make_endpoint(decode, spec)


def _interpolate(vae: FlowVAE) -> Endpoint:
    def mix(x_a: tf.Tensor, x_b: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
        z_a, z_b = vae.encode_mean(x_a), vae.encode_mean(x_b)
        return vae.decode(mixed(z_a, z_b, weight))

    return interpolate_endpoint(mix, _data_spec(vae))


def _event_shape(vae: FlowVAE) -> tuple[int, ...]:
    if vae.event_shape is None:
        raise ValueError(f"{vae.name}: expected a built VAE, build or initialize it")
    return vae.event_shape


def _data_spec(vae: FlowVAE) -> tf.TensorSpec:
    return data_spec(_event_shape(vae), vae.levels, vae.flow_dtype)


def _sample_n(vae: FlowVAE) -> Endpoint:
    def sample_n(
        num_samples: tf.Tensor, seed: tf.Tensor, temperature: tf.Tensor
    ) -> Outputs:
        return vae.sample_rows(seeds_of_numbers(num_samples, 0, seed), temperature)

    return sample_n_endpoint(sample_n, _event_shape(vae))
