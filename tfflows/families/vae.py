"""The VAE families: posteriors, priors and networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from tfflows.backend.arguments import (
    check_counts,
    check_sizes,
    check_unused,
    check_word,
)
from tfflows.backend.policy import DType
from tfflows.families.declare import family, inherit
from tfflows.families.parts.vae_flows import (
    POSTERIORS,
    PRIORS,
    Posterior,
    Prior,
    StepMaker,
    check_used,
    flow_chain,
)
from tfflows.families.parts.vae_networks import dense_pair, gated_conv_pair
from tfflows.models.flow_vae import FlowVAE
from tfflows.vae.likelihoods import (
    BernoulliLikelihood,
    DiscretizedLogisticLikelihood,
    GaussianLikelihood,
    Likelihood,
)

Network = Literal["dense", "gated_conv"]
Basis = Literal["orthogonal", "householder", "triangular"]


@family
def vae(
    event_shape: Sequence[int],
    *,
    latent_dim: int = 32,
    network: Network = "dense",
    hidden_units: Sequence[int] = (300, 300),
    posterior: Posterior = "none",
    num_flows: int = 4,
    num_columns: int = 16,
    num_reflections: int = 8,
    prior: Prior = "none",
    num_prior_couplings: int = 6,
    flow_units: Sequence[int] = (128,),
    levels: int | None = 2,
    warmup_steps: int = 0,
    free_nats: float = 0.0,
    evaluation_samples: int = 0,
    stacked: bool = True,
    dtype: DType = None,
    name: str = "vae",
) -> FlowVAE:
    """Builds a VAE with amortised posterior flows, or a flow as its prior.

    Source: Rezende and Mohamed, 2015, arXiv 1505.05770, for planar and radial flows;
    van den Berg et al., 2018, arXiv 1803.05649, for Sylvester flows and the network
    sizes of "gated_conv"; Kingma et al., 2016, arXiv 1606.04934, for IAF.

    Args:
      event_shape: Shape of one event.
      network: "dense" or "gated_conv".
      hidden_units: Widths of the dense encoder; the decoder has them in reverse. The
        last is the number of features, also with "gated_conv".
      posterior: One of `POSTERIORS`.
      prior: One of `PRIORS`.
      levels: Number of levels of integer data; the likelihood is Bernoulli for 2, else
        a discretised logistic. None for continuous data, with a Gaussian likelihood and
        a learned scale.

    Returns:
      The model, built.

    Raises:
      ValueError: If a word is unknown or an argument is out of range.
    """
    event_shape = check_sizes("event_shape", event_shape)
    hidden_units = check_counts("hidden_units", hidden_units)
    check_counts("flow_units", flow_units)
    check_word("posterior", posterior, POSTERIORS)
    check_word("prior", prior, PRIORS)
    check_used(
        (posterior, prior),
        num_flows=num_flows,
        num_columns=num_columns,
        num_reflections=num_reflections,
        num_prior_couplings=num_prior_couplings,
        flow_units=flow_units,
    )
    likelihood = _likelihood(levels)
    channels = likelihood.num_params * event_shape[-1]
    features = hidden_units[-1]
    if check_word("network", network, Network) == "dense":
        pair = dense_pair(event_shape, channels, hidden_units)
    else:
        check_unused("hidden_units", hidden_units, [(300, 300), (features,)], "'dense'")
        pair = gated_conv_pair(event_shape, channels, features)
    posterior_steps = StepMaker(features, flow_units, num_columns, num_reflections)
    prior_steps = StepMaker(None, flow_units)
    return FlowVAE(
        *pair,
        latent_dim,
        flow_chain("num_flows", posterior, posterior_steps, num_flows, stacked),
        flow_chain(
            "num_prior_couplings", prior, prior_steps, num_prior_couplings, stacked
        ),
        likelihood=likelihood,
        event_shape=event_shape,
        warmup_steps=warmup_steps,
        free_nats=free_nats,
        evaluation_samples=evaluation_samples,
        name=name,
    )


_SHARED = (
    "latent_dim",
    "network",
    "hidden_units",
    "levels",
    "warmup_steps",
    "free_nats",
    "evaluation_samples",
    "stacked",
    "dtype",
)


@family
@inherit(vae, *_SHARED)
def planar_vae(
    event_shape: Sequence[int],
    *,
    num_flows: int = 16,
    name: str = "planar_vae",
    **arguments: Any,
) -> FlowVAE:
    """Builds a VAE whose posterior is a planar flow; see `vae`."""
    arguments |= {"posterior": "planar", "num_flows": num_flows}
    return vae(event_shape, name=name, **arguments)


@family
@inherit(vae, *_SHARED, "num_flows", "num_columns", "num_reflections")
def sylvester_vae(
    event_shape: Sequence[int],
    *,
    basis: Basis = "orthogonal",
    name: str = "sylvester_vae",
    **arguments: Any,
) -> FlowVAE:
    """Builds a VAE whose posterior is a Sylvester flow; see `vae`.

    Args:
      basis: Kind of the matrix Q of each step.
    """
    check_word("basis", basis, Basis)
    arguments["posterior"] = f"sylvester_{basis}"
    return vae(event_shape, name=name, **arguments)


@family
@inherit(vae, *_SHARED, "num_flows", "flow_units")
def realnvp_vae(
    event_shape: Sequence[int], *, name: str = "realnvp_vae", **arguments: Any
) -> FlowVAE:
    """Builds a VAE whose posterior is a chain of affine couplings; see `vae`."""
    return vae(event_shape, posterior="realnvp", name=name, **arguments)


@family
@inherit(vae, *_SHARED, "num_flows")
def iaf_vae(
    event_shape: Sequence[int],
    *,
    flow_units: Sequence[int] = (320,),
    name: str = "iaf_vae",
    **arguments: Any,
) -> FlowVAE:
    """Builds a VAE whose posterior is an inverse autoregressive flow; see `vae`."""
    arguments |= {"posterior": "iaf", "flow_units": flow_units}
    return vae(event_shape, name=name, **arguments)


@family
@inherit(vae, *_SHARED, "num_prior_couplings", "flow_units")
def flowprior_vae(
    event_shape: Sequence[int], *, name: str = "flowprior_vae", **arguments: Any
) -> FlowVAE:
    """Builds a VAE whose prior is a chain of affine couplings; see `vae`."""
    return vae(event_shape, prior="realnvp", name=name, **arguments)


def _likelihood(levels: int | None) -> Likelihood:
    if levels is None:
        return GaussianLikelihood()
    return (
        BernoulliLikelihood() if levels == 2 else DiscretizedLogisticLikelihood(levels)
    )
