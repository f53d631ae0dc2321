"""Autoregressive flows over sequences, by causal transformers."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from tfflows.backend.arguments import check_flag
from tfflows.bijectors.causal_transformer import CausalTransformer
from tfflows.bijectors.flow_step import FlowStep
from tfflows.bijectors.guidance import GuidedSteps, guidance_weight
from tfflows.bijectors.laws import AffineLaw, CouplingLaw, as_law
from tfflows.bijectors.shapes import only_event_ndims, sum_over_event


@keras.saving.register_keras_serializable("tfflows")
class TransformerAutoregressive(FlowStep):
    """Maps each token by a law whose parameters depend on earlier tokens.

    Events are sequences [T, C], such as the patches of an image. With tau the law and
    c_t the output t of a causal transformer, a function of x_1 .. x_{t-1}:

      forward:          x_t = tau(z_t, c_t(x_<t)), one token after the other
      forward log-det:  sum_t ln|det dtau/dz_t|
      inverse:          z_t = tau^-1(x_t, c_t(x_<t)), all at once
      inverse log-det:  -sum_t ln|det dtau/dz_t|

    The law maps each element of a token by itself. The inverse is one pass of the
    transformer. Forward keeps keys and values of earlier tokens, so that T tokens cost
    T passes of one position each.

    Source: Zhai et al., "Normalizing Flows are Capable Generative Models", 2024, arXiv
    2412.06329, sections 2.2 and 2.3. There the first token stays as it is; here it has
    parameters, too, which depend on the context alone.

    Args:
      num_layers: Blocks of the transformer.
      width: Size of its features.
      num_heads: Heads of its attentions; they divide `width`.
      law: A `CouplingLaw`, or "affine" (of log_scale "exp") or "additive".
      reverse: Whether the order of the tokens is reversed: the last one comes first.
      expansion: Width of the blocks' dense layers, in units of `width`.
      context_dim: Size of context vectors; None: no context.
      **kwargs: `name`, `dtype`, `trainable` of `FlowStep`.

    Raises:
      ValueError: If an argument is out of range or the heads do not divide the width.
    """

    recomputed_from = "input"  # forward takes T steps

    def __init__(
        self,
        num_layers: int,
        width: int,
        num_heads: int,
        law: CouplingLaw | str = "affine",
        reverse: bool = False,
        expansion: int = 4,
        context_dim: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**only_event_ndims(kwargs, 2))
        self.law = AffineLaw("exp") if law == "affine" else as_law(law)
        self.reverse = check_flag("reverse", reverse)
        self.network = CausalTransformer(
            num_layers,
            width,
            num_heads,
            self.law.num_params,
            expansion,
            context_dim,
            dtype=self.dtype_policy,
        )

    def build(self, data_shape: Any) -> None:
        """Builds the transformer."""
        self.network.build((None, *tuple(data_shape)[-2:]))

    def _ordered(self, value: tf.Tensor) -> tf.Tensor:
        return tf.reverse(value, [1]) if self.reverse else value

    def _inverse_and_log_det(
        self, x: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        x = self._ordered(x)
        params = tf.cast(self.network(x, context=context), self.flow_dtype)
        z, log_det = self.law.inverse(x, params)
        return self._ordered(z), sum_over_event(log_det)

    def _steps(self, context: Any) -> Any:
        weight = guidance_weight()
        if weight is None or context is None:
            return self.network.steps(context)
        return GuidedSteps(self.network, context, weight)

    def _forward_and_log_det(
        self, z: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        steps, batch = self._steps(context), tf.shape(z)[0]
        tokens = tf.transpose(self._ordered(z), [1, 0, 2])
        size = tokens.shape[0]

        def body(
            t: tf.Tensor, x: tf.Tensor, log_det: tf.Tensor, *state: tf.Tensor
        ) -> tuple[tf.Tensor, ...]:
            params, state = steps.advance(t, x, state)
            token, step = self.law.forward(tokens[t], tf.cast(params, self.flow_dtype))
            x = tf.tensor_scatter_nd_update(x, [[t]], token[tf.newaxis])
            return t + 1, x, log_det + tf.reduce_sum(step, axis=-1), *state

        _, x, log_det, *_ = tf.while_loop(
            # An empty batch has no step to take, and no token to scatter.
            lambda t, *_: (t < size) & (batch > 0),
            body,
            (
                tf.constant(0),
                tf.zeros_like(tokens),
                tf.zeros([batch], self.flow_dtype),
                *steps.initial_state(batch),
            ),
            maximum_iterations=size,
        )
        return self._ordered(tf.transpose(x, [1, 0, 2])), log_det

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = super().get_config()
        del config["event_ndims"]
        names = ("num_layers", "width", "num_heads", "expansion", "context_dim")
        return {
            **config,
            **{name: getattr(self.network, name) for name in names},
            "law": keras.saving.serialize_keras_object(self.law),
            "reverse": self.reverse,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> TransformerAutoregressive:
        """Returns a new step with the same config."""
        law = keras.saving.deserialize_keras_object(config["law"])
        return cls(**{**config, "law": law})
