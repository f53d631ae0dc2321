"""`FlowMixture`: a weighted sum of the densities of several flows."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tfflows.backend import random
from tfflows.backend.autograph import without_autograph
from tfflows.backend.random import Seeds
from tfflows.fitting.batch import first_batch
from tfflows.fitting.call_signature import input_spec
from tfflows.models.density_model import DensityModel
from tfflows.models.flow import Flow
from tfflows.preprocessing import Dequantization

_COMPONENT = 1  # the stream of random numbers that choose a row's flow


@keras.saving.register_keras_serializable("tfflows")
@without_autograph
class FlowMixture(DensityModel):
    """A mixture of flows over the same events: p(x) = sum_k w_k p_k(x).

    A call and `log_prob` return log-densities in nats in the units of the raw data. The
    mixture has no latents of its own, so it has neither `encode` nor `decode`. `fit`
    trains the flows and their weights together.

    Args:
      flows: One or more `tfflows.Flow`s with an inverse and without contexts. They have
        the same event shape, dtype and levels; dequantization is uniform.
      weights: The first w_k, above 0, scaled to the sum 1; None: equal.
      name: Name of the model.
      columns: What exports record about the columns of a table: for each column, in
        order, a dict of JSON values with "name" (None without one), "kind" ("category",
        "integer" or "real"), the "categories" whose codes x holds, and the "step" of a
        rounded column. None: nothing.
      **kwargs: Arguments of `keras.Model`.

    Raises:
      ValueError: If the flows do not fit each other, the weights are not valid, or the
        number of columns differs.
    """

    def __init__(
        self,
        flows: Sequence[Flow],
        weights: Sequence[float] | None = None,
        name: str | None = None,
        *,
        columns: Sequence[Mapping[str, Any]] | None = None,
        **kwargs: Any,
    ) -> None:
        parts = _checked_flows(flows)
        kwargs.setdefault("dtype", parts[0].dtype_policy)
        super().__init__(name=name, **kwargs)
        self.flows = parts
        self.event_shape = parts[0].event_shape
        if columns is not None and (len(columns),) != tuple(self.event_shape):
            raise ValueError(
                f"expected columns of events of shape {self.event_shape}, got "
                f"{len(columns)}"
            )
        # As text: Keras would wrap lists and dicts.
        self._columns = json.dumps(None if columns is None else list(columns))
        self.logits = self.add_weight(
            shape=(len(parts),),
            initializer="zeros",
            dtype=self.flow_dtype.name,
            name="logits",
        )
        if weights is not None:
            self.logits.assign(np.log(_checked_weights(weights, len(parts))))
        if self.measures_bits:
            self.metric_names = ("loss", "bits_per_dim")
        self._create_trackers()
        self.supports_jit = all(flow.supports_jit for flow in parts)
        self.built = True
        self._post_build()

    @property
    def columns(self) -> list[dict[str, Any]] | None:
        """What is told of the columns of a table."""
        return json.loads(self._columns)

    @property
    def flow_dtype(self) -> tf.DType:
        """The dtype of events and densities."""
        return self.flows[0].flow_dtype

    @property
    def context_shape(self) -> None:
        """None, because there are no contexts."""
        return None

    @property
    def has_bounded_support(self) -> bool:
        """Whether the density may be 0 somewhere."""
        return all(flow.has_bounded_support for flow in self.flows)

    @property
    def mixture_weights(self) -> np.ndarray:
        """The w_k `[K]`."""
        return tf.nn.softmax(self.logits).numpy()

    @property
    def dequantization(self) -> Dequantization | None:
        """The first flow's: all flows see the same y."""
        return self.flows[0].dequantization

    @property
    def call_signature(self) -> Any:
        """The spec of a call's input."""
        return input_spec("x", self.event_shape, self.flow_dtype)

    @property
    def is_initialized(self) -> bool:
        """Whether each flow's data-dependent start has taken place."""
        return all(flow.is_initialized for flow in self.flows)

    @property
    def distribution(self) -> tfd.Distribution:
        """A `tfd.Mixture` over dequantized data that shares the weights."""
        return tfd.Mixture(
            tfd.Categorical(logits=tf.convert_to_tensor(self.logits)),
            [flow.distribution for flow in self.flows],
        )

    def initialize(self, batch: Any) -> None:
        """Sets each flow's weights from one batch, see `Flow.initialize`."""
        batch = first_batch(batch)
        for flow in self.flows:
            flow.initialize(batch)

    def _embedded(self, context: Any, places: tf.Tensor, ndims: int) -> None:
        if context is not None:
            raise ValueError(f"{self.name}: expected no context, got one")

    def _log_prob_given(self, y: tf.Tensor, c: None = None) -> tf.Tensor:
        each = [flow._density.log_prob(y) for flow in self.flows]
        weights = tf.nn.log_softmax(tf.convert_to_tensor(self.logits))
        return tf.reduce_logsumexp(tf.stack(each, axis=-1) + weights, axis=-1)

    def _drawn(
        self, seeds: Seeds, temperature: tf.Tensor, c: None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        draws = [flow._density.draw(seeds, temperature)[0] for flow in self.flows]
        # All flows draw, so that shapes are static; a row keeps its own flow's draw.
        chosen = random.fold_in(seeds, tf.constant([_COMPONENT]))
        uniform = random.uniform_rows(chosen, 1, self.flow_dtype)
        below = tf.cumsum(tf.nn.softmax(tf.convert_to_tensor(self.logits)))[:-1]
        number = tf.reduce_sum(tf.cast(uniform > below, tf.int32), axis=-1)
        y = tf.gather(tf.stack(draws, axis=1), number, axis=1, batch_dims=1)
        return y, self._log_prob_given(y)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, without the values of weights."""
        serialize = keras.saving.serialize_keras_object
        flows = [serialize(flow) for flow in self.flows]
        return {**super().get_config(), "flows": flows, "columns": self.columns}

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: Any = None
    ) -> FlowMixture:
        """Returns a new model with the same config."""
        deserialize = keras.saving.deserialize_keras_object
        flows = [deserialize(flow, custom_objects) for flow in config["flows"]]
        return cls(**{**config, "flows": flows})


def _checked_flows(given: Any) -> list[Flow]:
    flows = list(given) if isinstance(given, list | tuple) else [given]
    for flow in flows:
        known = isinstance(flow, Flow)
        if not known or flow.context_shape is not None or not flow.has_inverse:
            raise ValueError(
                "expected tfflows.Flows with an inverse and without a context, got "
                f"{flow!r}"
            )
    noises = {type(f.dequantization) for f in flows}
    if not noises <= {type(None), Dequantization}:
        raise ValueError(
            "expected flows with a uniform Dequantization, whose noise all of them can "
            f"share, got {', '.join(sorted(noise.__name__ for noise in noises))}"
        )
    facts = {(f.event_shape, f.flow_dtype, f.levels) for f in flows}
    if len(facts) != 1:
        raise ValueError(
            "expected one or more flows of one event shape, dtype and number of "
            f"levels, got {sorted(facts, key=str)}"
        )
    return flows


def _checked_weights(weights: Sequence[float], number: int) -> np.ndarray:
    given = np.asarray(weights, "float64")
    fits = given.shape == (number,) and np.all(np.isfinite(given) & (given > 0))
    if not fits:
        raise ValueError(f"expected {number} finite weights above 0, got {weights!r}")
    return given / math.fsum(given)
