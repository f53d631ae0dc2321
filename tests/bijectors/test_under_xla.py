"""XLA compiles a step's gradients once for a shape, not anew for other values."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.tsl.profiler.protobuf import xplane_pb2

import tfflows
from tests.testing_utils import randomize
from tfflows import bijectors as fb
from tfflows import networks


def compilations(function, folder):
    """How many programs XLA compiled while the function ran."""
    with tf.profiler.experimental.Profile(str(folder)):
        function()
    (file,) = folder.rglob("*.xplane.pb")
    space = xplane_pb2.XSpace.FromString(file.read_bytes())
    names = [
        plane.event_metadata[event.metadata_id].name
        for plane in space.planes
        for line in plane.lines
        for event in line.events
    ]
    return sum("Compiler::RunBackend" in name for name in names)


AROUND = {
    "stored": fb.Chain,
    "remat": lambda steps: fb.RecomputedChain(steps, backprop="remat"),
    "reversible": fb.RecomputedChain,
}


def repeated_couplings():
    coupling = fb.AffineCoupling(networks.MLP((4,)))
    return fb.Repeated(fb.Chain([coupling, fb.Permute([1, 2, 0])]), 3)


@pytest.mark.parametrize("backprop", AROUND)
def test_repeated_couplings_are_compiled_once(backprop, tmp_path):
    step = AROUND[backprop]([repeated_couplings()])
    step.build((None, 3))
    randomize(step)

    @tf.function(jit_compile=True)
    def gradients(x):
        with tf.GradientTape() as tape:
            z, log_det = step.inverse_and_log_det(x)
            loss = tf.reduce_sum(z**2) - tf.reduce_sum(log_det)
        return tape.gradient(loss, [weight.value for weight in step.trainable_weights])

    rng = np.random.default_rng(0)
    first, other = tf.constant(rng.standard_normal((2, 5, 3)), tf.float32)
    assert compilations(lambda: gradients(first), tmp_path / "first") == 1
    assert compilations(lambda: gradients(other), tmp_path / "other values") == 0
    randomize(step, seed=2)
    assert compilations(lambda: gradients(other), tmp_path / "other weights") == 0


@pytest.mark.parametrize("steps_per_execution", [1, 2])
def test_training_is_compiled_once(steps_per_execution, tmp_path):
    flow = tfflows.Flow(repeated_couplings(), (3,))
    x = np.random.default_rng(0).standard_normal((32, 3)).astype("float32")
    flow.initialize(x)
    settings = {"jit_compile": True, "steps_per_execution": steps_per_execution}
    flow.compile("adam", **settings)

    def fit():
        flow.fit(x, batch_size=8, verbose=0)

    assert compilations(fit, tmp_path / "first") >= 1
    assert compilations(fit, tmp_path / "again") == 0
