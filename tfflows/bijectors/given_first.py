"""A step on the rest of a vector, given its first elements."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tfflows.backend.arguments import check_count
from tfflows.bijectors.composite import Composite, as_step, build_step


@keras.saving.register_keras_serializable("tfflows")
class GivenFirst(Composite):
    """A step on the rest of a vector; its context is made of the first elements.

    With v = (g, r), f the step's map given a context, and h the network:

      forward:          x = (g, f(r; h(g)))
      forward log-det:  log|det df/dr|
      inverse:          z = (g, f^-1(r; h(g)))
      inverse log-det:  log|det df^-1/dr|

    It gives the density of real columns given codes, with a base in which the codes
    have probabilities.

    Args:
      step: A flow step that takes a context, on vectors.
      num_given: Number of the first elements, at least 1.
      network: A Keras layer from `[B, num_given]` to the context; None: the elements
        themselves.
      **kwargs: `name`, `dtype` (None: the step's), `trainable` of `FlowStep`.

    Raises:
      ValueError: If num_given is below 1; on `build`, if no element is left.
    """

    argument = "step"
    is_sequence = False
    hands_context_on = False
    context_dim = None  # whatever the step takes, it gets

    def __init__(
        self, step: Any, num_given: int, network: Any = None, **kwargs: Any
    ) -> None:
        if network is not None and not isinstance(network, keras.layers.Layer):
            raise ValueError(
                f"expected a network that is a Keras layer, got {network!r}"
            )
        step = as_step(step, kwargs.get("dtype"))
        super().__init__([step], **{"event_ndims": 1, **kwargs})
        self.step, self.network = step, network
        self.num_given = check_count("num_given", num_given)

    def build(self, data_shape: Any) -> None:
        """Builds the network and the step."""
        rest = int(data_shape[-1]) - self.num_given
        if rest < 1:
            raise ValueError(
                f"{self.name}: expected more than num_given={self.num_given} elements, "
                f"got data of shape {tuple(data_shape)}"
            )
        if self.network is not None and not self.network.built:
            self.network.build((None, self.num_given))
        build_step(self.step, (rest,), self.flow_dtype)

    def _split(self, value: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        given, rest = value[:, : self.num_given], value[:, self.num_given :]
        told = given if self.network is None else self.network(given)
        return given, rest, told

    def _through(
        self, value: tf.Tensor, context: Any, direction: str
    ) -> tuple[tf.Tensor, tf.Tensor]:
        given, rest, told = self._split(value)
        rest, log_det = self.step._fused_pass(direction)(rest, told)
        return tf.concat([given, rest], axis=-1), log_det

    def _initialize(self, value: tf.Tensor, context: Any, direction: str) -> tf.Tensor:
        given, rest, told = self._split(value)
        rest = self.step._initialize(rest, told, direction)
        return tf.concat([given, rest], axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        network = self.network
        if network is not None:
            network = keras.saving.serialize_keras_object(network)
        own = {"num_given": self.num_given, "network": network}
        return {**super().get_config(), **own}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> GivenFirst:
        """Returns a new step with the same config."""
        network = config["network"]
        if network is not None:
            network = keras.saving.deserialize_keras_object(network)
        return super().from_config({**config, "network": network})
