"""Autoregressive flows: MAF and, inverted, IAF."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tfflows.bijectors.flow_step import FlowStep
from tfflows.bijectors.invert import Invert
from tfflows.bijectors.laws import CouplingLaw, as_law
from tfflows.bijectors.shapes import only_event_ndims, sum_over_event


@keras.saving.register_keras_serializable("tfflows")
class MaskedAutoregressive(FlowStep):
    """Maps each element by a law whose parameters depend on earlier elements.

    With tau the law and c_i the network's output i, a function of x_1 .. x_{i-1}:

      forward:          x_i = tau(z_i, c_i(x_<i)), one element after the other
      forward log-det:  sum_i ln dtau/dz_i
      inverse:          z_i = tau^-1(x_i, c_i(x_<i)), all at once
      inverse log-det:  -sum_i ln dtau/dz_i

    For the affine law that is x_i = z_i exp(a_i(x_<i)) + m_i(x_<i). The inverse is one
    pass of the network. Forward takes D steps, which together cost about one pass,
    because each evaluates only the hidden units that the newest element completes.

    Source: Papamakarios, Pavlakou and Murray, "Masked Autoregressive Flow for Density
    Estimation", 2017, arXiv 1705.07057, equations 3 to 6; splines: arXiv 1906.04032.

    Args:
      network: A `tfflows.networks.MADE`.
      law: A `CouplingLaw`, or "affine" or "additive".
      **kwargs: `name`, `dtype`, `trainable` of `FlowStep`.

    Raises:
      ValueError: If the network is no `MADE`, or was made for another law.
    """

    recomputed_from = "input"  # forward takes D steps

    def __init__(
        self, network: Any, law: CouplingLaw | str = "affine", **kwargs: Any
    ) -> None:
        super().__init__(**only_event_ndims(kwargs, 1))
        self.law = as_law(law)
        if not isinstance(network, keras.layers.Layer) or not hasattr(network, "steps"):
            raise ValueError(
                f"expected a tfflows.networks.MADE, got {type(network).__name__}"
            )
        if network.num_params is None:
            network.num_params = self.law.num_params
        if network.num_params != self.law.num_params:
            raise ValueError(
                f"expected a MADE with num_params={self.law.num_params}, those of the "
                f"law, got {network.num_params}"
            )
        self.network = network

    def build(self, data_shape: Any) -> None:
        """Builds the network."""
        if not self.network.built:
            self.network.build((None, data_shape[-1]))

    def _inverse_and_log_det(
        self, x: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        params = tf.cast(self.network(x, context=context), self.flow_dtype)
        z, log_det = self.law.inverse(x, params)
        return z, sum_over_event(log_det)

    def _forward_and_log_det(
        self, z: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        steps, batch = self.network.steps(context), tf.shape(z)[0]
        z_rows = tf.transpose(z)
        size = z_rows.shape[0]

        def body(
            i: tf.Tensor, x: tf.Tensor, log_det: tf.Tensor, *state: tf.Tensor
        ) -> tuple[tf.Tensor, ...]:
            params, state = steps.advance(i, x, state)
            params = tf.cast(params, self.flow_dtype)
            law = self.law.of_element(i)
            element, step = law.forward(z_rows[i][:, tf.newaxis], params)
            x = tf.tensor_scatter_nd_update(x, [[i]], [element[:, 0]])
            return i + 1, x, log_det + step[:, 0], *state

        _, x, log_det, *_ = tf.while_loop(
            # An empty batch has no step to take, and no element to scatter.
            lambda i, *_: (i < size) & (batch > 0),
            body,
            (
                tf.constant(0),
                tf.zeros_like(z_rows),
                tf.zeros([batch], self.flow_dtype),
                *steps.initial_state(batch),
            ),
            maximum_iterations=size,
        )
        return tf.transpose(x), log_det

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = super().get_config()
        del config["event_ndims"]
        serialize = keras.saving.serialize_keras_object
        return {
            **config,
            "network": serialize(self.network),
            "law": serialize(self.law),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> MaskedAutoregressive:
        """Returns a new step with the same config."""
        deserialize = keras.saving.deserialize_keras_object
        parts = {key: deserialize(config[key]) for key in ("network", "law")}
        return cls(**{**config, **parts})


@keras.saving.register_keras_serializable("tfflows")
class InverseAutoregressive(Invert):
    """`MaskedAutoregressive` in the other direction: one pass from latent to data.

    With tau the law and c_i the network's output i, a function of z_1 .. z_{i-1}:

      forward:          x_i = tau^-1(z_i, c_i(z_<i)), all at once
      forward log-det:  -sum_i ln dtau/dx_i
      inverse:          z_i = tau(x_i, c_i(z_<i)), one element after the other
      inverse log-det:  sum_i ln dtau/dx_i

    Source: Kingma et al., "Improving Variational Inference with Inverse Autoregressive
    Flow", 2016, arXiv 1606.04934, algorithm 1.

    Args:
      network: A `tfflows.networks.MADE`.
      law: A `CouplingLaw`, or "affine" or "additive".
      **kwargs: `name`, `dtype`, `trainable` of `FlowStep`.

    Raises:
      ValueError: If the network is no `MADE`, or was made for another law.
    """

    def __init__(
        self, network: Any, law: CouplingLaw | str = "affine", **kwargs: Any
    ) -> None:
        step = MaskedAutoregressive(network, law, dtype=kwargs.get("dtype"))
        super().__init__(step, **only_event_ndims(kwargs, 1))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = super().get_config()
        del config["step"], config["event_ndims"]
        inner = self.step.get_config()
        return {**config, "network": inner["network"], "law": inner["law"]}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> InverseAutoregressive:
        """Returns a new step with the same config."""
        deserialize = keras.saving.deserialize_keras_object
        parts = {key: deserialize(config[key]) for key in ("network", "law")}
        return cls(**{**config, **parts})
