"""Distrax, its conditioners plain functions: it brings no networks of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import distrax
import jax
import jax.numpy as jnp

from side_by_side.contestants.jax_loop import (
    JaxContestant,
    Layer,
    jax_versions,
    mlp,
    mlp_params,
)
from side_by_side.workloads import Workload


def realnvp(workload: Workload) -> JaxContestant:
    """`SplitCoupling`s of `ScalarAffine`, whose log-scale has no bound."""

    def affine(params: jax.Array) -> distrax.Bijector:
        shift, log_scale = jnp.split(params, 2, axis=-1)
        return distrax.ScalarAffine(shift, log_scale=log_scale)

    return couplings(workload, 2, affine)


def spline(workload: Workload) -> JaxContestant:
    """`SplitCoupling`s of `RationalQuadraticSpline`, the identity at its ends."""
    num_params = 3 * workload.model["num_bins"] - 1

    def law(params: jax.Array) -> distrax.Bijector:
        params = params.reshape(*params.shape[:-1], -1, num_params)
        # Two slopes that the spline replaces by 1, and that it wants all the same.
        params = jnp.insert(params, jnp.array([2 * workload.model["num_bins"]]), 0, -1)
        params = jnp.pad(params, [(0, 0)] * (params.ndim - 1) + [(0, 1)])
        return distrax.RationalQuadraticSpline(
            params, -3.0, 3.0, boundary_slopes="identity"
        )

    return couplings(workload, num_params, law)


def couplings(workload: Workload, num_params: int, law: Callable) -> JaxContestant:
    """`SplitCoupling`s that keep the halves by turns, of a law of one element."""
    size, number = workload.dimensions, workload.model["num_couplings"]
    small = size // 2
    keys = jax.random.split(jax.random.key(0), number)
    params = []
    for k in range(number):
        kept = (small, size - small)[k % 2]
        outputs = num_params * (size - kept)
        params.append(
            mlp_params(keys[k], kept, workload.model["hidden_units"], outputs)
        )

    def coupling(k: int, layers: list[Layer]) -> distrax.Bijector:
        return distrax.SplitCoupling(
            split_index=small,
            event_ndims=1,
            swap=k % 2 == 1,
            conditioner=lambda x: mlp(layers, x),
            bijector=law,
        )

    def chain(params: Any) -> distrax.Bijector:
        chain = [coupling(k, layers) for k, layers in enumerate(params)]
        # As in Distrax's example: `log_prob` takes the cheaper direction.
        return distrax.Inverse(distrax.Chain(chain))

    return contestant(workload, params, chain)


def contestant(workload: Workload, params: Any, bijector: Callable) -> JaxContestant:
    """A `Transformed` standard normal."""

    def flow(params: Any) -> distrax.Transformed:
        zeros = jnp.zeros(workload.event_shape)
        base = distrax.MultivariateNormalDiag(zeros, jnp.ones_like(zeros))
        return distrax.Transformed(base, bijector(params))

    return JaxContestant(
        workload,
        params,
        lambda params, x, key: flow(params).log_prob(x),
        lambda params, key, n: flow(params).sample(seed=key, sample_shape=(n,)),
    )


def versions() -> dict[str, str]:
    """Those of the libraries."""
    return jax_versions("distrax")


CONTESTANTS = {"realnvp": realnvp, "spline": spline}
