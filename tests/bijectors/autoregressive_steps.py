"""Splines, logistic mixtures and autoregressive steps: rows of the contract."""

from __future__ import annotations

import keras

from tests.testing_utils import StepCase
from tfflows import bijectors as fb
from tfflows import networks


def _mlp(dtype):
    return networks.MLP((8,), activation="tanh", dtype=dtype)


def _spline(**kwargs):
    return lambda d: fb.RationalQuadraticCoupling(_mlp(d), dtype=d, **kwargs)


def _made(dtype, **kwargs):
    return networks.MADE((9, 9), activation="tanh", dtype=dtype, **kwargs)


def _tanh(dtype):
    return keras.layers.Dense(3, activation="tanh", dtype=dtype)


def _maf(law="affine", **kwargs):
    return lambda d: fb.MaskedAutoregressive(_made(d, **kwargs), law, dtype=d)


def _transformer(**kwargs):
    arguments = {"num_layers": 1, "width": 8, "num_heads": 2, "expansion": 2, **kwargs}
    return lambda d: fb.TransformerAutoregressive(**arguments, dtype=d)


def _attention_coupling(dtype):
    network = networks.GatedAttentionNet(4, 1, num_heads=2, dtype=dtype)
    return fb.MixtureLogisticCoupling(
        network, "columns", num_components=2, reverse=True, dtype=dtype
    )


AUTOREGRESSIVE_STEPS: dict[str, StepCase] = {
    "spline": StepCase(_spline(), (4,)),
    "spline_few_bins": StepCase(_spline(num_bins=2, bound=1.0, reverse=True), (5,)),
    "spline_alternating": StepCase(_spline(mask="alternating", bound=5.0), (5,)),
    "spline_array_mask": StepCase(_spline(mask=[0, 1, 1, 0]), (4,)),
    "mixture": StepCase(
        lambda d: fb.MixtureLogisticCoupling(_mlp(d), num_components=3, dtype=d), (4,)
    ),
    "mixture_attention": StepCase(_attention_coupling, (2, 4, 1)),
    "maf": StepCase(_maf(), (4,)),
    "maf_one": StepCase(
        _maf(),
        (1,),
        except_for={
            "gradients_reach_every_weight": "one input has none before it: only the "
            "last bias matters"
        },
    ),
    "maf_wide": StepCase(_maf(), (12,)),
    "maf_residual": StepCase(_maf(residual=True), (5,)),
    "maf_additive": StepCase(_maf("additive"), (4,)),
    "maf_exp": StepCase(_maf(fb.AffineLaw("exp")), (4,), extreme=3.0),
    "maf_spline": StepCase(_maf(fb.RationalQuadraticLaw(4)), (4,)),
    "given_first": StepCase(
        lambda d: fb.GivenFirst(_maf(context_dim=3)(d), 2, _tanh(d), dtype=d), (4,)
    ),
    "transformer": StepCase(_transformer(), (4, 2)),
    "transformer_reversed": StepCase(_transformer(reverse=True, num_layers=2), (3, 1)),
    "maf_mixture": StepCase(_maf(fb.MixtureLogisticLaw(3)), (3,)),
    "iaf": StepCase(
        lambda d: fb.InverseAutoregressive(_made(d), dtype=d),
        (4,),
    ),
}
