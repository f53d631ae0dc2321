"""A flow's density as a TFP distribution."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfflows.bijectors import FlowStep


class FlowDistribution(tfd.TransformedDistribution):
    """`tfd.TransformedDistribution` whose log_prob is one fused pass.

    The stock one inverts and then maps forward again for the log-det.

    Args:
      distribution: The base.
      bijector: A built flow step.
      name: Name of the distribution.
    """

    def __init__(
        self, distribution: tfd.Distribution, bijector: FlowStep, name: str = "flow"
    ) -> None:
        parameters = dict(locals())
        super().__init__(distribution, bijector, parameters=parameters, name=name)

    @classmethod
    def _parameter_properties(cls, dtype: Any, num_classes: Any = None) -> Any:
        return super()._parameter_properties(dtype, num_classes)

    def _log_prob(self, y: tf.Tensor, **kwargs: Any) -> tf.Tensor:
        z, log_det = self.bijector.inverse_and_log_det(y, **kwargs)
        return self.distribution.log_prob(z) + log_det
