"""A tiny twin of each architecture, and data for registered models."""

import keras
import numpy as np

from tests.export.conftest import autoregressive_flow, image_context_flow, trained_like
from tests.small_twin import small_twin
from tfflows import Flow, bijectors

REGISTERED = (
    "nice_digits",
    "realnvp_two_moons",
    "realnvp_digits",
    "realnvp_digits_multiscale",
    "realnvp_linear_gaussian",  # conditional
    "flow_matching_two_moons",
    "residual_flow_two_moons",
    "glow_digits",
    "glow_digits_classes",
    "glow_miniboone",  # dense
    "flowpp_digits",
    "nsf_multiscale_digits",
    "tarflow_digits_classes",
    "maf_two_moons",
    "maf_hepmass",
    "iaf_two_moons",
    "nsf_two_moons",
    "nsf_sbi_two_moons",  # conditional
    "nsf_ar_two_moons",
    "vae_digits",
    "planar_vae_digits",
    "sylvester_vae_h_digits",
    "sylvester_vae_o_digits",
    "sylvester_vae_t_digits",
    "realnvp_vae_digits",
    "iaf_vae_digits",
    "flowprior_vae_digits",
)


def planar_flow():
    """A flow that only samples."""
    steps = [bijectors.Planar(), bijectors.Radial(), bijectors.TriangularSylvester()]
    return trained_like(Flow(bijectors.Chain(steps), (3,)), None), None


# Contexts that are images or vectors, a base with a context; no inverse.
OTHERS = {
    "image_context": image_context_flow,
    "autoregressive": autoregressive_flow,
    "planar": planar_flow,
}
NAMES = (*REGISTERED, *OTHERS)


def twin(name):
    """A small model with weights away from their start."""
    keras.utils.set_random_seed(0)
    if name in OTHERS:
        return OTHERS[name]()[0]
    model = small_twin(name)
    return trained_like(model, *data_of(model))


def data_of(model, rows=32):
    """Random data that a model can be initialised with, and a context or None."""
    rng = np.random.default_rng(0)
    shape = (rows, *model.event_shape)
    if model.levels is None:
        x = rng.normal(size=shape).astype(np.float32)
    else:
        x = rng.integers(model.levels, size=shape).astype(np.uint8)
    conditioning = getattr(model, "conditioning", None)
    if conditioning is None or conditioning.context_shape is None:
        return x, None
    shape = (rows, *conditioning.context_shape)
    if conditioning.context_dtype.is_floating:
        return x, rng.normal(size=shape).astype(np.float32)
    return x, (np.arange(np.prod(shape)) % 10).reshape(shape).astype(np.int32)
