"""nflows."""

from __future__ import annotations

import torch
from nflows.distributions import StandardNormal
from nflows.flows import Flow
from nflows.transforms import (
    ActNorm,
    AffineCouplingTransform,
    CompositeTransform,
    InverseTransform,
    MaskedAffineAutoregressiveTransform,
    MultiscaleCompositeTransform,
    OneByOneConvolution,
    PiecewiseRationalQuadraticCouplingTransform,
    ReversePermutation,
    SqueezeTransform,
)
from torch import nn

from side_by_side.contestants.torch_loop import (
    TorchContestant,
    conv_net,
    mlp,
    torch_versions,
)
from side_by_side.workloads import Workload


class Conditioner(nn.Module):
    """A network under the two arguments that nflows' couplings pass.

    Spline couplings scale its output down by the root of `hidden_features`.
    """

    def __init__(self, network: nn.Module, hidden_features: int) -> None:
        super().__init__()
        self.network, self.hidden_features = network, hidden_features

    def forward(self, inputs: torch.Tensor, context: None = None) -> torch.Tensor:
        """Ignores the context."""
        return self.network(inputs)


# Where `torch.compile` trains faster;
# see docs/results/performance_log.md.
COMPILED = ("maf",)


def realnvp(workload: Workload) -> TorchContestant:
    """`AffineCouplingTransform`s, their scale sigmoid(h + 2) + 0.001.

    Inverted: their scale, at most 1.001, could hardly expand towards the latents.
    """
    hidden = workload.model["hidden_units"]
    couplings = [
        InverseTransform(
            AffineCouplingTransform(
                mask, lambda n, m: Conditioner(mlp(n, hidden, m), hidden[-1])
            )
        )
        for mask in half_masks(workload)
    ]
    return contestant(workload, CompositeTransform(couplings))


def spline(workload: Workload) -> TorchContestant:
    """Rational-quadratic couplings with linear tails."""
    model = workload.model
    hidden = model["hidden_units"]
    couplings = [
        PiecewiseRationalQuadraticCouplingTransform(
            mask,
            lambda n, m: Conditioner(mlp(n, hidden, m), hidden[-1]),
            num_bins=model["num_bins"],
            tails="linear",
            tail_bound=3.0,
        )
        for mask in half_masks(workload)
    ]
    return contestant(workload, CompositeTransform(couplings))


def maf(workload: Workload) -> TorchContestant:
    """`MaskedAffineAutoregressiveTransform`s, the order reversed in between."""
    first, *others = workload.model["hidden_units"]
    transforms: list[nn.Module] = []
    for _ in range(workload.model["num_layers"]):
        step = MaskedAffineAutoregressiveTransform(
            workload.dimensions,
            first,
            num_blocks=len(others),
            use_residual_blocks=False,
        )
        transforms += [ReversePermutation(workload.dimensions), step]
    return contestant(workload, CompositeTransform(transforms[1:]))


def glow(workload: Workload) -> TorchContestant:
    """Nflows' parts of Glow, composed as in the paper, without split priors."""
    model, (height, width, channels) = workload.model, workload.event_shape
    flow = MultiscaleCompositeTransform(model["num_levels"])
    for _ in range(model["num_levels"]):
        channels, height, width = 4 * channels, height // 2, width // 2
        steps: list[nn.Module] = [SqueezeTransform()]
        for _ in range(model["num_steps"]):
            steps += [ActNorm(channels), OneByOneConvolution(channels)]
            steps.append(conv_coupling(channels, model["width"]))
        flow.add_transform(CompositeTransform(steps), (channels, height, width))
        channels //= 2
    return contestant(workload, flow)


def conv_coupling(channels: int, width: int) -> nn.Module:
    """Changes the second half of the channels."""
    mask = (torch.arange(channels) >= channels // 2).int()
    return AffineCouplingTransform(
        mask, lambda n, m: Conditioner(conv_net(n, width, m), width)
    )


def half_masks(workload: Workload) -> list[torch.Tensor]:
    """One mask a coupling: 1 where it changes the event, by turns the second half."""
    second = (torch.arange(workload.dimensions) >= workload.dimensions // 2).int()
    return [(second, 1 - second)[k % 2] for k in range(workload.model["num_couplings"])]


def contestant(workload: Workload, transform: nn.Module) -> TorchContestant:
    """A `Flow` of the transform of data to flat latents."""
    flow = Flow(transform, StandardNormal([workload.dimensions]))
    compiled = workload.name in COMPILED
    return TorchContestant(
        workload, flow, flow.log_prob, flow.sample, compiled=compiled
    )


def versions() -> dict[str, str]:
    """Those of the libraries."""
    return torch_versions("nflows")


CONTESTANTS = {"realnvp": realnvp, "glow": glow, "spline": spline, "maf": maf}
