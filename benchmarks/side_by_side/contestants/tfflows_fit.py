"""tfflows, as its user runs it: `model.fit` on a `tf.data` pipeline."""

from __future__ import annotations

import importlib.metadata
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import tfflows
from side_by_side.workloads import Workload
from tfflows.bijectors import (
    AffineCoupling,
    Chain,
    Planar,
    RationalQuadraticCoupling,
    Repeated,
)
from tfflows.data.pipelines import ArraySource
from tfflows.data.source import DataInfo, Examples
from tfflows.models import glow, maf
from tfflows.networks import MLP

# Where XLA is the faster way on two cores;
# see docs/results/performance_log.md.
XLA = {
    "realnvp": ("train", "log_prob", "sample"),
    "glow": ("log_prob", "sample"),
    "spline": (),
    "maf": ("train", "sample"),
    "planar_vae": ("train", "log_prob", "sample"),
}


# Steps of one loop; the JAX contestants take all steps of a round in one.
STEPS_PER_EXECUTION = 50


class Fit:
    """A model under `fit`."""

    def __init__(self, workload: Workload, model: keras.Model) -> None:
        self._workload, self._model = workload, model
        x = workload.data()
        model.initialize(x[: workload.batch_size])
        model.compile(
            keras.optimizers.Adam(workload.learning_rate),
            jit_compile="train" in XLA[workload.name],
            steps_per_execution=min(STEPS_PER_EXECUTION, workload.train_steps),
        )
        self._batches = shuffled_batches(x, workload.batch_size)

    def num_parameters(self) -> int:
        """Numbers that training changes."""
        return sum(int(np.prod(w.shape)) for w in self._model.trainable_weights)

    def train(self, steps: int) -> float:
        """One epoch of `fit`."""
        history = self._model.fit(
            self._batches, steps_per_epoch=steps, epochs=1, verbose=0
        ).history
        return float(history.get("loss", history.get("elbo"))[-1])


class DensityFit(Fit):
    """A model that also has densities, of a VAE one draw of the ELBO, and samples."""

    def __init__(self, workload: Workload, model: Any) -> None:
        super().__init__(workload, model)
        self._events = tf.constant(workload.data()[: workload.num_events])

        def log_prob(x: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
            return model.elbo(x, seed=seed) if _is_vae(model) else model.log_prob(x)

        xla = XLA[workload.name]
        self._log_prob = tf.function(log_prob, jit_compile="log_prob" in xla)
        self._sample = tf.function(
            lambda seed: model.sample(workload.num_events, seed=seed),
            jit_compile="sample" in xla,
        )
        self._draws = 0

    def _seed(self) -> tf.Tensor:
        self._draws += 1
        return tf.constant([0, self._draws])

    def log_prob(self) -> np.ndarray:
        """In a `tf.function`."""
        return self._log_prob(self._events, self._seed()).numpy()

    def sample(self) -> np.ndarray:
        """In a `tf.function`."""
        return self._sample(self._seed()).numpy()


class GlowBuild:
    """From nothing to the graph of a density and its gradients."""

    def __init__(self, workload: Workload) -> None:
        self._workload, self._parameters = workload, 0

    def num_parameters(self) -> int:
        """Numbers that training changes; 0 before `build`."""
        return self._parameters

    def build(self) -> np.ndarray:
        """The number of operations of the graph."""
        workload = self._workload
        flow = glow(workload.event_shape, **workload.model)
        self._parameters = sum(int(np.prod(w.shape)) for w in flow.trainable_weights)
        shape = (workload.batch_size, *workload.event_shape)

        @tf.function
        def gradients(x: tf.Tensor) -> list[tf.Tensor]:
            with tf.GradientTape() as tape:
                loss = -tf.reduce_mean(flow(x))
            return tape.gradient(loss, [w.value for w in flow.trainable_weights])

        graph = gradients.get_concrete_function(tf.TensorSpec(shape)).graph
        functions = graph.as_graph_def().library.function
        inner = sum(len(function.node_def) for function in functions)
        return np.array(len(graph.get_operations()) + inner)


def shuffled_batches(x: np.ndarray, batch_size: int) -> tf.data.Dataset:
    """Batches without end, each epoch in its own order."""
    info = DataInfo("benchmark", x.shape[1:], "float32", None, {"train": len(x)})
    source = ArraySource(info, lambda split: Examples(x))
    return source.training_batches(batch_size)


def versions() -> dict[str, str]:
    """What was measured."""
    names = ("tfflows", "tensorflow", "keras")
    return {name: importlib.metadata.version(name) for name in names}


def _realnvp(workload: Workload) -> tfflows.Flow:
    return _couplings(workload, AffineCoupling, log_scale="exp")  # as the peers'


def _spline(workload: Workload) -> tfflows.Flow:
    bins = workload.model["num_bins"]
    return _couplings(workload, RationalQuadraticCoupling, num_bins=bins)


def _couplings(workload: Workload, kind: type, **kwargs: Any) -> tfflows.Flow:
    """Pairs that change one half each; all pairs have the same shapes of weights."""
    sizes = workload.model
    pair = [
        kind(MLP(sizes["hidden_units"]), reverse=reverse, **kwargs)
        for reverse in (False, True)
    ]
    pairs = Repeated(Chain(pair), sizes["num_couplings"] // 2)
    return tfflows.Flow(pairs, workload.event_shape)


def _maf(workload: Workload) -> tfflows.Flow:
    sizes = workload.model
    return maf(
        workload.event_shape,
        num_steps=sizes["num_layers"],
        hidden_units=sizes["hidden_units"],
    )


def _glow(workload: Workload) -> tfflows.Flow:
    return glow(workload.event_shape, split_priors=False, **workload.model)


def _is_vae(model: keras.Model) -> bool:
    return isinstance(model, tfflows.FlowVAE)


def _planar_vae(workload: Workload) -> tfflows.FlowVAE:
    sizes = workload.model
    latent = sizes["latent_dim"]

    def network(*units: int) -> keras.layers.Layer:
        hidden = [keras.layers.Dense(n, activation="relu") for n in units[:-1]]
        return keras.Sequential([*hidden, keras.layers.Dense(units[-1])])

    hidden = sizes["hidden_units"]
    return tfflows.FlowVAE(
        network(*hidden, 2 * latent),
        network(*reversed(hidden), workload.dimensions),
        latent,
        posterior=Repeated(Planar(), sizes["num_flows"]),
        event_shape=workload.event_shape,
    )


MODELS = {
    "realnvp": _realnvp,
    "spline": _spline,
    "maf": _maf,
    "glow": _glow,
    "planar_vae": _planar_vae,
}
CONTESTANTS = {
    **{
        name: lambda workload, model=model: DensityFit(workload, model(workload))
        for name, model in MODELS.items()
    },
    "glow_build": GlowBuild,
}
