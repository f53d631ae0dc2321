"""normflows."""

from __future__ import annotations

import normflows as nf
import torch
from normflows.flows.neural_spline.coupling import PiecewiseRationalQuadraticCoupling
from torch import nn

from side_by_side.contestants.torch_loop import TorchContestant, mlp, torch_versions
from side_by_side.workloads import Workload


class Conditioner(nn.Module):
    """A network under the two arguments that normflows' spline couplings pass.

    They scale its output down by the root of `hidden_features`.
    """

    def __init__(self, network: nn.Module, hidden_features: int) -> None:
        super().__init__()
        self.network, self.hidden_features = network, hidden_features

    def forward(self, inputs: torch.Tensor, context: None = None) -> torch.Tensor:
        """Ignores the context."""
        return self.network(inputs)


# Where `torch.compile` trains faster;
# see docs/results/performance_log.md.
COMPILED = ("realnvp", "maf")


def realnvp(workload: Workload) -> TorchContestant:
    """`AffineCouplingBlock`s with its default scale, the exponential."""
    model = workload.model
    small = workload.dimensions // 2
    large = workload.dimensions - small
    flows = []
    for k in range(model["num_couplings"]):
        # torch.chunk makes the first half the larger one.
        kept, changed, mode = [
            (small, large, "channel_inv"),
            (large, small, "channel"),
        ][k % 2]
        network = mlp(kept, model["hidden_units"], 2 * changed)
        flows.append(nf.flows.AffineCouplingBlock(network, split_mode=mode))
    return contestant(workload, flows)


def spline(workload: Workload) -> TorchContestant:
    """Rational-quadratic couplings with linear tails, one-way fast towards latents."""
    model, size = workload.model, workload.dimensions
    hidden = model["hidden_units"]
    second = (torch.arange(size) >= size // 2).int()
    flows = []
    for k in range(model["num_couplings"]):
        coupling = PiecewiseRationalQuadraticCoupling(
            (second, 1 - second)[k % 2],
            lambda n, m: Conditioner(mlp(n, hidden, m), hidden[-1]),
            num_bins=model["num_bins"],
            tails="linear",
            tail_bound=3.0,
        )
        flows.append(nf.flows.Reverse(coupling))
    return contestant(workload, flows)


def maf(workload: Workload) -> TorchContestant:
    """`MaskedAffineAutoregressive`s, reversed: one pass towards latents."""
    size = workload.dimensions
    first, *others = workload.model["hidden_units"]
    flows: list[nn.Module] = []
    for _ in range(workload.model["num_layers"]):
        step = nf.flows.MaskedAffineAutoregressive(
            size, first, num_blocks=len(others), use_residual_blocks=False
        )
        reversal = nf.flows.Permute(size)
        reversal.perm = reversal.inv_perm = torch.arange(size).flip(0)
        flows += [reversal, nf.flows.Reverse(step)]
    return contestant(workload, flows[1:])


def glow(workload: Workload) -> TorchContestant:
    """`GlowBlock`s in a `MultiscaleFlow`, as in normflows' own example."""
    model, (height, width, channels) = workload.model, workload.event_shape
    bases, flows, merges = [], [], []
    for level in range(model["num_levels"]):
        channels, height, width = 4 * channels, height // 2, width // 2
        blocks = [
            nf.flows.GlowBlock(channels, model["width"])
            for _ in range(model["num_steps"])
        ]
        flows.append([*blocks, nf.flows.Squeeze()])
        last = level + 1 == model["num_levels"]
        shape = (channels if last else channels // 2, height, width)
        bases.append(nf.distributions.DiagGaussian(shape, trainable=False))
        if not last:
            merges.append(nf.flows.Merge())
        channels //= 2
    # Latent side first.
    flow = nf.MultiscaleFlow(bases[::-1], flows[::-1], merges, class_cond=False)
    return TorchContestant(
        workload, flow, lambda x: flow.log_prob(x, None), lambda n: flow.sample(n)[0]
    )


def planar_vae(workload: Workload) -> TorchContestant:
    """A `NormalizingFlowVAE`."""
    model, size = workload.model, workload.model["latent_dim"]
    hidden = model["hidden_units"]
    vae = nf.NormalizingFlowVAE(
        nf.distributions.DiagGaussian(size, trainable=False),
        nf.distributions.NNDiagGaussian(mlp(workload.dimensions, hidden, 2 * size)),
        [nf.flows.Planar((size,)) for _ in range(model["num_flows"])],
        nf.distributions.NNBernoulliDecoder(mlp(size, hidden, workload.dimensions)),
    )

    def elbo(x: torch.Tensor) -> torch.Tensor:
        _, log_q, log_p = vae(x)
        return (log_p - log_q)[:, 0]  # of one draw

    def sample(number: int) -> torch.Tensor:
        return torch.bernoulli(vae.decoder(vae.prior(number)[0]))

    return TorchContestant(workload, vae, elbo, sample)


def contestant(workload: Workload, flows: list[nn.Module]) -> TorchContestant:
    """A `NormalizingFlow` of the flows, latent side first."""
    base = nf.distributions.DiagGaussian(workload.event_shape, trainable=False)
    flow = nf.NormalizingFlow(base, flows)
    return TorchContestant(
        workload,
        flow,
        flow.log_prob,
        lambda n: flow.sample(n)[0],
        compiled=workload.name in COMPILED,
    )


def versions() -> dict[str, str]:
    """Those of the libraries."""
    return torch_versions("normflows")


CONTESTANTS = {
    "realnvp": realnvp,
    "glow": glow,
    "spline": spline,
    "maf": maf,
    "planar_vae": planar_vae,
}
