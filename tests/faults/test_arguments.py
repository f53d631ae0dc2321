"""Bad arguments of every public constructor: an error at the call, in our words."""

from __future__ import annotations

import inspect
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import tfflows
from tfflows import bijectors as fb
from tfflows import distributions, models, networks, preprocessing
from tfflows.models import classifying_flow
from tfflows.vae import likelihoods


def mlp():
    return networks.MLP((4,))


def scale():
    return fb.Scale()


# Constructor -> arguments that it takes; small, and mostly never built.
LIPSCHITZ = {"activation": "elu", "lipschitz": 0.9, "norm": "2", "context_dim": 2}
COLUMNS = {"categories": [2], "centers": [0.0], "scales": [1.0], "atoms": [[1.0]]}
CALLS = {
    networks.MLP: {"hidden_units": (4,), "activation": "relu", "context_dim": 2},
    networks.ResNet: {"width": 4, "num_blocks": 1, "activation": "relu"},
    networks.MADE: {
        "hidden_units": (4, 4),
        "num_params": 2,
        "activation": "relu",
        "residual": True,
        "context_dim": 2,
    },
    networks.ConvNet: {"width": 4, "context_dim": 2},
    networks.ConvResNet: {
        "width": 4,
        "num_blocks": 1,
        "context_dim": 2,
        "pointwise_input": True,
    },
    networks.GatedConv: {
        "filters": 4,
        "kernel_size": 3,
        "strides": 1,
        "padding": "same",
        "transpose": False,
        "context_dim": 2,
    },
    networks.CodeFeatures: {"columns": COLUMNS},
    networks.GatedAttentionNet: {
        "width": 4,
        "num_blocks": 1,
        "num_heads": 2,
        "context_dim": 2,
    },
    networks.DeepSet: {
        "hidden_units": (4,),
        "units": (4,),
        "activation": "relu",
        "pooling": "mean",
    },
    networks.SetTransformer: {
        "width": 4,
        "num_heads": 2,
        "num_layers": 1,
        "num_seeds": 1,
    },
    networks.UNet: {"width": 4, "num_levels": 1, "context_dim": 2},
    networks.LipschitzMLP: {"hidden_units": (4,), **LIPSCHITZ},
    networks.LipschitzConvNet: {"width": 4, **LIPSCHITZ},
    fb.Residual: {
        "network": networks.LipschitzMLP((4,)),
        "log_det": "exact",
        "num_terms": 2,
        "certain_terms": 2,
        "going_on": 0.5,
        "num_probes": 1,
        "tolerance": 1e-3,
        "seed": 0,
    },
    fb.ContinuousFlow: {
        "network": mlp(),
        "method": "rk4",
        "num_steps": 2,
        "divergence": "exact",
        "num_probes": 1,
        "tolerance": 1e-3,
        "seed": 0,
    },
    fb.Coupling: {"law": "affine", "conditioner": mlp(), "mask": "half"}
    | {"reverse": True, "head": "auto", "event_ndims": 1},
    fb.AffineCoupling: {"conditioner": mlp(), "log_scale": "tanh", "bound": 2.0},
    fb.AdditiveCoupling: {"conditioner": mlp(), "mask": "half"},
    fb.RationalQuadraticCoupling: {"conditioner": mlp(), "num_bins": 4, "bound": 3.0},
    fb.MixtureLogisticCoupling: {"conditioner": mlp(), "num_components": 4},
    fb.MixtureLogisticLaw: {"num_components": 4},
    fb.CircularSplineCoupling: {"conditioner": mlp(), "num_bins": 4, "bound": 3.0}
    | {"circular": True, "wrap": False},
    fb.CircularSplineAutoregressive: {"network": networks.MADE((4,)), "num_bins": 4}
    | {"circular": True, "bound": 3.0, "wrap": False},
    fb.AffineLaw: {"log_scale": "tanh", "bound": 2.0},
    fb.RationalQuadraticLaw: {"num_bins": 4, "bound": 3.0},
    fb.MaskedAutoregressive: {"network": networks.MADE((4,)), "law": "affine"},
    fb.InverseAutoregressive: {"network": networks.MADE((4,)), "law": "affine"},
    fb.TransformerAutoregressive: {"num_layers": 1, "width": 4, "num_heads": 2}
    | {"law": "affine", "expansion": 2},
    fb.ClassAffine: {"num_classes": 3, "event_ndims": 1},
    fb.ActNorm: {"event_ndims": 1},
    fb.Scale: {"event_ndims": 1},
    fb.Standardize: {"event_ndims": 1},
    fb.Flatten: {"event_ndims": 1},
    fb.BatchNormalization: {"momentum": 0.9, "epsilon": 1e-5},
    fb.Invertible1x1Conv: {"parameterization": "plu", "event_ndims": 1},
    fb.Logit: {"alpha": 0.1, "low": 0.0, "high": 1.0},
    fb.Bounded: {"event_ndims": 1},  # its bounds: tests/bijectors/test_bounds.py
    fb.Rescale: {"low": 0.0, "high": 1.0},
    fb.Permute: {"permutation": "shuffle", "seed": 1},
    fb.Squeeze: {"factor": 2},
    fb.Patches: {"patch_size": 2},
    fb.Repeated: {"step": scale(), "num_repeats": 2},
    fb.Chain: {"steps": [scale()], "event_ndims": 1},
    fb.RecomputedChain: {"steps": [scale()], "backprop": "remat"},
    fb.Invert: {"step": scale(), "event_ndims": 1},
    fb.Multiscale: {"levels": [scale()], "split_priors": True},
    fb.GivenFirst: {"step": scale(), "num_given": 1},
    fb.Planar: {"activation": "tanh", "context_dim": 2},
    fb.Radial: {"context_dim": 2},
    fb.OrthogonalSylvester: {"num_columns": 2, "activation": "tanh", "context_dim": 2},
    fb.HouseholderSylvester: {"num_reflections": 2, "activation": "tanh"},
    fb.TriangularSylvester: {"activation": "tanh", "reverse": False},
    distributions.StandardNormal: {"event_shape": (2,)},
    distributions.StandardLogistic: {"event_shape": 2},
    distributions.StandardStudentT: {"event_shape": 2},
    distributions.UniformTorus: {"event_shape": 2, "circular": True},
    distributions.GaussianMixture: {
        "event_shape": 2,
        "num_components": 2,
        "spread": 1.0,
        "seed": 0,
    },
    distributions.AutoregressiveCodes: {
        "event_shape": 3,
        "columns": COLUMNS,
        "hidden_units": (4,),
        "seed": 0,
    },
    distributions.ColumnMixture: {
        "event_shape": 3,
        "num_components": 2,
        "heavy": False,
    },
    distributions.ConditionalNormal: {"event_shape": 2, "context_dim": 2},
    distributions.Base: {"distribution": distributions.StandardNormal(2)},
    preprocessing.Dequantization: {
        "levels": 16,
        "n_bits": 2,
        "evaluation_draws": 1,
        "seed": 0,
    },
    preprocessing.GaussianNoise: {
        "levels": 16,
        "std": 1.0,
        "evaluation_draws": 1,
        "seed": 0,
    },
    preprocessing.VariationalDequantization: {
        "flow": tfflows.Flow(
            fb.AffineCoupling(networks.MLP((4,), context_dim=2)),
            (2,),
            preprocessing=preprocessing.Logit(),
            context_shape=2,
        ),
        "levels": 16,
        "n_bits": 2,
        "evaluation_draws": 1,
        "seed": 0,
    },
    likelihoods.DiscretizedLogisticLikelihood: {"levels": 4, "min_log_scale": -7.0},
    likelihoods.CategoricalLikelihood: {"levels": 4},
    likelihoods.GaussianLikelihood: {"min_log_scale": -7.0},
    tfflows.Flow: {"bijector": scale(), "event_shape": (2,), "backprop": "stored"}
    | {"support": "unit"},
    tfflows.FlowMatching: {
        "network": mlp(),
        "event_shape": (2,),
        "path": "linear",
        "method": "rk4",
        "num_steps": 2,
        "seed": 0,
    },
    tfflows.FlowVAE: {
        "encoder": keras.layers.Dense(2),
        "decoder": keras.layers.Dense(2),
        "latent_dim": 1,
        "likelihood": "gaussian",
        "warmup_steps": 0,
        "free_nats": 0.0,
        "evaluation_samples": 0,
        "seed": 0,
    },
    tfflows.ReverseKL: {
        "flow": tfflows.Flow(scale(), (2,)),
        "target_log_prob": tf.reduce_sum,
        "annealing_steps": 0,
        "seed": 0,
    },
    classifying_flow.ClassifyingFlow: {
        "bijector": fb.Multiscale([fb.Chain([fb.ClassAffine(2)], event_ndims=3)]),
        "event_shape": (2, 2, 2),
        "classifier_weight": 0.1,
    },
}
_DENSE = {
    "event_shape": (2,),
    "hidden_units": (4,),
    "standardize": False,
    "context_dim": 1,
    "levels": 4,
    "evaluation_draws": 1,
    "logit_alpha": 0.1,
}
_NICE = {key: value for key, value in _DENSE.items() if key != "logit_alpha"}
_IMAGES = {"event_shape": (4, 4, 1), "num_levels": 1, "levels": 4, "logit_alpha": 0.1}
_IMAGES |= {"evaluation_draws": 1, "base": "normal", "backprop": "stored", "width": 2}
_AUTOREGRESSIVE = {"num_steps": 1, "activation": "relu", "residual": False}
_AUTOREGRESSIVE |= {"log_scale": "tanh", "normalization": "none"}
_CONTINUOUS = {"network": "mlp", "activation": "tanh", "method": "rk4"}
_CONTINUOUS |= {"num_steps": 1, "divergence": "exact", "num_probes": 1}
_CONTINUOUS |= {"tolerance": 1e-3}
CALLS |= {
    models.nice: _NICE | {"num_couplings": 1},
    models.realnvp: _DENSE
    | {"num_couplings": 1, "network": "mlp", "log_scale": "tanh", "actnorm": True},
    models.glow_dense: _DENSE | {"num_steps": 1, "network": "mlp", "log_scale": "tanh"},
    models.maf: _DENSE | _AUTOREGRESSIVE,
    models.iaf: _DENSE | _AUTOREGRESSIVE,
    models.nsf: _DENSE
    | {"num_steps": 1, "structure": "coupling", "network": "mlp", "num_bins": 4}
    | {"bound": 3.0, "permutation": "linear", "actnorm": False},
    models.ffjord: _DENSE | _CONTINUOUS,
    models.flow_matching: _DENSE | _CONTINUOUS | {"path": "linear", "seed": 0},
    models.residual_flow: _DENSE
    | {"num_blocks": 1, "network": "mlp", "num_levels": 1, "actnorm": False}
    | {"activation": "elu", "lipschitz": 0.9, "norm": "2", "num_terms": 2}
    | {"certain_terms": 2, "going_on": 0.5, "num_probes": 1, "tolerance": 1e-3},
    models.glow: _IMAGES
    | {"num_steps": 1, "coupling": "affine", "log_scale": "sigmoid", "n_bits": 1}
    | {"permutation": "conv", "split_priors": True, "classifier_weight": 0.1}
    | {"num_classes": 2},
    models.nsf_multiscale: _IMAGES
    | {"num_steps": 1, "num_blocks": 1, "num_bins": 2, "bound": 3.0, "n_bits": 1}
    | {"factor_out": True, "split_priors": True},
    models.realnvp_multiscale: _IMAGES
    | {"num_blocks": 1, "log_scale": "tanh", "normalization": "actnorm"},
    models.flowpp: {key: v for key, v in _IMAGES.items() if key != "num_levels"}
    | {"couplings_per_part": (1, 1, 1), "num_components": 2, "num_blocks": 1}
    | {"num_heads": 1, "noise": "variational", "noise_couplings": 1}
    | {"noise_blocks": 1, "noise_width": 2, "n_bits": 1},
    models.tarflow: {key: _IMAGES[key] for key in ("event_shape", "levels", "width")}
    | {"evaluation_draws": 1, "backprop": "stored", "logit_alpha": None}
    | {"patch_size": 2, "num_blocks": 1, "num_layers": 1, "num_heads": 1}
    | {"expansion": 1, "noise_std": 0.1, "num_classes": 2, "label_dropout": 0.1},
    models.vae: {"event_shape": (2,), "latent_dim": 2, "hidden_units": (2,)}
    | {"network": "dense", "posterior": "planar", "num_flows": 1, "prior": "realnvp"}
    | {"num_prior_couplings": 1, "flow_units": (2,), "levels": 4, "warmup_steps": 0}
    | {"free_nats": 0.0, "evaluation_samples": 0},
}
# 0 is a seed, no noise, no step of a warm-up, no flow, no spread, no part cut off.
ZERO_WILL_DO = (
    *("seed", "warmup_steps", "free_nats", "evaluation_samples", "annealing_steps"),
    *("num_flows", "num_prior_couplings", "spread", "alpha", "logit_alpha", "low"),
    *("min_log_scale", "classifier_weight", "momentum", "label_dropout"),
)
NEGATIVE_WILL_DO = ("low", "min_log_scale")
NONE_WILL_DO = (
    *("context_dim", "num_params", "n_bits", "levels", "event_ndims", "num_classes"),
    *("actnorm", "activation", "logit_alpha", "seed", "support", "noise_width"),
)
# What is no number, word, shape or layer anywhere.
NOWHERE = [math.nan, "rele", b"3", {"a": 1}, object(), [[None]], 1j, np.array("a")]


