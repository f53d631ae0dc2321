"""Every flow step, with edge rows: what the contract runs over."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import bijectors as tfb

from tests.bijectors.autoregressive_steps import AUTOREGRESSIVE_STEPS
from tests.bijectors.circular_steps import CIRCULAR_STEPS
from tests.bijectors.continuous_steps import CONTINUOUS_STEPS
from tests.bijectors.image_steps import IMAGE_STEPS
from tests.bijectors.residual_steps import RESIDUAL_STEPS
from tests.bijectors.variational_steps import VARIATIONAL_STEPS
from tests.testing_utils import StepCase
from tfflows import bijectors as fb
from tfflows import networks


def _mlp(dtype):
    return networks.MLP((8,), activation="tanh", dtype=dtype)


def _conv(dtype):
    return keras.layers.Conv2D(6, 3, padding="same", activation="tanh", dtype=dtype)


def _bounded(x):
    above, below, between, free = np.moveaxis(x, -1, 0)
    columns = (np.exp(above), 2.0 - np.exp(below), -1.0 + 4.0 * _sigmoid(between), free)
    return np.stack(columns, axis=-1)


def _affine(log_scale="tanh", **kwargs):
    return lambda d: fb.AffineCoupling(_mlp(d), log_scale=log_scale, dtype=d, **kwargs)


def _image(mask, head="auto", reverse=False):
    return lambda d: fb.AffineCoupling(
        _conv(d), mask=mask, head=head, reverse=reverse, dtype=d
    )


def _sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def _chain(dtype):
    return fb.Chain(
        [
            fb.ActNorm(dtype=dtype),
            fb.AffineCoupling(_mlp(dtype), dtype=dtype),
            fb.Permute(dtype=dtype),
            fb.AdditiveCoupling(_mlp(dtype), reverse=True, dtype=dtype),
            fb.Scale(dtype=dtype),
        ],
        dtype=dtype,
    )


def _image_chain(dtype):
    return fb.Chain(
        [
            fb.ActNorm(dtype=dtype),
            fb.Flatten(dtype=dtype),
            fb.AffineCoupling(_mlp(dtype), mask="alternating", dtype=dtype),
        ],
        event_ndims=3,
        dtype=dtype,
    )


def _tfp(dtype):
    real = {"float64": tf.float64}.get(dtype, tf.float32)
    scale = tf.Variable(np.array([0.5, 2.0, -1.5]), dtype=real)
    return fb.TFPStep(
        tfb.Chain([tfb.Shift(tf.ones(3, real)), tfb.Scale(scale)]), dtype=dtype
    )


STEPS: dict[str, StepCase] = {
    "scale": StepCase(lambda d: fb.Scale(dtype=d), (3,)),
    "scale_image": StepCase(lambda d: fb.Scale(dtype=d), (2, 3, 2)),
    "rescale": StepCase(lambda d: fb.Rescale(-2.0, 5.0, dtype=d), (3,)),
    "logit": StepCase(lambda d: fb.Logit(dtype=d), (3,), data=_sigmoid),
    "logit_levels": StepCase(
        lambda d: fb.Logit(0.05, 0.0, 256.0, dtype=d),
        (2, 2, 1),
        data=lambda x: 256.0 * _sigmoid(x),
    ),
    "bounded": StepCase(
        lambda d: fb.Bounded([0, None, -1, None], [None, 2, 3, None], dtype=d),
        (4,),
        data=_bounded,
    ),
    "bounded_images": StepCase(
        lambda d: fb.Bounded(0.0, 1.0, dtype=d), (2, 2, 1), data=_sigmoid
    ),
    "actnorm": StepCase(lambda d: fb.ActNorm(dtype=d), (3,)),
    "actnorm_image": StepCase(lambda d: fb.ActNorm(dtype=d), (2, 3, 2)),
    "batch_norm": StepCase(lambda d: fb.BatchNormalization(dtype=d), (3,)),
    "batch_norm_image": StepCase(
        lambda d: fb.BatchNormalization(epsilon=0.1, dtype=d), (2, 3, 2)
    ),
    "standardize": StepCase(lambda d: fb.Standardize(dtype=d), (3,)),
    "permute": StepCase(lambda d: fb.Permute(dtype=d), (5,)),
    "permute_shuffle": StepCase(
        lambda d: fb.Permute("shuffle", seed=3, dtype=d), (2, 2, 4)
    ),
    "permute_indices": StepCase(lambda d: fb.Permute([2, 0, 1], dtype=d), (3,)),
    "flatten": StepCase(lambda d: fb.Flatten(dtype=d), (2, 3, 2)),
    "additive": StepCase(lambda d: fb.AdditiveCoupling(_mlp(d), dtype=d), (4,)),
    "additive_two": StepCase(
        lambda d: fb.AdditiveCoupling(_mlp(d), reverse=True, dtype=d), (2,)
    ),
    "affine_tanh": StepCase(_affine(), (4,)),
    "affine_sigmoid": StepCase(_affine("sigmoid"), (5,)),
    "affine_exp": StepCase(_affine("exp", reverse=True), (5,)),
    "affine_alternating": StepCase(_affine(mask="alternating"), (4,)),
    "affine_alternating_odd": StepCase(_affine(mask="alternating", reverse=True), (5,)),
    "affine_array_mask": StepCase(_affine(mask=[1, 0, 0, 1, 0]), (5,)),
    "affine_glow_head": StepCase(_affine(head="glow"), (4,)),
    "affine_weight_norm": StepCase(_affine(head="weight_norm"), (4,)),
    "affine_resnet": StepCase(
        lambda d: fb.AffineCoupling(
            networks.ResNet(8, num_blocks=2, activation="tanh", dtype=d), dtype=d
        ),
        (4,),
    ),
    "coupling_law_object": StepCase(
        lambda d: fb.Coupling(fb.AffineLaw("exp"), _mlp(d), dtype=d), (4,)
    ),
    "image_checkerboard": StepCase(_image("checkerboard"), (4, 3, 2)),
    "image_checkerboard_reverse": StepCase(
        _image("checkerboard", reverse=True), (2, 4, 1)
    ),
    "image_channel": StepCase(_image("channel"), (2, 2, 4)),
    "image_channel_glow_odd": StepCase(_image("channel", head="glow"), (2, 2, 3)),
    "image_channel_weight_norm": StepCase(
        _image("channel", head="weight_norm", reverse=True), (2, 2, 4)
    ),
    "chain": StepCase(_chain, (4,)),
    "chain_changes_shape": StepCase(_image_chain, (2, 2, 2)),
    "recomputed_chain": StepCase(
        lambda d: fb.RecomputedChain(_chain(d).steps, dtype=d), (4,)
    ),
    "invert": StepCase(
        lambda d: fb.Invert(fb.AffineCoupling(_mlp(d), dtype=d), dtype=d), (4,)
    ),
    "tfp_step": StepCase(_tfp, (3,)),
    "tfp_softplus": StepCase(
        lambda d: fb.TFPStep(tfb.Softplus(), dtype=d),
        (3,),
        data=lambda x: np.log1p(np.exp(x)),
    ),
}
STEPS |= AUTOREGRESSIVE_STEPS
STEPS |= CIRCULAR_STEPS
STEPS |= CONTINUOUS_STEPS
STEPS |= IMAGE_STEPS
STEPS |= RESIDUAL_STEPS
STEPS |= VARIATIONAL_STEPS

# Where a check is too long for every row.
ONE_PER_CLASS = (
    "scale",
    "rescale",
    "logit",
    "bounded",
    "actnorm",
    "batch_norm",
    "standardize",
    "permute",
    "flatten",
    "additive",
    "affine_tanh",
    "coupling_law_object",
    "chain",
    "recomputed_chain",
    "invert",
    "tfp_step",
    "continuous",
    "residual",
    "spline",
    "circular",
    "circular_autoregressive",
    "mixture",
    "maf",
    "iaf",
    "given_first",
    "transformer",
    "squeeze",
    "patches",
    "invertible_conv",
    "class_affine",
    "repeated",
    "multiscale",
    "planar",
    "planar_amortized",
    "radial",
    "sylvester_orthogonal",
    "sylvester_householder",
)
