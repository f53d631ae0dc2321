"""A mixture over columns of several kinds: categories, integers, real numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfflows.backend import random
from tfflows.backend.arguments import check_count, check_counts, check_flag
from tfflows.backend.codes import (
    are_valid,
    chosen,
    log_bins,
    log_far_bins,
    one_hot,
)
from tfflows.backend.random import Seeds
from tfflows.distributions.row_distribution import RowDistribution


@keras.saving.register_keras_serializable("tfflows")
class ColumnMixture(RowDistribution):
    """p(c, n, x) = sum_k w_k P_k(c) P_k(n) p_k(x | n), in nats.

    c are categories, independent within a component; n integers and x real numbers,
    whose joint law in a component is that of a normal with full covariance, integer
    columns rounded: with v = (n, x), each element given the ones before has the
    location m_i - sum_j<i L_ij (v_j - m_j), an integer as a rounded logistic, a real
    number as a normal, of scale exp(log_scales_i). Each integer therefore has an exact
    probability. Codes that are no integers, or of no known category, have probability
    0. `temperature` acts on x alone.

    Args:
      event_shape: Shape of one event, or its size: categories, integers, numbers.
      num_components: K.
      categories: Number of categories of each categorical column.
      num_integers: Number of integer columns.
      heavy: Whether all locations are m, integers rounded Cauchys, and numbers Student
        t of 2 degrees of freedom, which bound what one far row can cost.
      indicators: For each integer and number the categorical column that tells, by its
        category 1, that the cell is missing, or -1. A missing cell counts as its
        location for the ones after it, and has no factor of its own: what x holds there
        does not matter. None: no cell is missing.
      dtype: float32 or float64.
      name: Name of the distribution.

    Raises:
      ValueError: For numbers out of range, or events smaller than the codes.
    """

    def __init__(
        self,
        event_shape: int | Sequence[int],
        num_components: int,
        categories: Sequence[int] = (),
        num_integers: int = 0,
        *,
        heavy: bool = False,
        indicators: Sequence[int] | None = None,
        dtype: Any = tf.float32,
        name: str | None = None,
    ) -> None:
        check_count("num_components", num_components)
        check_count("num_integers", num_integers, least=0)
        self.categories = check_counts("categories", categories) if categories else ()
        self.num_integers, self.heavy = int(num_integers), check_flag("heavy", heavy)
        self._config: dict[str, Any] = {
            "num_components": int(num_components),
            "categories": list(self.categories),
            "num_integers": self.num_integers,
            "heavy": self.heavy,
            "indicators": None if indicators is None else [int(i) for i in indicators],
        }
        super().__init__(event_shape, dtype, name, **self._config)
        numbers = self._shape.num_elements() - len(self.categories)
        if numbers < self.num_integers:
            raise ValueError(
                f"expected events of {len(self.categories)} categories and "
                f"{num_integers} integers or more, got shape {tuple(self._shape)}"
            )
        shape = (int(num_components), numbers)
        self.logits = self._variable(shape[:1], "logits")
        self.category_logits = self._variable(
            (shape[0], sum(self.categories)), "category_logits"
        )
        self.means = self._variable(shape, "means")
        self.log_scales = self._variable(shape, "scales")
        # Only what is below the diagonal counts.
        self.lower = None if heavy else self._variable((*shape, numbers), "lower")

    def _variable(self, shape: tuple[int, ...], name: str) -> Any:
        zeros = np.zeros(shape)
        if not zeros.size:  # nothing to train
            return tf.constant(zeros, self.dtype)
        return tf.Variable(zeros, dtype=self.dtype, name=name)

    def _mixing(self) -> tf.Tensor | None:
        """L of each component, `[K, C, C]`."""
        if self.lower is None:
            return None
        size = self.lower.shape[-1]
        return self.lower * tf.constant(np.tri(size, k=-1), self.dtype)

    def _present(self, codes: tf.Tensor) -> tf.Tensor | None:
        """1 for cells that are there, 0 for missing ones, `[B, C]`; None: all are."""
        indicators = self._config["indicators"]
        if indicators is None:
            return None
        there = [
            tf.ones_like(codes[:, 0], tf.bool) if place < 0 else codes[:, place] != 1.0
            for place in indicators
        ]
        return tf.cast(tf.stack(there, axis=-1), self.dtype)

    def _log_density(self, flat: tf.Tensor) -> tf.Tensor:
        number, integers = len(self.categories), self.num_integers
        categories, numbers = flat[:, :number], flat[:, number:]
        total = tf.nn.log_softmax(self.logits) + self._log_categories(categories)
        deviation = numbers[:, tf.newaxis] - self.means  # [B, K, C]
        present = self._present(categories)
        if present is not None:
            deviation *= present[:, tf.newaxis]
        mixing = self._mixing()
        if mixing is not None:
            deviation += tf.einsum("bkd,ked->bke", deviation, mixing)
        scale = tf.exp(self.log_scales)
        bins = log_far_bins if self.heavy else log_bins
        own = [bins(deviation[..., :integers], scale[:, :integers])]
        z = deviation[..., integers:] / scale[:, integers:]
        own.append(self._log_numbers(z) - self.log_scales[:, integers:])
        terms = tf.concat(own, axis=-1)
        if present is not None:
            terms *= present[:, tf.newaxis]
        total += tf.reduce_sum(terms, axis=-1)
        valid = are_valid(flat[:, : number + integers], self.categories)
        nowhere = tf.constant(-math.inf, self.dtype)
        return tf.where(valid, tf.reduce_logsumexp(total, axis=-1), nowhere)

    def _split(self, values: Any) -> list[tf.Tensor]:
        """The values of each categorical column."""
        if not self.categories:
            return []
        return tf.split(values, list(self.categories), axis=-1)

    def _log_categories(self, codes: tf.Tensor) -> tf.Tensor:
        """Those of codes `[B, G]` in each component, `[B, K]`."""
        total = tf.zeros([], self.dtype)
        columns = [codes[:, place] for place in range(len(self.categories))]
        parts = self._split(self.category_logits)
        for code, logits, count in zip(columns, parts, self.categories, strict=True):
            log_p = tf.nn.log_softmax(logits)
            total += tf.matmul(one_hot(code, count), log_p, transpose_b=True)
        return total

    def _log_numbers(self, z: tf.Tensor) -> tf.Tensor:
        if not self.heavy:
            return -0.5 * (tf.square(z) + math.log(2.0 * math.pi))
        # The square overflows float32 from 1e19 on: that of the ratio does not.
        size = tf.maximum(tf.abs(z), 1.0)
        rest = tf.square(z / size) + 2.0 / size / size
        return -3.0 * tf.math.log(size) - 1.5 * tf.math.log(rest)

    def _rows(self, seeds: Seeds, count: int) -> tf.Tensor:
        return self._drawn(seeds, count, 1.0)

    def location_rows(self, seeds: Seeds) -> tf.Tensor:
        """Returns each row's codes, and the mean of its numbers given these."""
        return self._drawn(seeds, self._shape.num_elements(), 0.0)

    def _drawn(self, seeds: Seeds, count: int, spread: float) -> tf.Tensor:
        uniform = random.uniform_rows(seeds, count + 1, self.dtype)
        number = tf.cast(chosen(uniform[:, 0], self.logits), tf.int32)
        component = tf.one_hot(number, self._config["num_components"], dtype=self.dtype)
        parts = self._split(component @ self.category_logits)
        columns = [
            chosen(uniform[:, 1 + place], logits) for place, logits in enumerate(parts)
        ]
        present = self._present(tf.stack(columns, axis=-1)) if columns else None
        quantiles = uniform[:, 1 + len(parts) :]
        columns += self._drawn_numbers(component, quantiles, present, spread)
        return tf.stack(columns, axis=-1)

    def _drawn_numbers(
        self,
        component: tf.Tensor,
        uniform: tf.Tensor,
        present: tf.Tensor | None,
        spread: float,
    ) -> list[tf.Tensor]:
        """Integers, then real numbers, each given the ones before: `[N]` each."""
        means, scales = component @ self.means, component @ tf.exp(self.log_scales)
        mixing = self._mixing()
        columns: list[tf.Tensor] = []
        before: list[tf.Tensor] = []  # their deviations
        for place in range(uniform.shape[-1]):
            location = means[:, place]
            if mixing is not None and before:
                row = component @ mixing[:, place, :place]
                location -= tf.reduce_sum(row * tf.stack(before, axis=-1), axis=-1)
            is_integer = place < self.num_integers
            noise = scales[:, place] * self._noise(uniform[:, place], is_integer)
            value = location + (noise if is_integer else spread * noise)
            columns.append(tf.round(value) if is_integer else value)
            deviation = columns[-1] - means[:, place]
            before.append(
                deviation if present is None else deviation * present[:, place]
            )
        return columns

    def _noise(self, u: tf.Tensor, is_integer: bool) -> tf.Tensor:
        """Draws about 0 of scale 1, of uniform numbers `[N]`."""
        if self.heavy and is_integer:
            return tf.tan(math.pi * (u - 0.5))
        if self.heavy:
            return (2.0 * u - 1.0) * tf.math.rsqrt(2.0 * u * (1.0 - u))
        if is_integer:
            return tf.math.log(u) - tf.math.log1p(-u)
        return tf.math.ndtri(u)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), **self._config}
