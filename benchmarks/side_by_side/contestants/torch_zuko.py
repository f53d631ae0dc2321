"""Zuko."""

from __future__ import annotations

import functools
from typing import Any

import torch
from zuko.distributions import DiagNormal
from zuko.flows.autoregressive import MaskedAutoregressiveTransform
from zuko.flows.coupling import GeneralCouplingTransform
from zuko.lazy import Flow, LazyTransform, UnconditionalDistribution
from zuko.transforms import MonotonicRQSTransform

from side_by_side.contestants.torch_loop import (
    TorchContestant,
    torch_versions,
    zeroed,
)
from side_by_side.workloads import Workload

# Where `torch.compile` trains faster;
# see docs/results/performance_log.md.
COMPILED = ("spline", "maf")


def realnvp(workload: Workload) -> TorchContestant:
    """Couplings of `MonotonicAffineTransform`, its log-scale softly clipped."""
    return contestant(workload, couplings(workload))


def spline(workload: Workload) -> TorchContestant:
    """Couplings of `MonotonicRQSTransform`."""
    bins = workload.model["num_bins"]
    law = functools.partial(MonotonicRQSTransform, bound=3.0)
    shapes = [(bins,), (bins,), (bins - 1,)]
    return contestant(workload, couplings(workload, univariate=law, shapes=shapes))


def maf(workload: Workload) -> TorchContestant:
    """`MaskedAutoregressiveTransform`s of opposite orders by turns."""
    order = torch.arange(workload.dimensions)
    steps = [
        MaskedAutoregressiveTransform(
            workload.dimensions,
            order=(order, order.flip(0))[k % 2],
            hidden_features=workload.model["hidden_units"],
        )
        for k in range(workload.model["num_layers"])
    ]
    return contestant(workload, steps)


def couplings(workload: Workload, **law: Any) -> list[LazyTransform]:
    """`GeneralCouplingTransform`s that keep the halves by turns."""
    first = torch.arange(workload.dimensions) < workload.dimensions // 2
    return [
        GeneralCouplingTransform(
            workload.dimensions,
            mask=(first, ~first)[k % 2],
            hidden_features=workload.model["hidden_units"],
            **law,
        )
        for k in range(workload.model["num_couplings"])
    ]


def contestant(workload: Workload, transforms: list[LazyTransform]) -> TorchContestant:
    """A `Flow` of the transforms, data side first."""
    for transform in transforms:
        zeroed(transform.hyper[-1])
    size = workload.dimensions
    base = UnconditionalDistribution(
        DiagNormal, torch.zeros(size), torch.ones(size), buffer=True
    )
    flow = Flow(transforms, base)
    return TorchContestant(
        workload,
        flow,
        lambda x: flow().log_prob(x),
        lambda n: flow().sample((n,)),
        compiled=workload.name in COMPILED,
    )


def versions() -> dict[str, str]:
    """Those of the libraries."""
    return torch_versions("zuko")


CONTESTANTS = {"realnvp": realnvp, "spline": spline, "maf": maf}
