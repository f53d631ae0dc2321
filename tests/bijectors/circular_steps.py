"""Angles, alone and beside real elements: rows of the contract."""

from __future__ import annotations

import keras
import numpy as np

from tests.testing_utils import StepCase
from tfflows import bijectors as fb
from tfflows import networks


def angles(x):
    """Maps normals to angles in (-pi, pi)."""
    return 2.0 * np.arctan(2.0 * x)


def _mixed(*flags):
    return lambda x: np.where(flags, angles(x), x)


def _coupling(**kwargs):
    def make(dtype):
        network = networks.MLP((8,), activation="tanh", dtype=dtype)
        arguments = {"num_bins": 3, **kwargs}
        return fb.CircularSplineCoupling(network, dtype=dtype, **arguments)

    return make


def _autoregressive(**kwargs):
    def make(dtype):
        network = networks.MADE((9,), activation="tanh", dtype=dtype)
        return fb.CircularSplineAutoregressive(
            network, num_bins=2, dtype=dtype, **kwargs
        )

    return make


def _image(dtype):
    network = keras.layers.Conv2D(4, 3, padding="same", activation="tanh", dtype=dtype)
    return fb.CircularSplineCoupling(
        network, "checkerboard", num_bins=2, wrap=True, dtype=dtype
    )


# What the rows of splines and of autoregressive steps show as well.
_LONG = (
    "checkpoint",
    "mixed_precision",
    "in_a_dataset",
    "in_containers",
    "in_graph",
    "in_vectorized_map",
    "extras",
)
_MIXED = (True, False, False, True, True)
_THREE = (True, False, True)

CIRCULAR_STEPS: dict[str, StepCase] = {
    "circular": StepCase(
        _coupling(circular=_MIXED, mask="alternating", reverse=True),
        (5,),
        data=_mixed(*_MIXED),
        large=_LONG,
    ),
    "circular_all": StepCase(_coupling(), (4,), data=angles, large=("in_graph",)),
    "circular_array_mask": StepCase(
        _coupling(circular=_THREE, mask=[0, 1, 0]),
        (3,),
        data=_mixed(*_THREE),
        large=("in_graph",),
    ),
    "circular_image": StepCase(_image, (2, 2, 1), data=angles, large=("in_graph",)),
    "circular_autoregressive": StepCase(
        _autoregressive(circular=_THREE),
        (3,),
        data=_mixed(*_THREE),
        large=(*_LONG, "keras_model", "in_xla"),
    ),
}
