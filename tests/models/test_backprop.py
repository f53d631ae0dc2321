"""`Flow(..., backprop=)`: the same training, in less memory."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfflows
from tests.testing_utils import randomize
from tfflows.models import glow, nsf_multiscale, realnvp_multiscale

BENCHMARK = pathlib.Path(__file__).parents[2] / "benchmarks" / "backprop_memory.py"
TWINS = {
    # Wide enough for gradients by products, see `tfflows.backend.convolution`.
    "glow": lambda **kw: glow(
        (4, 4, 2), num_steps=2, num_levels=2, width=80, levels=256, num_classes=3, **kw
    ),
    "glow_shuffle": lambda **kw: glow(
        (4, 4, 1), num_steps=2, num_levels=1, width=6, permutation="shuffle", **kw
    ),
    "realnvp": lambda **kw: realnvp_multiscale(
        (4, 4, 1), num_levels=2, width=4, num_blocks=1, levels=16, **kw
    ),
    "nsf": lambda **kw: nsf_multiscale(
        (4, 4, 1), num_steps=2, num_levels=2, width=4, num_blocks=1, levels=16, **kw
    ),
}


def twins(name, backprop):
    """The stored model, and one of equal weights with that backprop."""
    flow = TWINS[name]()
    x, labels = batch(flow)
    flow.initialize(x, labels)
    randomize(flow, size=0.1)
    other = TWINS[name](backprop=backprop)
    other.set_weights(flow.get_weights())
    return flow, other


def batch(flow):
    rng = np.random.default_rng(0)
    shape = (8, *flow.event_shape)
    if flow.levels is None:
        x = rng.normal(size=shape).astype("float32")
    else:
        x = rng.integers(0, flow.levels, shape).astype("uint8")
    return x, None if flow.context_shape is None else np.arange(8) % 3


def gradients(flow, jit_compile=False):
    x, labels = batch(flow)
    y = flow.dequantize(x)

    @tf.function(jit_compile=jit_compile)
    def run(y):
        with tf.GradientTape() as tape:
            tape.watch(y)
            loss = tf.reduce_mean(flow._density.log_prob(y, labels))
        return tape.gradient(loss, [y, *(w.value for w in flow.trainable_weights)])

    return [gradient.numpy() for gradient in run(y)]


def check_same_gradients(name, backprop, jit_compile):
    stored, other = (gradients(f, jit_compile) for f in twins(name, backprop))
    for got, wanted in zip(other, stored, strict=True):
        assert np.linalg.norm(got - wanted) <= 1e-4 * np.linalg.norm(wanted)


def test_gradients_of_glow_are_those_of_storing():
    check_same_gradients("glow", "reversible", jit_compile=False)


@pytest.mark.large
@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("backprop", ["remat", "reversible"])
@pytest.mark.parametrize("name", TWINS)
def test_gradients_are_those_of_storing(name, backprop, jit_compile):
    check_same_gradients(name, backprop, jit_compile)


def test_a_model_keeps_its_backprop(tmp_path):
    stored, flow = twins("glow_shuffle", "reversible")
    flow.save(tmp_path / "flow.keras")
    loaded = keras.models.load_model(tmp_path / "flow.keras")
    assert loaded.backprop == flow.get_config()["backprop"] == "reversible"
    x, _ = batch(flow)
    np.testing.assert_allclose(loaded.log_prob(x), stored.log_prob(x), rtol=1e-5)
    z = stored.encode(x)
    np.testing.assert_allclose(loaded.decode(z), stored.decode(z), atol=1e-4)
    with pytest.raises(ValueError, match=r"backprop .*'reversible'.*got 'fast'"):
        tfflows.Flow(tfflows.bijectors.Scale(), (2,), backprop="fast")


@pytest.mark.large
def test_the_same_weights_on_two_replicas():
    code = """
import sys, numpy as np, tensorflow as tf, keras
cpu = tf.config.list_physical_devices("CPU")[0]
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, two)
from tfflows.models import glow
results = []
for devices in (["CPU:0"], ["CPU:0", "CPU:1"]):
    keras.utils.set_random_seed(0)
    with tf.distribute.MirroredStrategy(devices).scope():
        flow = glow((4, 4, 1), num_steps=2, num_levels=1, width=6, dtype="float64",
                    backprop="reversible")
        x = np.random.default_rng(0).normal(size=(32, 4, 4, 1))
        flow.initialize(x)
        flow.compile(keras.optimizers.SGD(1e-2))
    history = flow.fit(x, batch_size=8, epochs=2, shuffle=False, verbose=0)
    results.append([np.array(history.history["loss"]), *flow.get_weights()])
for i, (one, two) in enumerate(zip(*results, strict=True)):
    rtol = 1e-9 if i else 1e-6  # the losses of the history are float32
    np.testing.assert_allclose(two, one, rtol=rtol, atol=1e-12)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.large
def test_memory_hardly_grows_with_depth():
    if not BENCHMARK.exists():
        pytest.skip("needs the checkout")

    def activations(backprop, depth):
        command = [sys.executable, str(BENCHMARK), "--measure", "--steps", "1"]
        command += ["--backprops", backprop, "--depths", str(depth)]
        peaks = [
            json.loads(
                subprocess.run(
                    [*command, "--batch_size", size],
                    check=True,
                    stdout=subprocess.PIPE,
                    text=True,
                ).stdout.splitlines()[-1]
            )["peak"]
            for size in ("96", "1")
        ]
        return peaks[0] - peaks[1]

    stored, reversible = (
        [activations(backprop, depth) for depth in (4, 32)]
        for backprop in ("stored", "reversible")
    )
    assert stored[1] > 4 * stored[0]
    assert reversible[1] < 1.3 * reversible[0]
    assert reversible[1] < 0.2 * stored[1]
