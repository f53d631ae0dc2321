"""TensorFlow Probability's own bijectors, over layers of Keras 2 as it wants them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

from side_by_side.contestants.tfp_loop import TFPContestant, count, tfp_versions
from side_by_side.workloads import Workload

tfb, tfd = tfp.bijectors, tfp.distributions


def realnvp(workload: Workload) -> TFPContestant:
    """`tfb.RealNVP`s of the exponential scale."""

    def law(network: tf_keras.Model, x: tf.Tensor, _: int) -> tfb.Bijector:
        shift, log_scale = tf.split(network(x), 2, axis=-1)
        return tfb.Shift(shift)(tfb.Scale(log_scale=log_scale))

    return couplings(workload, 2, law)


def spline(workload: Workload) -> TFPContestant:
    """`tfb.RealNVP`s of `tfb.RationalQuadraticSpline`, as its docstring makes them."""
    bins = workload.model["num_bins"]

    def positions(h: tf.Tensor) -> tf.Tensor:
        return tf.math.softmax(h) * (6.0 - bins * 1e-3) + 1e-3

    def law(network: tf_keras.Model, x: tf.Tensor, units: int) -> tfb.Bijector:
        h = tf.reshape(network(x), (-1, units, 3 * bins - 1))
        widths, heights, slopes = tf.split(h, [bins, bins, bins - 1], axis=-1)
        return tfb.RationalQuadraticSpline(
            positions(widths),
            positions(heights),
            tf.math.softplus(slopes) + 1e-3,
            range_min=-3.0,
        )

    return couplings(workload, 3 * bins - 1, law)


def couplings(workload: Workload, num_params: int, law: Callable) -> TFPContestant:
    """`tfb.RealNVP`s that keep the halves by turns, of a law of one element."""
    size, model = workload.dimensions, workload.model
    small = size // 2
    networks, couplings = [], []
    for k in range(model["num_couplings"]):
        # A negative number keeps the end of the event.
        kept = (small, small - size)[k % 2]
        outputs = num_params * (size - abs(kept))
        network = mlp(abs(kept), model["hidden_units"], outputs)
        networks.append(network)
        couplings.append(tfb.RealNVP(kept, bijector_fn=functools.partial(law, network)))
    return contestant(workload, networks, tfb.Chain(couplings))


def maf(workload: Workload) -> TFPContestant:
    """`tfb.MaskedAutoregressiveFlow`s, the order reversed in between."""
    size, model = workload.dimensions, workload.model
    networks, steps = [], []
    for _ in range(model["num_layers"]):
        network = tfb.AutoregressiveNetwork(
            params=2,
            event_shape=[size],
            hidden_units=list(model["hidden_units"]),
            activation="relu",
        )
        network.build((None, size))
        networks.append(network)
        reversal = tfb.Permute(np.arange(size)[::-1].astype("int32"))
        steps += [reversal, tfb.MaskedAutoregressiveFlow(network)]
    return contestant(workload, networks, tfb.Chain(steps[1:]))


def glow(workload: Workload) -> TFPContestant:
    """`tfb.Glow` with its default networks, without split priors."""
    bijector = make_glow(
        workload, exit_bijector_fn=lambda shape, output_chan: lambda x: tfb.Identity()
    )
    return flow_contestant(workload, bijector, bijector.trainable_variables)


def make_glow(workload: Workload, exit_bijector_fn: Callable) -> tfb.Glow:
    """`tfb.Glow` of the workload's sizes."""
    sizes = workload.model
    return tfb.Glow(
        output_shape=workload.event_shape,
        num_glow_blocks=sizes["num_levels"],
        num_steps_per_block=sizes["num_steps"],
        coupling_bijector_fn=functools.partial(
            tfb.GlowDefaultNetwork, num_hidden=sizes["width"]
        ),
        exit_bijector_fn=exit_bijector_fn,
    )


class GlowBuild:
    """Builds `tfb.Glow` and traces its density and the gradient of it."""

    def __init__(self, workload: Workload) -> None:
        self._workload = workload

    def _flow(self) -> tfd.Distribution:
        bijector = make_glow(self._workload, tfb.GlowDefaultExitNetwork)
        return transformed(self._workload, bijector)

    def num_parameters(self) -> int:
        """Those of a flow that is dropped again."""
        return count(self._flow().trainable_variables)

    def build(self) -> np.ndarray:
        """The number of operations in the graphs of density and gradient."""
        flow = self._flow()
        variables = flow.trainable_variables

        @tf.function
        def loss_and_gradients(x: tf.Tensor):
            with tf.GradientTape() as tape:
                loss = -tf.reduce_mean(flow.log_prob(x))
            return loss, tape.gradient(loss, variables)

        shape = (self._workload.batch_size, *self._workload.event_shape)
        traced = loss_and_gradients.get_concrete_function(tf.TensorSpec(shape))
        return np.array(len(traced.graph.get_operations()))


def mlp(inputs: int, hidden: tuple[int, ...], outputs: int) -> tf_keras.Sequential:
    """Dense layers, the hidden ones rectified; the last starts at zero."""
    layers = [tf_keras.layers.Dense(units, "relu") for units in hidden]
    last = tf_keras.layers.Dense(outputs, kernel_initializer="zeros")
    network = tf_keras.Sequential([*layers, last])
    network.build((None, inputs))
    return network


def contestant(
    workload: Workload, networks: list[tf_keras.Model], bijector: tfb.Bijector
) -> TFPContestant:
    """A flow over networks whose weights TFP does not list by itself."""
    variables = [v for network in networks for v in network.trainable_variables]
    return flow_contestant(workload, bijector, variables)


def flow_contestant(
    workload: Workload, bijector: tfb.Bijector, variables: Sequence[tf.Variable]
) -> TFPContestant:
    """A flow, and what it trains."""
    return TFPContestant(workload, transformed(workload, bijector), variables)


def transformed(workload: Workload, bijector: tfb.Bijector) -> tfd.Distribution:
    """A standard normal under the bijector."""
    base = tfd.MultivariateNormalDiag(tf.zeros(workload.dimensions))
    return tfd.TransformedDistribution(base, bijector)


def versions() -> dict[str, str]:
    """Those of the libraries."""
    return tfp_versions()


CONTESTANTS = {
    "realnvp": realnvp,
    "glow": glow,
    "spline": spline,
    "maf": maf,
    "glow_build": GlowBuild,
}
