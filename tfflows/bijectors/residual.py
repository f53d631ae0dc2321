"""Residual flows: x + g(x) with a contraction g."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfflows.backend import random
from tfflows.backend.arguments import check_count, check_number, check_word
from tfflows.bijectors.coupling import declared_context
from tfflows.bijectors.fixed_point import enough_iterations, fixed_point, rounding
from tfflows.bijectors.flow_step import FlowStep
from tfflows.bijectors.log_det_series import (
    Terms,
    exact_log_det,
    series_log_det,
    truncation_bound,
)
from tfflows.bijectors.ode_solvers import refinement
from tfflows.bijectors.probes import drawn_signs, tiled
from tfflows.bijectors.residual_branch import Branch, takes_context
from tfflows.bijectors.shapes import event_shape
from tfflows.bijectors.training_noise import training_seeds

LOG_DETS = ("exact", "series")
_STREAM = 8  # of signs and numbers of terms in training


@keras.saving.register_keras_serializable("tfflows")
class Residual(FlowStep):
    """Adds a network g with a Lipschitz constant L < 1, on the way to the latents.

    With J the Jacobian of g at x:

      forward:          x = z - g(x), by iteration
      forward log-det:  -ln det(I + J)
      inverse:          z = x + g(x)
      inverse log-det:  ln det(I + J) = tr J - tr J^2 / 2 + tr J^3 / 3 - ...

    The log-det is exact, by as many backward passes as an event has elements, or
    Hutchinson's estimate of the series, v . J^k v for vectors v of random signs.

    In training each example has signs of its own at each step, and counts the first
    `certain_terms` terms. It goes on from each further term to the next with the
    probability `going_on` (Russian roulette), and divides the terms by the
    probabilities that they are counted. The mean of this estimate is the log-det: no
    term is left out on average. Its variance is finite for all g if going_on > L^2.

    Elsewhere the first `num_terms` terms are counted, with `num_probes` vectors that
    all examples share, so that densities are deterministic and both passes agree. They
    follow from the seed and from the weight `noise_keys`, which no two steps of a model
    share. `truncation_bound` tells how much the terms left out can amount to.
    `tfflows.models.solver_error` measures it; `evaluate` and exports warn if it is
    above `tolerance`. None of them measures the noise of the vectors: more `num_probes`
    or "exact" show it.

    The backward pass needs the memory of one evaluation of g, however many terms or
    iterations there are. Only first derivatives are available. Of an estimated log-det
    they are estimated, too.

    Source: Chen et al., "Residual Flows for Invertible Generative Modeling", 2019,
    arXiv 1906.02735, theorems 1 and 2; Behrmann et al., "Invertible Residual Networks",
    2018, arXiv 1811.00995, theorem 1, algorithm 1 and theorem 3.

    Args:
      network: A Keras layer g from `[B, *event]` to the same shape. It states its
        constant in an attribute `lipschitz`, as `networks.LipschitzMLP` and
        `LipschitzConvNet` do. If its `call` accepts `context`, the step passes it the
        flow's context. It has to treat rows independently.
      log_det: "exact" for events of few elements, or "series".
      num_terms: Terms that count outside of training.
      certain_terms: Terms that always count in training.
      going_on: Probability that in training one more term counts, between 0 and 1.
      num_probes: Vectors v outside of training.
      tolerance: Error in nats of a log-density, by the terms left out, above which
        `evaluate` and exports warn.
      inverse_tolerance: The forward pass ends, for each row, at a change of at most
        this times 1 + max |x|; None: at rounding. The error of x can be L / (1 - L)
        times as large as the last change.
      max_iterations: After so many iterations rows that have not come there are an
        error (NaN under XLA); None: as many as any g of this constant needs.
      lipschitz: The constant of a network without the attribute; the step believes it.
      seed: Fixes the vectors v outside of training.
      **kwargs: `event_ndims`, `name`, `dtype`, `trainable` of `FlowStep`.

    Raises:
      ValueError: If a word is unknown, a number out of range, or the constant unknown
        or not below 1; on `build`, if the network returns another shape.
    """

    # It recomputes by itself; and outside of the pass no one knows the noise.
    recomputed_from = None
    remedy = "more num_terms, log_det='exact'"

    def __init__(
        self,
        network: Any,
        log_det: str = "exact",
        *,
        num_terms: int = 20,
        certain_terms: int = 4,
        going_on: float = 0.5,
        num_probes: int = 1,
        tolerance: float = 1e-3,
        inverse_tolerance: float | None = None,
        max_iterations: int | None = None,
        lipschitz: float | None = None,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.network = _checked_network(network)
        self.log_det = check_word("log_det", log_det, LOG_DETS)
        self.num_terms = check_count("num_terms", num_terms)
        if log_det == "series":
            self.approximation = f"a series of {num_terms} terms"
        self.certain_terms = check_count("certain_terms", certain_terms)
        self.going_on = check_number("going_on", going_on, above=0.0, below=1.0)
        self.num_probes = check_count("num_probes", num_probes)
        self.tolerance = check_number("tolerance", tolerance, above=0.0)
        if inverse_tolerance is not None:
            least = rounding(self.flow_dtype)
            check_number("inverse_tolerance", inverse_tolerance, least=least, below=1.0)
        self.inverse_tolerance = inverse_tolerance
        if max_iterations is not None:
            max_iterations = check_count("max_iterations", max_iterations)
        self.max_iterations = max_iterations
        self.lipschitz = lipschitz
        self._constant = _constant(network, lipschitz)
        self.seed = check_count("seed", seed, least=0)

    def build(self, data_shape: Any) -> None:
        """Builds the network, and draws the keys of the noise."""
        event = event_shape(data_shape, self.event_ndims, self.name)
        self._build_network(event)
        # Keeps the steps of a model from drawing the same noise for an example.
        self._noise_keys = None
        if self.log_det == "series":
            self._noise_keys = self.add_weight(
                shape=(2,),
                initializer=_random_integers,
                dtype="int32",
                trainable=False,
                name="noise_keys",
            )

    def _build_network(self, event: tuple[int, ...]) -> None:
        dtype, named = self.flow_dtype.name, {}
        shape = declared_context(self.network)
        if shape is not None and takes_context(self.network):
            named["context"] = keras.Input(shape, dtype=dtype)
        y = self.network(keras.Input(event, dtype=dtype), **named)
        if not isinstance(y, keras.KerasTensor) or tuple(y.shape[1:]) != event:
            got = getattr(y, "shape", type(y).__name__)
            raise ValueError(
                f"{self.name}: expected a network that returns the shape of its input, "
                f"{(None, *event)}, got {got}"
            )

    def _forward_and_log_det(
        self, z: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        branch = Branch(self, context)
        tolerance = self.inverse_tolerance or rounding(self.flow_dtype)
        limit = self.max_iterations or enough_iterations(self._constant, tolerance)
        x = fixed_point(branch, z, tolerance, limit, self.name)
        return x, -self._log_det(branch, x)

    def _inverse_and_log_det(
        self, x: tf.Tensor, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        branch = Branch(self, context)
        z = x + branch(x, branch.contexts, branch.weights)
        return z, self._log_det(branch, x)

    def _log_det(self, branch: Branch, x: tf.Tensor) -> tf.Tensor:
        if self.log_det == "exact":
            return exact_log_det(branch, x)
        rows = tf.shape(x)[0]
        seeds = training_seeds(_STREAM, rows)
        if seeds is not None:
            return self._unbiased(branch, x, seeds)
        number = self.num_terms * refinement()
        probes = tf.repeat(self._probes(x), rows, axis=0)
        many = tiled(x, self.num_probes)
        contexts = [tiled(context, self.num_probes) for context in branch.contexts]
        last = tf.fill(tf.shape(many)[:1], tf.constant(float(number), x.dtype))
        terms = Terms(last, number, self.going_on)
        each = series_log_det(branch, many, contexts, probes, terms)
        return tf.reduce_mean(tf.reshape(each, [self.num_probes, rows]), axis=0)

    def _probes(self, x: tf.Tensor) -> tf.Tensor:
        """Returns the vectors outside of training, `[num_probes, *event]`."""
        keys = tf.convert_to_tensor(self._noise_keys)
        key = random.fold_in(random.as_seed(self.seed), keys[:1])[0]
        seeds = random.fold_in(key, tf.range(self.num_probes))
        return drawn_signs(seeds, tf.zeros([self.num_probes, *x.shape[1:]], x.dtype))

    def _unbiased(self, branch: Branch, x: tf.Tensor, seeds: tf.Tensor) -> tf.Tensor:
        keys = tf.convert_to_tensor(self._noise_keys)
        of_number, of_signs = (random.fold_in(seeds, keys[k : k + 1]) for k in (0, 1))
        u = random.uniform_rows(of_number, 1, x.dtype)[:, 0]
        # P(more >= j) = P(u <= going_on^j) = going_on^j
        more = tf.floor(tf.math.log(u) / math.log(self.going_on))
        terms = Terms(self.certain_terms + more, self.certain_terms, self.going_on)
        signs = drawn_signs(of_signs, x)
        return series_log_det(branch, x, branch.contexts, signs, terms)

    def truncation_bound(self) -> float:
        """Returns the most, in nats, that terms left out outside of training amount to.

        It holds for all weights and values, and for the traces themselves; their
        estimate by `num_probes` vectors has an error of its own. 0 for "exact".
        """
        if self.log_det == "exact":
            return 0.0
        size = math.prod(self.data_event_shape)
        return truncation_bound(self._constant, self.num_terms, size)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        names = (
            *("log_det", "num_terms", "certain_terms", "going_on", "num_probes"),
            *("tolerance", "inverse_tolerance", "max_iterations", "lipschitz", "seed"),
        )
        return {
            **super().get_config(),
            "network": keras.saving.serialize_keras_object(self.network),
            **{name: getattr(self, name) for name in names},
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Residual:
        """Returns a new step with the same config."""
        network = keras.saving.deserialize_keras_object(config["network"])
        return cls(**{**config, "network": network})


def _checked_network(network: Any) -> keras.layers.Layer:
    if not isinstance(network, keras.layers.Layer):
        raise ValueError(
            f"expected a network that is a Keras layer, g(x), got {network!r}"
        )
    return network


def _constant(network: Any, given: float | None) -> float:
    """Returns the Lipschitz constant of a network, its own or the one that is given."""
    own = getattr(network, "lipschitz", None)
    if given is None and own is None:
        raise ValueError(
            "expected a network with a Lipschitz constant below 1: one with an "
            "attribute lipschitz, as networks.LipschitzMLP, or lipschitz=, got "
            f"{network!r} without"
        )
    if given is not None and own is not None and given != own:
        raise ValueError(
            f"expected lipschitz={own!r}, the network's own, or none, got {given!r}"
        )
    constant = own if given is None else given
    return check_number("lipschitz", constant, above=0.0, below=1.0)


def _random_integers(shape: Any, dtype: Any = None) -> tf.Tensor:
    drawn = keras.initializers.RandomUniform(0.0, 2.0**24)(shape, "float32")
    return tf.cast(np.floor(drawn), dtype)
