"""The VAE families: which posterior and prior, which networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tfflows import bijectors as fb
from tfflows.backend.arguments import (
    check_count,
    check_counts,
    check_sizes,
    check_unused,
    check_word,
)
from tfflows.families.vae_networks import dense_pair, gated_conv_pair
from tfflows.models.flow_vae import FlowVAE
from tfflows.networks import MADE, MLP
from tfflows.vae.likelihoods import (
    BernoulliLikelihood,
    DiscretizedLogisticLikelihood,
    GaussianLikelihood,
    Likelihood,
)

POSTERIORS = (
    "none",
    "planar",
    "radial",
    "sylvester_orthogonal",
    "sylvester_householder",
    "sylvester_triangular",
    "realnvp",
    "iaf",
)
PRIORS = ("none", "realnvp")
NETWORKS = ("dense", "gated_conv")


def vae(
    event_shape: Sequence[int],
    *,
    latent_dim: int = 32,
    network: str = "dense",
    hidden_units: Sequence[int] = (300, 300),
    posterior: str = "none",
    num_flows: int = 4,
    num_columns: int = 16,
    num_reflections: int = 8,
    prior: str = "none",
    num_prior_couplings: int = 6,
    flow_units: Sequence[int] = (128,),
    levels: int | None = 2,
    warmup_steps: int = 0,
    free_nats: float = 0.0,
    evaluation_samples: int = 0,
    dtype: Any = None,
    name: str = "vae",
) -> FlowVAE:
    """A VAE with amortised posterior flows, or a flow as its prior.

    Planar and radial flows: Rezende and Mohamed, 2015, arXiv 1505.05770; Sylvester
    flows: van den Berg et al., 2018, arXiv 1803.05649, whose network sizes
    "gated_conv" has. IAF: Kingma et al., 2016, arXiv 1606.04934.

    Args:
      event_shape: Shape of one event.
      latent_dim: Size of z.
      network: "dense" or "gated_conv".
      hidden_units: Widths of the dense encoder, the decoder's reversed; the last is
        the number of features, of either network.
      posterior: One of `POSTERIORS`.
      num_flows: Number of its steps.
      num_columns: Columns M of each orthogonal Sylvester step.
      num_reflections: Reflections H of each Householder Sylvester step.
      prior: One of `PRIORS`.
      num_prior_couplings: Number of its couplings.
      flow_units: Widths of the networks of couplings and autoregressive steps, in
        posterior and prior.
      levels: Number of levels of integer data, Bernoulli for 2, else a discretised
        logistic; None for continuous data, Gaussian with a learned scale.
      warmup_steps: As in `FlowVAE`.
      free_nats: As in `FlowVAE`.
      evaluation_samples: As in `FlowVAE`.
      dtype: Keras dtype policy.
      name: Name of the model.

    Returns:
      The model, built.

    Raises:
      ValueError: For unknown words, or parts out of range.
    """
    event_shape = check_sizes("event_shape", event_shape)
    hidden_units = check_counts("hidden_units", hidden_units)
    check_counts("flow_units", flow_units)
    check_word("posterior", posterior, POSTERIORS)
    check_word("prior", prior, PRIORS)
    likelihood = _likelihood(levels)
    channels = likelihood.num_params * event_shape[-1]
    features = hidden_units[-1]
    if check_word("network", network, NETWORKS) == "dense":
        pair = dense_pair(event_shape, channels, hidden_units, dtype)
    else:
        check_unused("hidden_units", hidden_units, [(300, 300), (features,)], "'dense'")
        pair = gated_conv_pair(event_shape, channels, features, dtype)
    makers: dict[str, Callable[[int], Any]] = {
        "planar": lambda _: fb.Planar(context_dim=features, dtype=dtype),
        "radial": lambda _: fb.Radial(context_dim=features, dtype=dtype),
        "sylvester_orthogonal": lambda _: fb.OrthogonalSylvester(
            num_columns, context_dim=features, dtype=dtype
        ),
        "sylvester_householder": lambda _: fb.HouseholderSylvester(
            num_reflections, context_dim=features, dtype=dtype
        ),
        "sylvester_triangular": lambda k: fb.TriangularSylvester(
            reverse=bool(k % 2), context_dim=features, dtype=dtype
        ),
        "realnvp": lambda k: _coupling(k, flow_units, features, dtype),
        "iaf": lambda _: _autoregressive(flow_units, features, dtype),
    }
    return FlowVAE(
        *pair,
        latent_dim,
        _chain("num_flows", posterior, makers, num_flows, dtype),
        _chain(
            "num_prior_couplings",
            prior,
            {"realnvp": lambda k: _coupling(k, flow_units, None, dtype)},
            num_prior_couplings,
            dtype,
        ),
        likelihood=likelihood,
        event_shape=event_shape,
        warmup_steps=warmup_steps,
        free_nats=free_nats,
        evaluation_samples=evaluation_samples,
        dtype=dtype,
        name=name,
    )


def _likelihood(levels: int | None) -> Likelihood:
    if levels is None:
        return GaussianLikelihood()
    return (
        BernoulliLikelihood() if levels == 2 else DiscretizedLogisticLikelihood(levels)
    )


def _chain(
    name: str,
    word: str,
    makers: dict[str, Callable[[int], Any]],
    num_steps: int,
    dtype: Any,
) -> fb.Chain | None:
    check_count(name, num_steps, least=0)
    if word == "none":
        return None
    return fb.Chain([makers[word](k) for k in range(num_steps)], dtype=dtype)


def _coupling(
    k: int, units: Sequence[int], context_dim: int | None, dtype: Any
) -> fb.AffineCoupling:
    network = MLP(units, context_dim=context_dim, dtype=dtype)
    return fb.AffineCoupling(network, reverse=bool(k % 2), dtype=dtype)


def _autoregressive(units: Sequence[int], context_dim: int, dtype: Any) -> fb.FlowStep:
    """One pass from latent to data, and the order reversed for the next step."""
    network = MADE(units, context_dim=context_dim, dtype=dtype)
    step = fb.InverseAutoregressive(network, dtype=dtype)
    return fb.Chain([step, fb.Permute("reverse", dtype=dtype)], dtype=dtype)
