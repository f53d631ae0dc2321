"""The base class of models with a density: raw data in, densities and draws out."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import tensorflow as tf

from tfflows import metrics
from tfflows.backend import random
from tfflows.backend.autograph import without_autograph
from tfflows.backend.random import Seeds
from tfflows.bijectors.training_noise import in_training
from tfflows.fitting.batch import Batch
from tfflows.fitting.impossible_data import checked_density
from tfflows.fitting.solver_errors import warn_if_coarse
from tfflows.fitting.train_step import LikelihoodModel
from tfflows.models.calls.arguments import (
    CONTEXT,
    DATA,
    NUMBER,
    SEED,
    SEEDS,
    START,
    temperature_in,
)
from tfflows.models.calls.compiled_calls import compiled_call
from tfflows.models.calls.sampling import (
    checked_seeds,
    seeds_of_numbers,
    temperature_rows,
)
from tfflows.models.contexts.draws import draws_of_each, has_axis_of_draws
from tfflows.models.raw_data import RawData, without

_TEMPERATURE = temperature_in(lambda model: model.flow_dtype)
_DRAWS = {
    "num_samples": NUMBER,
    "start": START,
    "seed": SEED,
    "temperature": _TEMPERATURE,
    "context": CONTEXT,
}


@without_autograph
class DensityModel(LikelihoodModel):
    """A model of raw data x with a density and draws.

    Subclasses set `event_shape` and `dequantization`, and implement `flow_dtype`,
    `context_shape`, `has_bounded_support`, `_embedded`, `_log_prob_given` and `_drawn`.
    Below, y are dequantized data and c is the context that `_embedded` returns.
    """

    event_shape: tuple[int, ...]
    dequantization: Any

    @property
    def flow_dtype(self) -> tf.DType:
        """The dtype of events and densities."""
        raise NotImplementedError

    @property
    def context_shape(self) -> tuple[int | None, ...] | None:
        """Shape of one example's context; None without contexts."""
        raise NotImplementedError

    @property
    def has_bounded_support(self) -> bool:
        """Whether the density may be 0 somewhere."""
        raise NotImplementedError

    def _embedded(self, context: Any, places: tf.Tensor, ndims: int) -> Any:
        """Returns c for each event in `places`; an event has `ndims` axes."""
        raise NotImplementedError

    def _log_prob_given(self, y: tf.Tensor, c: Any) -> tf.Tensor:
        """Returns log-densities `[...]` of y `[..., *event]`."""
        raise NotImplementedError

    def _drawn(
        self, seeds: Seeds, temperature: tf.Tensor, c: Any
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Draws one y `[N, *event]` for each seed row; also its log-density `[N]`."""
        raise NotImplementedError

    @property
    def levels(self) -> int | None:
        """Number of levels of integer data; None for continuous data."""
        return None if self.dequantization is None else self.dequantization.levels

    @property
    def measures_bits(self) -> bool:
        """Whether figures in bits per dimension mean something: of integer data.

        Not with Gaussian noise: the density is then that of noisy data.
        """
        return self.dequantization is not None and self.dequantization.measures_bits

    @property
    def draws_noise(self) -> bool:
        """Whether training and evaluation add noise to the data."""
        return self.dequantization is not None

    @property
    def _raw(self) -> RawData:
        dequantization = self.dequantization
        return RawData(self.event_shape, self.flow_dtype, dequantization, self.name)

    def _prepared(
        self, batch: Batch, training: bool
    ) -> tuple[tf.Tensor, Any, tf.Tensor | None]:
        """Returns y, c and ln q(u | x) of a batch; in training, y has fresh noise."""
        if training:
            y, log_q = self._raw.noisy(batch, self.noise_step)
        else:
            y, log_q = self._raw.with_fixed_noise(batch.x)
        return y, self._embedded(batch.context, y, len(self.event_shape)), log_q

    def call(self, inputs: Any, training: bool = False) -> tf.Tensor:
        """Returns log-densities `[B]` in nats; training adds fresh noise to integers.

        Args:
          inputs: x `[B, *event]`, or a dict with "x" and any of "context", "index".
          training: Whether to draw fresh noise.
        """
        batch = Batch.of(inputs)
        y, c, log_q = self._prepared(batch, training)
        if not training:
            return without(log_q, self._log_prob_given(y, c))
        with self._in_training(batch):
            return without(log_q, self._log_prob_given(y, c))

    def _in_training(self, batch: Batch) -> AbstractContextManager[None]:
        """Returns the context in which parts of the model draw a batch's noise."""
        index = batch.index_or_position()

        def seeds(stream: int) -> tf.Tensor:
            return random.noise_seeds(0, stream, self.noise_step(), index)

        return in_training(seeds)

    def per_example(self, batch: Batch, training: bool) -> dict[str, tf.Tensor]:
        """Returns losses -log p `[B]` in nats, and bits/dim for integer data."""
        if training or self.dequantization is None:
            log_prob = self(batch.inputs, training=training)
            if training and self.has_bounded_support:
                log_prob = checked_density(log_prob, batch, self.name)
        else:
            x = self._raw.checked(batch.x)
            c = self._embedded(batch.context, x, len(self.event_shape))
            log_prob = self._raw.over_noise(batch, lambda y: self._log_prob_given(y, c))
        return {"loss": -log_prob, **self._bits(log_prob)}

    def evaluate(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """As in the base; warns of the solver of a continuous flow that is coarse."""
        results = super().evaluate(x, y, *args, **kwargs)
        if not kwargs.get("_use_cached_eval_dataset", False):  # not inside of `fit`
            warn_if_coarse(self, x, f"{self.name}.evaluate")
        return results

    def _bits(self, log_prob: tf.Tensor) -> dict[str, tf.Tensor]:
        if not self.measures_bits:
            return {}
        return {"bits_per_dim": metrics.bits_per_dim(log_prob, self.event_shape)}

    @compiled_call(x=DATA)
    def dequantize(self, x: Any) -> tf.Tensor:
        """Returns continuous y = x + u of raw data `[..., *event]`, with the fixed u.

        Raises:
          ValueError: If data have another shape, are not finite or, for integer data,
            are not integers within the levels.
        """
        return self._raw.dequantized(x)

    @compiled_call(x=DATA, context=CONTEXT)
    def log_prob(self, x: Any, context: Any = None) -> tf.Tensor:
        """Returns log-densities in nats, in the units of the raw data.

        Args:
          x: Raw data `[..., *event]`.
          context: None or, for a conditional model, `[*context_shape]`, one for all, or
            `[..., *context_shape]`, one for each. `Conditioning` gives the rule, which
            holds in all methods.

        Returns:
          `[...]`, deterministic: integer data get the fixed u, and ln q(u | x) of a
          `VariationalDequantization` is subtracted. -inf for data outside the range of
          a step or the base's support.

        Raises:
          ValueError: If data are not valid, see `dequantize`; if a context is missing,
            not expected, or has another shape or dtype.
        """
        y, log_q = self._raw.with_fixed_noise(x)
        c = self._embedded(context, y, len(self.event_shape))
        return without(log_q, self._log_prob_given(y, c))

    def bits_per_dim(self, x: Any, context: Any = None) -> tf.Tensor:
        """Returns -log_prob / (D ln 2), `[...]`; see `log_prob`.

        Raises:
          ValueError: For a model of data with Gaussian noise; as `log_prob`.
        """
        if self.levels is not None and not self.measures_bits:
            raise ValueError(
                f"{self.name}: expected a model without Gaussian noise for bits per "
                "dimension, got one whose density is that of noisy data, in nats"
            )
        return metrics.bits_per_dim(self.log_prob(x, context), self.event_shape)

    def sample(
        self,
        num_samples: int,
        seed: Any = None,
        temperature: Any = 1.0,
        context: Any = None,
    ) -> tf.Tensor:
        """Draws `[num_samples, *event]`; see `sample_and_log_prob`."""
        if has_axis_of_draws(context, self.context_shape):
            return draws_of_each(self, num_samples, seed, temperature, context)[0]
        return self._draws(num_samples, 0, seed, temperature, context)

    def sample_and_log_prob(
        self,
        num_samples: int,
        seed: Any = None,
        temperature: Any = 1.0,
        context: Any = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns samples and their log-densities, from one pass.

        Args:
          num_samples: N.
          seed: None (fresh), an int, or int32 `[2]`. Sample i depends only on the seed
            and i, not on N.
          temperature: T >= 0; multiplies the base draw's deviation from its location.
          context: None or, for a conditional model, `[*context_shape]` for all samples,
            or `[N, *context_shape]`, one for each. For N samples of each of M contexts
            `[M, *context_shape]`, add an axis: `sample(N, context=contexts[:, None])`.

        Returns:
          x `[N, *event]`, or `[M, N, *event]` for many contexts, in raw data units,
          continuous also for integer data (floor gives pixels), and log p(x) `[N]` or
          `[M, N]` in nats under the model at T = 1.

        Raises:
          ValueError: If the number or temperature is negative, the seed has another
            shape, or the context is not valid, see `log_prob`.
        """
        if has_axis_of_draws(context, self.context_shape):
            return draws_of_each(self, num_samples, seed, temperature, context)
        return self._draws_and_log_prob(num_samples, 0, seed, temperature, context)

    @compiled_call(**_DRAWS)
    def _draws(
        self, num_samples: Any, start: Any, seed: Any, temperature: Any, context: Any
    ) -> tf.Tensor:
        # The compiled function then leaves out the densities.
        return self._draws_and_log_prob(num_samples, start, seed, temperature, context)[
            0
        ]

    @compiled_call(**_DRAWS)
    def _draws_and_log_prob(
        self, num_samples: Any, start: Any, seed: Any, temperature: Any, context: Any
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns samples from number `start` on; see `sample_and_log_prob`."""
        seeds = seeds_of_numbers(num_samples, start, seed)
        return self._drawn_rows(seeds, temperature, context)

    @compiled_call(seeds=SEEDS, temperature=_TEMPERATURE, context=CONTEXT)
    def sample_rows_and_log_prob(
        self, seeds: Any, temperature: Any, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns one sample per seed row; row i depends only on the inputs' rows i.

        Args:
          seeds: int32 `[N, 2]`.
          temperature: `[N]`, >= 0.
          context: None or, for a conditional model, `[*context_shape]` for all samples,
            or `[N, *context_shape]`.

        Returns:
          The values of `sample_and_log_prob`.
        """
        return self._drawn_rows(checked_seeds(seeds), temperature, context)

    def _drawn_rows(
        self, seeds: Seeds, temperature: Any, context: Any
    ) -> tuple[tf.Tensor, tf.Tensor]:
        number = random.number_of_rows(seeds)
        c = self._embedded(context, tf.zeros([number]), 0)
        rows = temperature_rows(temperature, number, self.flow_dtype)
        y, log_prob = self._drawn(seeds, rows, c)
        return self._raw.drawn(y), log_prob
