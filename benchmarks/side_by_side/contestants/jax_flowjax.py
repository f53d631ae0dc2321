"""FlowJAX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import paramax
from flowjax.bijections import (
    AbstractBijection,
    Affine,
    Chain,
    Coupling,
    Flip,
    Invert,
    MaskedAutoregressive,
    Permute,
    Planar,
    RationalQuadraticSpline,
)
from flowjax.distributions import StandardNormal, Transformed
from jax.nn import softplus
from paramax.utils import inv_softplus

from side_by_side.contestants.jax_loop import (
    JaxContestant,
    jax_versions,
    mlp,
    mlp_params,
)
from side_by_side.workloads import Workload

_MIN_SCALE = 0.01  # `coupling_flow`'s
_MIN_SLOPE = 0.001  # `RationalQuadraticSpline`'s


def realnvp(workload: Workload) -> JaxContestant:
    """`Coupling`s with the law of `coupling_flow`, of a scale above 0.01."""
    return couplings(workload, affine())


def affine() -> AbstractBijection:
    """The default law of FlowJAX's flows."""
    scale = paramax.Parameterize(
        lambda h: softplus(h) + _MIN_SCALE, inv_softplus(1 - _MIN_SCALE)
    )
    return eqx.tree_at(lambda law: law.scale, Affine(), scale)


def spline(workload: Workload) -> JaxContestant:
    """`Coupling`s of `RationalQuadraticSpline`, its slope 1 at the ends."""
    law = RationalQuadraticSpline(knots=workload.model["num_bins"] - 1, interval=3)
    slopes = paramax.Parameterize(
        lambda h: jnp.pad(
            softplus(h) + _MIN_SLOPE,
            [(0, 0)] * (h.ndim - 1) + [(1, 1)],
            constant_values=1.0,
        ),
        jnp.full(law.knots, inv_softplus(1 - _MIN_SLOPE)),
    )
    law = eqx.tree_at(lambda law: law.derivatives, law, slopes)
    return couplings(workload, law)


def maf(workload: Workload) -> JaxContestant:
    """`MaskedAutoregressive`s, the order reversed in between."""
    model, size = workload.model, workload.dimensions
    layers: list[AbstractBijection] = []
    for key in jax.random.split(jax.random.key(0), model["num_layers"]):
        layer = MaskedAutoregressive(
            key,
            transformer=affine(),
            dim=size,
            nn_width=model["hidden_units"][0],
            nn_depth=len(model["hidden_units"]),
        )
        layer = zeroed(layer, lambda layer: layer.masked_autoregressive_mlp.layers[-1])
        layers += [Flip((size,)), layer]
    return contestant(workload, layers[1:])


def planar_vae(workload: Workload) -> JaxContestant:
    """`Planar`s between dense networks of plain JAX."""
    model, size = workload.model, workload.model["latent_dim"]
    hidden = model["hidden_units"]
    keys = jax.random.split(jax.random.key(0), model["num_flows"] + 2)
    flow = Chain([Planar(key, dim=size) for key in keys[2:]])
    flow_params, static = eqx.partition(flow, eqx.is_inexact_array)
    params = (
        mlp_params(keys[0], workload.dimensions, hidden, 2 * size),
        mlp_params(keys[1], size, hidden, workload.dimensions),
        flow_params,
    )

    def elbo(params: Any, x: jax.Array, key: jax.Array) -> jax.Array:
        encoder, decoder, flow_params = params
        mean, log_variance = jnp.split(mlp(encoder, x), 2, axis=-1)
        noise = jax.random.normal(key, mean.shape)
        flow = paramax.unwrap(eqx.combine(flow_params, static))
        z, log_det = jax.vmap(flow.transform_and_log_det)(
            mean + jnp.exp(0.5 * log_variance) * noise
        )
        # The normals' constants cancel.
        log_q = -0.5 * (log_variance + noise**2).sum(-1) - log_det
        log_prior = -0.5 * (z**2).sum(-1)
        logits = mlp(decoder, z)
        log_x = (x * logits - softplus(logits)).sum(-1)
        return log_x + log_prior - log_q

    def sample(params: Any, key: jax.Array, number: int) -> jax.Array:
        for_z, for_x = jax.random.split(key)
        logits = mlp(params[1], jax.random.normal(for_z, (number, size)))
        draws = jax.random.bernoulli(for_x, jax.nn.sigmoid(logits))
        return draws.astype("float32")

    return JaxContestant(workload, params, elbo, sample)


def couplings(workload: Workload, law: AbstractBijection) -> JaxContestant:
    """`Coupling`s that keep the halves by turns.

    A `Chain`, not `coupling_flow`'s `Scan`, lets the halves differ in size.
    """
    model, size = workload.model, workload.dimensions
    small = size // 2
    keys = jax.random.split(jax.random.key(0), model["num_couplings"])
    layers: list[AbstractBijection] = []
    kept = small
    for key in keys:
        coupling = Coupling(
            key,
            transformer=law,
            untransformed_dim=kept,
            dim=size,
            nn_width=model["hidden_units"][0],
            nn_depth=len(model["hidden_units"]),
        )
        coupling = zeroed(coupling, lambda coupling: coupling.conditioner.layers[-1])
        layers += [coupling, Permute(jnp.roll(jnp.arange(size), -kept))]
        kept = size - kept
    return contestant(workload, layers)


def zeroed(layer: AbstractBijection, last_linear: Callable) -> AbstractBijection:
    """The layer, the last linear map of its network set to zero."""
    return eqx.tree_at(
        lambda layer: (last_linear(layer).weight, last_linear(layer).bias),
        layer,
        replace_fn=lambda leaf: jax.tree.map(
            lambda a: jnp.zeros_like(a) if eqx.is_inexact_array(a) else a, leaf
        ),
    )


def contestant(workload: Workload, layers: list[AbstractBijection]) -> JaxContestant:
    """A `Transformed` standard normal, fast from data to latents."""
    base = StandardNormal(workload.event_shape)
    flow = Transformed(base, Invert(Chain(layers)))
    params, static = eqx.partition(
        flow,
        eqx.is_inexact_array,
        is_leaf=lambda leaf: isinstance(leaf, paramax.NonTrainable),
    )

    def of(params: Any) -> Transformed:
        return eqx.combine(params, static)

    return JaxContestant(
        workload,
        params,
        lambda params, x, key: of(params).log_prob(x),
        lambda params, key, n: of(params).sample(key, (n,)),
    )


def versions() -> dict[str, str]:
    """Those of the libraries."""
    return jax_versions("flowjax", "equinox")


CONTESTANTS = {
    "realnvp": realnvp,
    "spline": spline,
    "maf": maf,
    "planar_vae": planar_vae,
}
