"""Trains small models in one process and prints what should not depend on replicas.

Called by test_replicas.py:
`python -m tests.training.replicas STRATEGY,... CPU_DEVICES FAMILY...`
"""

from __future__ import annotations

import hashlib
import json
import sys

import keras
import numpy as np
import tensorflow as tf

import tfflows
from tfflows import bijectors, networks, preprocessing, training

# 32 + 32 + 1: the last batch leaves a second replica without an example.
EXAMPLES, BATCH, EPOCHS = 65, 32, 7


def nice():
    return tfflows.models.nice((8, 8, 1), levels=17, hidden_units=(16,))


def realnvp():
    return tfflows.models.realnvp(
        (8, 8, 1), levels=17, num_couplings=2, hidden_units=(16,)
    )


def glow():
    return tfflows.models.glow(
        (8, 8, 1), levels=17, num_steps=2, num_levels=2, width=8, dtype="float64"
    )


def flow_vae():
    return tfflows.models.vae(
        (8, 8, 1), levels=17, latent_dim=4, hidden_units=(16,), posterior="planar"
    )


def batch_normalization():
    steps = [
        bijectors.BatchNormalization(),
        bijectors.AffineCoupling(networks.MLP((16,))),
        bijectors.BatchNormalization(),
    ]
    flatten = bijectors.Flatten()
    return tfflows.Flow(
        bijectors.Chain([flatten, *steps], event_ndims=3),
        (8, 8, 1),
        preprocessing=preprocessing.Dequantization(17),
    )


def batch_normalized_images():
    return tfflows.models.realnvp_multiscale(
        (8, 8, 1), levels=17, width=4, num_blocks=1, normalization="batch"
    )


FAMILIES = {
    make.__name__: make
    for make in (
        nice,
        realnvp,
        glow,
        flow_vae,
        batch_normalization,
        batch_normalized_images,
    )
}


def data() -> dict[str, np.ndarray]:
    x = tfflows.data.load("digits").arrays("train", limit=EXAMPLES)
    weight = np.random.default_rng(0).uniform(0.5, 1.5, EXAMPLES).astype("float32")
    return {"x": x, "sample_weight": weight}  # without index: `fit` has to number them


def figures(strategy: tf.distribute.Strategy, family: str) -> dict:
    keras.utils.set_random_seed(0)
    batches = tf.data.Dataset.from_tensor_slices(data()).shuffle(99, seed=1)
    with strategy.scope():
        model = FAMILIES[family]()
        model.initialize(data()["x"])
        # A clip that acts: the global gradient is clipped, not each replica's share.
        model.compile(keras.optimizers.Adam(1e-3, global_clipnorm=1.0))
    losses = []
    record = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: losses.append(float(logs["loss"]))
    )
    model.fit(batches.batch(BATCH), epochs=EPOCHS, callbacks=[record], verbose=0)
    require_left_out(model)
    for weight in model.weights:
        first, *others = strategy.experimental_local_results(weight.value)
        for other in others:
            np.testing.assert_array_equal(other.numpy(), first.numpy())
    return {
        "losses": losses,
        "evaluation": model.evaluate(
            data(), batch_size=BATCH, verbose=0, return_dict=True
        ),
        "weights": digest(model),
    }


def require_left_out(model: keras.Model) -> None:
    """A batch whose loss is not finite, for one of its examples, changes no replica."""
    bad = {key: value[:BATCH] for key, value in data().items()}
    bad["sample_weight"] = bad["sample_weight"].astype(model.compute_dtype)
    bad["sample_weight"][0] = np.finfo(model.compute_dtype).max
    before, steps = digest(model), int(model.optimizer.iterations.numpy())
    model.fit(tf.data.Dataset.from_tensor_slices(bad).batch(BATCH), verbose=0)
    assert model.skipped_steps.total.numpy() == 1
    assert int(model.optimizer.iterations.numpy()) == steps
    assert digest(model) == before


def digest(model: keras.Model) -> str:
    everything = b"".join(weight.numpy().tobytes() for weight in model.weights)
    return hashlib.sha256(everything).hexdigest()


def main(names: str, cpu_devices: str, *families: str) -> None:
    training.set_cpu_devices(int(cpu_devices))
    results: dict[str, dict] = {}
    for name in names.split(","):
        strategy = training.make_strategy(name)
        results[name] = {}
        for family in families:
            results[name][family] = figures(strategy, family)
            print(name, family, results[name][family], file=sys.stderr, flush=True)
    print(json.dumps(results))


if __name__ == "__main__":
    main(*sys.argv[1:])
