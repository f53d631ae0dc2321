"""The steps of image flows, for the contract's table."""

from __future__ import annotations

import keras
import tensorflow as tf

from tests.testing_utils import StepCase
from tfflows import bijectors as fb
from tfflows import networks


def _conv_coupling(dtype, **kwargs):
    return fb.AffineCoupling(
        networks.ConvNet(6, dtype=dtype),
        mask="channel",
        head="glow",
        dtype=dtype,
        **kwargs,
    )


def _glow_step(dtype):
    return fb.Chain(
        [
            fb.ActNorm(dtype=dtype),
            fb.Invertible1x1Conv(dtype=dtype),
            _conv_coupling(dtype, log_scale="sigmoid"),
        ],
        event_ndims=3,
        dtype=dtype,
    )


def _repeated(dtype):
    return fb.Repeated(_glow_step(dtype), 2, dtype=dtype)


def _level(dtype):
    return fb.Chain([fb.Squeeze(dtype=dtype), _glow_step(dtype)], dtype=dtype)


def _plain_level(dtype):
    return fb.Chain(
        [
            fb.Squeeze(dtype=dtype),
            fb.ActNorm(dtype=dtype),
            fb.Permute("shuffle", dtype=dtype),
        ],
        dtype=dtype,
    )


def _multiscale(num_levels, level=_level, **kwargs):
    return lambda d: fb.Multiscale(
        [level(d) for _ in range(num_levels)], dtype=d, **kwargs
    )


def _residual_coupling(dtype):
    return fb.AffineCoupling(
        networks.ConvResNet(4, num_blocks=2, dtype=dtype),
        mask="checkerboard",
        head="weight_norm",
        dtype=dtype,
    )


@keras.saving.register_keras_serializable("tests")
class LabelledChain(fb.Chain):
    """A chain whose rows have the labels 0, 1, 2, 0, ...: the contract knows none."""

    def _labels(self, value):
        return tf.range(tf.shape(value)[0]) % 3

    def _forward_and_log_det(self, z, context=None):
        return super()._forward_and_log_det(z, self._labels(z))

    def _inverse_and_log_det(self, x, context=None):
        return super()._inverse_and_log_det(x, self._labels(x))


def _class_affine(dtype):
    return LabelledChain([fb.ClassAffine(3, dtype=dtype)], dtype=dtype)


_REGROUPED = dict.fromkeys(
    (
        "in_vectorized_map",
        "all_in_vectorized_map",
        "in_containers",
        "in_joint_distributions",
        "in_a_dataset",
        "in_an_auto_batched_container",
        "samples_of_containers",
        "in_containers_of_a_graph",
    ),
    "the labels are those of places in a batch, which is regrouped there",
)


IMAGE_STEPS: dict[str, StepCase] = {
    "squeeze": StepCase(lambda d: fb.Squeeze(dtype=d), (2, 4, 1)),
    "squeeze_by_three": StepCase(lambda d: fb.Squeeze(3, dtype=d), (6, 3, 2)),
    "patches": StepCase(lambda d: fb.Patches(2, dtype=d), (4, 2, 3)),
    "patches_of_a_pixel": StepCase(lambda d: fb.Patches(1, dtype=d), (2, 3, 1)),
    "invertible_conv": StepCase(lambda d: fb.Invertible1x1Conv(dtype=d), (2, 3, 4)),
    "invertible_conv_vector": StepCase(lambda d: fb.Invertible1x1Conv(dtype=d), (3,)),
    "invertible_conv_one_channel": StepCase(
        lambda d: fb.Invertible1x1Conv(dtype=d), (2, 2, 1)
    ),
    "invertible_conv_free": StepCase(
        lambda d: fb.Invertible1x1Conv("free", dtype=d), (2, 2, 3)
    ),
    "class_affine": StepCase(_class_affine, (3,), except_for=_REGROUPED),
    "class_affine_image": StepCase(_class_affine, (2, 3, 2), except_for=_REGROUPED),
    "coupling_convnet": StepCase(_conv_coupling, (3, 2, 3)),
    "coupling_conv_resnet": StepCase(_residual_coupling, (3, 2, 1)),
    "repeated": StepCase(_repeated, (2, 2, 2)),
    "multiscale": StepCase(_multiscale(2), (4, 4, 1)),
    "multiscale_no_priors": StepCase(
        _multiscale(2, _plain_level, split_priors=False), (4, 4, 1)
    ),
    "multiscale_one": StepCase(_multiscale(1), (2, 4, 1)),
}
