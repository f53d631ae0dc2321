"""What the models that have a density share: raw data in, densities and draws out."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tfflows import metrics
from tfflows.backend import random
from tfflows.backend.autograph import without_autograph
from tfflows.fitting.batch import Batch
from tfflows.fitting.impossible_data import checked_density
from tfflows.fitting.train_step import LikelihoodModel
from tfflows.models.compiled_calls import (
    CONTEXT,
    DATA,
    NUMBER,
    SEED,
    SEEDS,
    START,
    compiled_call,
    temperature_in,
)
from tfflows.models.raw_data import RawData
from tfflows.models.sampling import checked_number, checked_seeds, temperature_rows

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

    Subclasses have the attributes `event_shape` and `dequantization`, and implement
    `flow_dtype`, `context_shape`, `has_bounded_support`, `_embedded`, `_log_prob_given`
    and `_drawn`. y are dequantized data, c what `_embedded` makes of a context.
    """

    event_shape: tuple[int, ...]
    dequantization: Any

    @property
    def flow_dtype(self) -> tf.DType:
        """The dtype of events and densities."""
        raise NotImplementedError

    @property
    def context_shape(self) -> tuple[int | None, ...] | None:
        """Shape of the context of one example; None without a context."""
        raise NotImplementedError

    @property
    def has_bounded_support(self) -> bool:
        """Whether the density may be 0 somewhere."""
        raise NotImplementedError

    def _embedded(self, context: Any, places: tf.Tensor, ndims: int) -> Any:
        """The c of each of the places, whose last `ndims` axes are one event's."""
        raise NotImplementedError

    def _log_prob_given(self, y: tf.Tensor, c: Any) -> tf.Tensor:
        """Log-densities `[...]` of y `[..., *event]`."""
        raise NotImplementedError

    def _drawn(
        self, seeds: tf.Tensor, temperature: tf.Tensor, c: Any
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """One y `[N, *event]` for each seed row, and its log-density `[N]`."""
        raise NotImplementedError

    @property
    def levels(self) -> int | None:
        """Number of levels of integer data; None for continuous data."""
        return None if self.dequantization is None else self.dequantization.levels

    @property
    def draws_noise(self) -> bool:
        """Whether training and evaluation add noise to the data."""
        return self.dequantization is not None

    @property
    def _raw(self) -> RawData:
        dequantization = self.dequantization
        return RawData(self.event_shape, self.flow_dtype, dequantization, self.name)

    def _prepared(self, batch: Batch, training: bool) -> tuple[tf.Tensor, Any]:
        """The y of a batch, in training with fresh noise, and its c."""
        if training:
            y = self._raw.noisy(batch, self.noise_step)
        else:
            y = self._raw.dequantized(batch.x)
        return y, self._embedded(batch.context, y, len(self.event_shape))

    def call(self, inputs: Any, training: bool = False) -> tf.Tensor:
        """Log-densities `[B]` in nats; in training, with fresh noise on integer data.

        Args:
          inputs: x `[B, *event]`, or a dict with "x" and any of "context", "index".
          training: Whether noise is drawn afresh.
        """
        return self._log_prob_given(*self._prepared(Batch.of(inputs), training))

    def per_example(self, batch: Batch, training: bool) -> dict[str, tf.Tensor]:
        """Negative log-likelihoods `[B]` in nats, and bits/dim of integer data."""
        if training or self.dequantization is None:
            log_prob = self(batch.inputs, training=training)
            if training and self.has_bounded_support:
                log_prob = checked_density(log_prob, batch, self.name)
        else:
            x = self._raw.checked(batch.x)
            c = self._embedded(batch.context, x, len(self.event_shape))
            log_prob = self._raw.mean_over_noise(
                batch, lambda y: self._log_prob_given(y, c)
            )
        return {"loss": -log_prob, **self._bits(log_prob)}

    def _bits(self, log_prob: tf.Tensor) -> dict[str, tf.Tensor]:
        if self.levels is None:
            return {}
        return {"bits_per_dim": metrics.bits_per_dim(log_prob, self.event_shape)}

    @compiled_call(x=DATA)
    def dequantize(self, x: Any) -> tf.Tensor:
        """The continuous y of raw data `[..., *event]`: x + u with the fixed pattern.

        Raises:
          ValueError: For another shape, values that are not finite, or integer data
            that are no integers of the levels.
        """
        return self._raw.dequantized(x)

    @compiled_call(x=DATA, context=CONTEXT)
    def log_prob(self, x: Any, context: Any = None) -> tf.Tensor:
        """Log-densities in nats, in the units of the raw data.

        Args:
          x: Raw data `[..., *event]`.
          context: None or, of a conditional model, `[*context_shape]`, one for all, or
            `[..., *context_shape]`, one for each; the rule, which holds in all methods,
            stands in `Conditioning`.

        Returns:
          `[...]`; deterministic, for integer data with the fixed pattern u; -inf for
          data outside of the range of a step or of the base's support.

        Raises:
          ValueError: For another shape, values that are not finite or, for integer
            data, no integers of the levels; for a context that is missing, not
            expected, or of another shape or dtype.
        """
        y = self.dequantize(x)
        c = self._embedded(context, y, len(self.event_shape))
        return self._log_prob_given(y, c)

    def bits_per_dim(self, x: Any, context: Any = None) -> tf.Tensor:
        """-log_prob / (D ln 2), `[...]`; see `log_prob`."""
        return metrics.bits_per_dim(self.log_prob(x, context), self.event_shape)

    def sample(
        self,
        num_samples: int,
        seed: Any = None,
        temperature: Any = 1.0,
        context: Any = None,
    ) -> tf.Tensor:
        """Draws `[num_samples, *event]`; see `sample_and_log_prob`."""
        return self._draws(num_samples, 0, seed, temperature, context)

    def sample_and_log_prob(
        self,
        num_samples: int,
        seed: Any = None,
        temperature: Any = 1.0,
        context: Any = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Draws and their log-densities, in one pass.

        Args:
          num_samples: N.
          seed: None (fresh), an int, or int32 `[2]`. Sample i depends on the seed and
            i alone, not on N.
          temperature: T >= 0; multiplies the base draw's deviation from its location.
          context: None or, of a conditional model, `[*context_shape]` for all samples,
            or `[N, *context_shape]`. For M samples of each of some contexts, repeat
            these: `sample(M * len(c), context=np.repeat(c, M, axis=0))`.

        Returns:
          x `[N, *event]` in raw data units, continuous also for integer data (floor
          gives pixels), and log p(x) `[N]` in nats under the model at T = 1.

        Raises:
          ValueError: For a negative number or temperature, or a seed of another shape;
            for a context as in `log_prob`.
        """
        return self._draws_and_log_prob(num_samples, 0, seed, temperature, context)

    @compiled_call(**_DRAWS)
    def _draws(
        self, num_samples: Any, start: Any, seed: Any, temperature: Any, context: Any
    ) -> tf.Tensor:
        # Not what follows from them, which a compiled function then leaves out.
        return self._draws_and_log_prob(num_samples, start, seed, temperature, context)[
            0
        ]

    @compiled_call(**_DRAWS)
    def _draws_and_log_prob(
        self, num_samples: Any, start: Any, seed: Any, temperature: Any, context: Any
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Of the samples from number `start` on; see `sample_and_log_prob`."""
        numbers = start + tf.range(checked_number(num_samples))
        seeds = random.fold_in(random.as_seed(seed), numbers)
        return self.sample_rows_and_log_prob(seeds, temperature, context)

    @compiled_call(seeds=SEEDS, temperature=_TEMPERATURE, context=CONTEXT)
    def sample_rows_and_log_prob(
        self, seeds: Any, temperature: Any, context: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """One draw per seed row: row i depends on the inputs' rows i alone.

        Args:
          seeds: int32 `[N, 2]`.
          temperature: `[N]`, >= 0.
          context: None or, of a conditional model, `[*context_shape]` for all samples,
            or `[N, *context_shape]`.

        Returns:
          As `sample_and_log_prob`.
        """
        seeds = checked_seeds(seeds)
        c = self._embedded(context, seeds, 1)
        rows = temperature_rows(temperature, tf.shape(seeds)[0], self.flow_dtype)
        y, log_prob = self._drawn(seeds, rows, c)
        return self._raw.drawn(y), log_prob
