"""`DensityStack`: a mixture of densities that are trained apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tfflows.backend.autograph import without_autograph
from tfflows.fitting.batch import Batch
from tfflows.models.flow import Flow
from tfflows.models.flow_mixture import FlowMixture


@keras.saving.register_keras_serializable("tfflows")
@without_autograph
class DensityStack(FlowMixture):
    """A mixture of flows of which each is trained by itself.

    In training, the loss is the mean of the flows' negative log-likelihoods, so that
    each fits the data as well as it can; otherwise it is that of the mixture. The
    weights are not trained: `set_weights_of_flows` gives those by which held-out rows
    are likeliest.

    Source: Smyth and Wolpert, "Linearly Combining Density Estimators via Stacking",
    1999.

    Args:
      flows: As in `FlowMixture`.
      weights: As there.
      name: Name of the model.
      fixed: Numbers of flows that training leaves as they are.
      **kwargs: Those of `FlowMixture`.

    Raises:
      ValueError: For flows that do not fit each other, or all of them fixed.
    """

    def __init__(
        self,
        flows: Sequence[Flow],
        weights: Sequence[float] | None = None,
        name: str | None = None,
        *,
        fixed: Sequence[int] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(flows, weights, name, **kwargs)
        if not set(range(len(self.flows))) - set(fixed):
            raise ValueError("expected a flow that is trained, got all of them fixed")
        self._fixed = tuple(fixed)
        self.logits.trainable = False
        for number in self._fixed:
            self.flows[number].trainable = False

    def per_example(self, batch: Batch, training: bool) -> dict[str, tf.Tensor]:
        """Losses `[B]` in nats, see the class, and bits/dim of integer data."""
        if not training:
            return super().per_example(batch, training)
        y, _, _ = self._prepared(batch, training)
        trained = [f for k, f in enumerate(self.flows) if k not in self._fixed]
        with self._in_training(batch):
            each = [flow._density.log_prob(y) for flow in trained]
        loss = -tf.add_n(each) / len(each)
        return {"loss": loss, **self._bits(-loss)}

    def log_prob_of_flows(self, x: Any) -> tf.Tensor:
        """Log-densities `[B, K]` in nats of raw data `[B, *event]`, flow by flow."""
        y = self._raw.dequantized(x)
        return tf.stack([flow._density.log_prob(y) for flow in self.flows], axis=-1)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "fixed": self._fixed}