def bad_values(name: str, good: object) -> list[object]:
    """Values that an argument with that valid value must refuse."""
    bad = [value for value in NOWHERE if value is not good]
    if isinstance(good, bool):
        return [*bad, "no", 2, (), 0.5]
    if isinstance(good, int | float):
        bad += [True, "3", math.inf, -math.inf]
        bad += [] if name == "event_shape" else [(8, 8, 1)]
        bad += [] if name in NEGATIVE_WILL_DO else [-1, -0.5]
        bad += [] if name in ZERO_WILL_DO else [0]
        bad += [1.5, 2.0**0.5] if isinstance(good, int) else []
    elif isinstance(good, str):
        bad += [3, True, "", ("tanh",), good + "x"]
    elif isinstance(good, tuple):
        bad += [(), (0,), (-1,), (1.5,), ("3",), (None,), (True,), "3", 2.5, 0, -1]
    else:
        bad += [3, "", ("x",)]
    return bad if name in NONE_WILL_DO else [*bad, None]


CASES = [
    (call, name, value)
    for call, arguments in CALLS.items()
    for name, good in arguments.items()
    for value in bad_values(name, good)
]


def test_the_valid_arguments_are_valid():
    for call in (models.realnvp, models.glow, models.vae, networks.GatedConv):
        call(**CALLS[call])


def test_every_public_constructor_stands_in_the_table():
    public = [
        getattr(module, name)
        for module in (fb, networks, distributions, preprocessing)
        for name in module.__all__
    ]
    classes = [one for one in public if inspect.isclass(one)]
    others = {
        "FlowStep",
        "CouplingLaw",
        "AdditiveLaw",
        "TFPStep",
        "InverseNotAvailable",
        "Sylvester",
    }
    missing = [one.__name__ for one in classes if one not in CALLS]
    assert set(missing) <= others


@settings(deadline=None, max_examples=250, derandomize=True, database=None)
@given(case=st.sampled_from(CASES))
def test_a_bad_argument_is_refused_at_the_call(case):
    refused(*case)


@pytest.mark.large
@pytest.mark.parametrize("call", CALLS)
def test_each_bad_argument_is_refused_at_the_call(call):
    for other, name, value in CASES:
        if other is call:
            refused(call, name, value)


def refused(call, name, value):
    with pytest.raises((ValueError, TypeError), match="expected"):
        call(**{**CALLS[call], name: value})
