"""The TFP distribution of a flow."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd
from tensorflow_probability.python.internal import samplers

from tfflows.backend.compiled import CompiledCalls
from tfflows.bijectors import FlowStep
from tfflows.distributions import Base
from tfflows.models.calls.arguments import Argument
from tfflows.models.calls.compiled_calls import compiled_call
from tfflows.models.contexts.conditioning import Conditioning
from tfflows.models.contexts.slicing import check_slices
from tfflows.models.density import Density

_CONTEXT = Argument(lambda flow: flow.context_shape)
_EVENTS = Argument(lambda flow: flow.bijector.data_event_shape)
_EMBEDDED = Argument(lambda flow: flow.parameters["conditioning"].embedded_shape)
_SIZES = Argument(role="sizes")
_SEED = Argument(lambda _: (2,), lambda _, seed: _as_seed(seed), "seed")

# `tfd.TransformedDistribution(base, step)` returns this class, too. The public class is
# a CompositeTensor, in which TFP's containers see only the parameters' variables.
_Transformed: Any = tfd.TransformedDistribution.__mro__[1]


def _as_seed(seed: Any) -> tf.Tensor:
    """Returns a stateless seed of TFP.

    Raises:
      TypeError: For an int, because TFP makes another seed from it at each call.
    """
    if isinstance(seed, int | np.integer) or callable(seed):
        raise TypeError("expected a stateless seed")
    return samplers.sanitize_seed(seed)


class FlowDistribution(_Transformed):
    """A `tfd.TransformedDistribution` whose log_prob is one fused pass.

    The stock class inverts and then maps forward again for the log-det.

    Args:
      base: The base, a layer.
      bijector: A built flow step.
      conditioning: Checks and embeds the methods' `context=`.
      name: Name of the distribution.
    """

    # Outside the support, `log_prob` is -inf by itself and has finite gradients.
    knows_its_support = True

    def __init__(
        self,
        base: Base,
        bijector: FlowStep,
        conditioning: Conditioning,
        name: str = "flow",
    ) -> None:
        parameters = {
            "base": base,
            "bijector": bijector,
            "conditioning": conditioning,
            "name": name,
        }
        self._density = Density(base, bijector, conditioning)
        calls = CompiledCalls(base, bijector, conditioning)
        self.__dict__["_compiled_calls"] = calls
        super().__init__(base.distribution, bijector, parameters=parameters, name=name)
        # For TFP, which sees no Keras variables; see LayerBijector.
        self._tfp_variables = [v.value for v in conditioning.variables]

    @classmethod
    def of(cls, calls: CompiledCalls, *parts: Any) -> FlowDistribution:
        """Returns the distribution of a model's parts, with its compiled calls."""
        distribution = cls(*parts)
        distribution.__dict__["_compiled_calls"] = calls
        return distribution

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles the layers, which carry their weights."""
        return FlowDistribution, tuple(self.parameters.values())

    @classmethod
    def _parameter_properties(cls, dtype: Any, num_classes: Any = None) -> Any:
        return super()._parameter_properties(dtype, num_classes)

    def __getitem__(self, slices: Any) -> FlowDistribution:
        """Returns itself for `...`: its batch shape () has no axes to slice.

        Raises:
          ValueError: If the slices are others.
        """
        slices = slices if isinstance(slices, tuple) else (slices,)
        check_slices(slices, self.batch_shape, self.name)
        if any(part is None for part in slices):
            raise ValueError(
                f"{self.name}: expected slices of batch shape (), got tf.newaxis; a "
                "batch shape is that of the contexts of flow.conditional(contexts)"
            )
        return self

    @property
    def context_shape(self) -> tuple[int | None, ...]:
        """Shape of one context; () without contexts, too."""
        return self.parameters["conditioning"].context_shape or ()

    def embedded(self, context: Any, places: tf.Tensor) -> tf.Tensor | None:
        """Returns an embedded context for each of the places `[...]`."""
        return self._density.embedded(context, places, 0, self.name)

    @compiled_call(y=_EVENTS, context=_CONTEXT)
    def _log_prob(self, y: tf.Tensor, context: Any = None) -> tf.Tensor:
        ndims = len(self.bijector.data_event_shape)
        c = self._density.embedded(context, y, ndims, self.name)
        return self.log_prob_given(y, c)

    @compiled_call(y=_EVENTS, context=_EMBEDDED)
    def log_prob_given(self, y: tf.Tensor, context: tf.Tensor | None) -> tf.Tensor:
        """Returns log-densities `[...]` of `[..., *event]` given embedded contexts."""
        return self._density.log_prob(y, context)

    def _call_sample_n(
        self, sample_shape: Any, seed: Any, context: Any = None
    ) -> tf.Tensor:
        return self._sample_and_log_prob(sample_shape, seed, context)[0]

    def _sample_and_log_prob(
        self, sample_shape: Any, seed: Any, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        sample_shape = tf.reshape(tf.cast(sample_shape, tf.int32), [-1])
        return self._drawn(sample_shape, seed, context)

    @compiled_call(sample_shape=_SIZES, seed=_SEED, context=_CONTEXT)
    def _drawn(
        self, sample_shape: tf.Tensor, seed: Any, context: Any
    ) -> tuple[tf.Tensor, tf.Tensor]:
        context = self.embedded(context, tf.zeros(sample_shape))
        return self.sample_and_log_prob_given(sample_shape, seed, context)

    @compiled_call(sample_shape=_SIZES, seed=_SEED, context=_EMBEDDED)
    def sample_and_log_prob_given(
        self, sample_shape: Any, seed: Any, context: tf.Tensor | None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns draws `[*sample_shape, *event]` and log-densities, see above."""
        takes_context = getattr(self.distribution, "takes_context", False)
        base = {"context": context} if takes_context else {}
        z = self.distribution.sample(sample_shape, seed, **base)
        return self._density.data(z, context)


class _KnowsFlows(type(tfd.TransformedDistribution)):  # type: ignore[misc]
    """Makes `isinstance(flow.distribution, tfd.TransformedDistribution)` true.

    A real or registered subclass would also be a CompositeTensor, which TensorFlow
    takes apart.
    """

    def __instancecheck__(cls, instance: Any) -> bool:
        if cls is tfd.TransformedDistribution and isinstance(
            instance, FlowDistribution
        ):
            return True
        return super().__instancecheck__(instance)


tfd.TransformedDistribution.__class__ = _KnowsFlows
