"""Small flows, their exports, and the one process that runs all of these.

That process has no TensorFlow Python: it answers as TF Serving would.
"""

import contextlib
import sys
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfflows import Flow, bijectors, distributions, models, networks
from tfflows.export import export_saved_model
from tfflows.export.c_api_client import CApiWorker
from tfflows.export.writing import trial
from tfflows.export.writing.description import describe
from tfflows.export.writing.flow_signatures import flow_endpoints
from tfflows.export.writing.info import info_endpoint
from tfflows.provenance import Provenance


@pytest.fixture(scope="session")
def worker():
    if sys.platform != "linux":
        pytest.skip("only the Linux wheels of tensorflow have the C API")
    with CApiWorker() as worker:
        yield worker


REAL_OPEN_WORKER = trial.open_worker


@pytest.fixture(scope="session", autouse=True)
def _exports_are_verified_by_the_same_worker(request):
    if sys.platform != "linux":
        yield
        return
    worker = request.getfixturevalue("worker")
    with pytest.MonkeyPatch.context() as patch:

        def open_worker(xla=False):
            return REAL_OPEN_WORKER(xla) if xla else contextlib.nullcontext(worker)

        patch.setattr(trial, "open_worker", open_worker)
        yield


@pytest.fixture
def own_worker(monkeypatch):
    """Exports start a worker of their own, as outside of these tests."""
    monkeypatch.setattr(trial, "open_worker", REAL_OPEN_WORKER)


class Export(NamedTuple):
    flow: keras.Model
    data: np.ndarray
    path: Path
    contexts: np.ndarray | None = None

    def context(self, rows):
        """The input `context` of that many rows, of the row of that slice or list."""
        if self.contexts is None:
            return {}
        rows = slice(rows) if isinstance(rows, int) else rows
        return {"context": self.contexts[rows]}

    def one_context(self):
        return {} if self.contexts is None else {"context": self.contexts[0]}


def trained_like(flow, data, context=None):
    """Initialises a flow and moves its weights from where they start."""
    if data is not None:
        flow.initialize(data if context is None else {"x": data, "context": context})
    for seed, weight in enumerate(flow.trainable_variables):
        noise = tf.random.stateless_normal(weight.shape, [seed, 0], stddev=0.05)
        weight.assign_add(tf.cast(noise, weight.dtype))
    return flow


def plane_flow():
    data = np.random.default_rng(1).normal([1, -2], [3, 0.5], [64, 2])
    flow = models.realnvp((2,), num_couplings=2, hidden_units=(8,), standardize=True)
    return trained_like(flow, data.astype(np.float32)), data.astype(np.float32)


def digits_flow():
    shape = (64, 8, 8, 1)
    data = np.random.default_rng(2).integers(0, 17, shape).astype(np.uint8)
    flow = models.realnvp((8, 8, 1), num_couplings=2, hidden_units=(8,), levels=17)
    return trained_like(flow, data), data


def nice_flow():
    data = np.random.default_rng(3).normal(size=[64, 3]).astype(np.float32)
    flow = models.nice((3,), num_couplings=2, hidden_units=(8,))
    return trained_like(flow, data), data


def images(*shape):
    return np.random.default_rng(4).integers(0, 64, [64, *shape]).astype(np.uint8)


def glow_flow():
    # Wide enough for gradients by products, see `tfflows.backend.convolution`.
    flow = models.glow((4, 4, 1), num_steps=2, num_levels=2, width=40, levels=64)
    return trained_like(flow, images(4, 4, 1)), images(4, 4, 1)


def realnvp_multiscale_flow():
    flow = models.realnvp_multiscale((4, 6, 3), width=4, num_blocks=1, levels=64)
    return trained_like(flow, images(4, 6, 3)), images(4, 6, 3)


def class_glow_flow():
    flow = models.glow(
        (4, 4, 1),
        num_steps=1,
        num_levels=1,
        width=8,
        levels=64,
        num_classes=3,
        classifier_weight=0.01,
    )
    labels = np.arange(64, dtype=np.int32) % 3
    return trained_like(flow, images(4, 4, 1), labels), images(4, 4, 1), labels


def image_context_flow():
    """Points whose law depends on an image."""
    layers = [keras.layers.Rescaling(1 / 64), keras.layers.Flatten()]
    steps = [
        bijectors.AffineCoupling(networks.MLP((8,), context_dim=3), reverse=reverse)
        for reverse in (False, True)
    ]
    flow = Flow(
        bijectors.Chain(steps),
        (2,),
        context_shape=(4, 4, 1),
        context_dtype="uint8",
        context_network=keras.Sequential([*layers, keras.layers.Dense(3)]),
        name="image_context",
    )
    data = np.random.default_rng(5).normal(size=[64, 2]).astype(np.float32)
    return trained_like(flow, data, images(4, 4, 1)), data, images(4, 4, 1)


def autoregressive_flow():
    """Splines element by element, batch normalisation, and a base with a context."""
    law = bijectors.RationalQuadraticLaw(4)
    network = networks.MADE((8,), context_dim=2)
    steps = [
        bijectors.MaskedAutoregressive(network, law),
        bijectors.BatchNormalization(),
    ]
    base = distributions.ConditionalNormal(3, 2)
    flow = Flow(
        bijectors.Chain(steps), (3,), base=base, context_shape=2, name="autoregressive"
    )
    data = np.random.default_rng(6).normal(size=[64, 5]).astype(np.float32)
    return trained_like(flow, data[:, :3], data[:, 3:]), data[:, :3], data[:, 3:]


@pytest.fixture(scope="session")
def scale_flow():
    """The smallest flow, for what does not depend on the flow."""
    flow = Flow(bijectors.Scale(), (2,))
    return trained_like(flow, np.ones([4, 2], np.float32))


MAKERS = {
    "plane": plane_flow,
    "digits": digits_flow,
    "nice": nice_flow,
    "glow": glow_flow,
    "realnvp_multiscale": realnvp_multiscale_flow,
    "class_glow": class_glow_flow,
    "image_context": image_context_flow,
    "autoregressive": autoregressive_flow,
}


# Beside `plane`, which is a flow of vectors too.
LARGE = ("nice",)


@pytest.fixture(
    scope="session",
    params=[
        pytest.param(name, marks=pytest.mark.large if name in LARGE else ())
        for name in MAKERS
    ],
)
def export(request, tmp_path_factory):
    flow, data, *contexts = MAKERS[request.param]()
    folder = tmp_path_factory.mktemp(request.param)
    # Verified in test_warmup.py, once, and not in each of xdist's processes.
    path = export_saved_model(flow, folder, verify=False)
    return Export(flow, data[:5], path, *contexts)


def try_out(export):
    """Verifies an export of the table and writes its warm-up requests."""
    description = describe(export.flow, 1, Provenance())
    endpoints = flow_endpoints(export.flow)
    endpoints["info"] = info_endpoint(description)
    exports = {export.path: list(endpoints)}
    trial.try_out(export.flow, endpoints, description, exports)


@pytest.fixture(scope="session")
def scale_export(scale_flow, tmp_path_factory):
    """The folder of all versions of `scale_flow`."""
    folder = tmp_path_factory.mktemp("scale")
    export_saved_model(scale_flow, folder)
    return folder
