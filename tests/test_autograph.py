"""A user's `tf.function` leaves the library's code as it is."""

from __future__ import annotations

import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfflows
from tfflows import bijectors as fb


class Watching(keras.layers.Dense):
    """Remembers the files of the code that calls it."""

    callers: frozenset[str] = frozenset()

    def call(self, inputs):
        self.callers = frozenset(frame.filename for frame in inspect.stack(context=0))
        return super().call(inputs)


def coupling_and_watcher():
    watcher = Watching(3, dtype="float32")
    step = fb.Chain([fb.ActNorm(), fb.AffineCoupling(watcher)])
    step.build((None, 4))
    return step, watcher


def flow_and_watcher():
    step, watcher = coupling_and_watcher()
    flow = tfflows.Flow(step, event_shape=(4,))
    flow.initialize(np.random.default_rng(0).normal(size=(8, 4)))
    return flow, watcher


def vae_and_watcher():
    watcher = Watching(4)
    vae = tfflows.FlowVAE(Watching(3), watcher, latent_dim=2)
    vae.initialize(np.zeros((8, 4)))
    return vae, watcher


X = np.random.default_rng(0).integers(0, 2, (5, 4)).astype("float32")
STEP = ("__call__", "forward", "inverse", "forward_and_log_det")
CASES = [
    *((coupling_and_watcher, method, X) for method in STEP),
    (coupling_and_watcher, "inverse_log_det_jacobian", X),
    *((flow_and_watcher, method, X) for method in ("log_prob", "encode", "decode")),
    (flow_and_watcher, "sample", 5),
    (vae_and_watcher, "elbo", X),
    (vae_and_watcher, "sample", 5),
]


@pytest.mark.parametrize(("make", "method", "argument"), CASES)
def test_nothing_of_ours_is_rewritten(make, method, argument):
    owner, watcher = make()
    watcher.callers = frozenset()
    tf.function(getattr(owner, method))(argument)
    assert "flow" in "".join(watcher.callers)
    assert not [name for name in watcher.callers if "__autograph_generated" in name]


def test_the_users_own_function_still_is():
    flow, watcher = flow_and_watcher()

    @tf.function
    def density(x):
        if tf.reduce_sum(x) > 1e9:
            x = tf.zeros_like(x)
        return flow.log_prob(x)

    found = density(X)
    written = [name for name in watcher.callers if "__autograph_generated" in name]
    assert len(written) == 1
    np.testing.assert_allclose(found, flow.log_prob(X), rtol=1e-5)
