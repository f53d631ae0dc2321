"""Probabilities of codes, each given the ones before it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfflows.backend import random
from tfflows.backend.arguments import check_count, check_counts
from tfflows.backend.codes import CodeColumns, are_valid, chosen, log_bins
from tfflows.backend.random import Seeds
from tfflows.distributions.row_distribution import RowDistribution

# Rounded logistics of each integer column.
_LOGISTICS = 6
# The least scale of one, which gives 0.9999 to its middle.
_LEAST_SCALE = 0.05


@keras.saving.register_keras_serializable("tfflows")
class AutoregressiveCodes(RowDistribution):
    """p(c, z) = prod_j P(c_j | c_1 .. c_j-1) N(z; 0, I), in nats.

    c are codes: categories and integers. P of a category is a softmax; P of an integer
    a sum of atoms, integers with a probability of their own, and rounded logistics, so
    that each integer has one. Their parameters come from a masked network, as in MADE:
    probabilities are exact and add up to 1. Codes that are no integers, or of no known
    category, have probability 0. `temperature` acts on z alone.

    Args:
      event_shape: Shape of one event, or its size: codes first, then z.
      columns: `CodeColumns.config()` of the codes.
      hidden_units: Widths of the network's layers.
      seed: Of the start of the network.
      dtype: float32 or float64.
      name: Name of the distribution.

    Raises:
      ValueError: If events are smaller than the codes.
    """

    def __init__(
        self,
        event_shape: int | Sequence[int],
        columns: Mapping[str, Any],
        hidden_units: Sequence[int] = (64, 64),
        seed: int = 0,
        dtype: Any = tf.float32,
        name: str | None = None,
    ) -> None:
        self.columns = CodeColumns.of(columns)
        units = check_counts("hidden_units", hidden_units)
        self._config = {
            "columns": self.columns.config(),
            "hidden_units": list(units),
            "seed": check_count("seed", seed, least=0),
        }
        super().__init__(event_shape, dtype, name, **self._config)
        if self._shape.num_elements() < self.columns.size:
            raise ValueError(
                f"expected events of {self.columns.size} codes or more, got shape "
                f"{tuple(self._shape)}"
            )
        self._build(units, np.random.default_rng(seed))

    def _build(self, units: tuple[int, ...], rng: np.random.Generator) -> None:
        size = self.columns.size
        seen = np.repeat(np.arange(1, size + 1), self.columns.widths)
        told = np.repeat(np.arange(1, size + 1), self.sizes)
        degrees = [seen]
        if size > 1:
            degrees += [1 + np.arange(n) * (size - 1) // n for n in units]
        masks = [
            before[:, np.newaxis] <= after
            for before, after in itertools.pairwise(degrees)
        ]
        kind = self.dtype.as_numpy_dtype
        self._masks = [mask.astype(kind) for mask in masks]
        self.kernels, self.biases = [], []
        for number, mask in enumerate(self._masks):
            deviation = np.sqrt(1.0 / np.maximum(mask.sum(axis=0), 1.0))
            start = rng.normal(size=mask.shape) * deviation * mask
            self.kernels.append(self._variable(start, f"kernel_{number}"))
            self.biases.append(self._variable(np.zeros(mask.shape[1]), f"b_{number}"))
        last = [seen] if size == 1 else [degrees[-1], seen]
        self._heads = [(d[:, np.newaxis] < told).astype(kind) for d in last]
        self.heads = [
            self._variable(np.zeros(mask.shape), f"head_{number}")
            for number, mask in enumerate(self._heads)
        ]
        self.bias = self._variable(self._start(), "bias")

    def _variable(self, value: np.ndarray, name: str) -> tf.Variable:
        return tf.Variable(value, dtype=self.dtype, name=name)

    @property
    def sizes(self) -> list[int]:
        """Number of parameters of each column."""
        integers = [len(own) + 3 * _LOGISTICS for own in self.columns.atoms]
        return [*self.columns.categories, *integers]

    def _start(self) -> np.ndarray:
        parts = [np.zeros(count) for count in self.columns.categories]
        for atoms in self.columns.atoms:
            locations = np.linspace(-1.5, 1.5, _LOGISTICS)
            scales = np.full(_LOGISTICS, math.log(0.4))
            weights = np.zeros(len(atoms) + _LOGISTICS)
            parts.append(np.concatenate([weights, locations, scales]))
        return np.concatenate(parts)

    def start_from(self, codes: np.ndarray, weight: np.ndarray) -> None:
        """Sets the probabilities to those of columns on their own.

        Args:
          codes: `[N, G]`.
          weight: `[N]`.
        """
        parts = np.split(self._start(), np.cumsum(self.sizes)[:-1])
        share = weight / weight.sum()
        number = len(self.columns.categories)
        known = [range(count) for count in self.columns.categories]
        for place, (part, own) in enumerate(
            zip(parts, [*known, *self.columns.atoms], strict=True)
        ):
            found = np.array([share[codes[:, place] == code].sum() for code in own])
            part[: len(own)] = np.log(found + 0.5 / len(codes))
            if place >= number:  # some of what is no atom, or could be
                rest = max(1.0 - found.sum(), 0.1)
                part[len(own) : len(own) + _LOGISTICS] = np.log(rest / _LOGISTICS)
        self.bias.assign(np.concatenate(parts))

    def _laws(self, codes: tf.Tensor) -> list[tf.Tensor]:
        """Those of each column, `[B, size]`, given codes `[B, G]`."""
        seen = tf.concat(self.columns.features(codes), axis=-1)
        hidden = seen
        for kernel, mask, bias in zip(
            self.kernels, self._masks, self.biases, strict=True
        ):
            hidden = tf.nn.relu(hidden @ (kernel * mask) + bias)
        inputs = [seen] if len(self.heads) == 1 else [hidden, seen]
        total = tf.convert_to_tensor(self.bias)
        for value, head, mask in zip(inputs, self.heads, self._heads, strict=True):
            total += value @ (head * mask)
        return tf.split(total, self.sizes, axis=-1)

    def _logistics(
        self, own: tf.Tensor, place: int
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Logits, locations less the center, and scales, each `[B, .]`."""
        scale = self.columns.scales[place]
        atoms = len(self.columns.atoms[place])
        sizes = [atoms + _LOGISTICS, _LOGISTICS, _LOGISTICS]
        logits, locations, log_scales = tf.split(own, sizes, axis=-1)
        return logits, scale * locations, _LEAST_SCALE + scale * tf.exp(log_scales)

    def _log_density(self, flat: tf.Tensor) -> tf.Tensor:
        size, number = self.columns.size, len(self.columns.categories)
        codes, z = flat[:, :size], flat[:, size:]
        laws = self._laws(codes)
        total = -0.5 * tf.reduce_sum(tf.square(z) + math.log(2.0 * math.pi), axis=-1)
        features = self.columns.features(codes)
        for logits, one_hot in zip(laws[:number], features, strict=False):
            total += tf.reduce_sum(one_hot * tf.nn.log_softmax(logits), axis=-1)
        for place, own in enumerate(laws[number:]):
            total += self._log_integer(codes[:, number + place], own, place)
        valid = are_valid(codes, self.columns.categories)
        return tf.where(valid, total, tf.constant(-math.inf, total.dtype))

    def _log_integer(self, code: tf.Tensor, own: tf.Tensor, place: int) -> tf.Tensor:
        logits, locations, scales = self._logistics(own, place)
        atoms = tf.constant([self.columns.atoms[place]], code.dtype)
        code = code[:, tf.newaxis]
        nowhere = tf.constant(-math.inf, code.dtype)
        spikes = tf.where(code == atoms, tf.zeros([], code.dtype), nowhere)
        bins = log_bins(code - self.columns.centers[place] - locations, scales)
        terms = tf.concat([spikes, bins], axis=-1)
        return tf.reduce_logsumexp(tf.nn.log_softmax(logits) + terms, axis=-1)

    def _rows(self, seeds: Seeds, count: int) -> tf.Tensor:
        uniform = random.uniform_rows(seeds, count + self.columns.size, self.dtype)
        z = tf.math.ndtri(uniform[:, 2 * self.columns.size :])
        return tf.concat([self._drawn_codes(uniform), z], axis=-1)

    def location_rows(self, seeds: Seeds) -> tf.Tensor:
        """Returns each row's codes, and zeros: `[N, D]`."""
        count, size = self._shape.num_elements(), self.columns.size
        uniform = random.uniform_rows(seeds, count + size, self.dtype)
        codes = self._drawn_codes(uniform)
        return tf.pad(codes, [[0, 0], [0, count - size]])

    def _drawn_codes(self, uniform: tf.Tensor) -> tf.Tensor:
        size, number = self.columns.size, len(self.columns.categories)
        columns = [tf.zeros_like(uniform[:, 0])] * size
        for place in range(size):
            own = self._laws(tf.stack(columns, axis=-1))[place]
            if place < number:
                columns[place] = chosen(uniform[:, 2 * place], own)
                continue
            pair = uniform[:, 2 * place : 2 * place + 2]
            columns[place] = self._drawn_integer(pair, own, place - number)
        return tf.stack(columns, axis=-1)

    def _drawn_integer(self, pair: tf.Tensor, own: tf.Tensor, place: int) -> tf.Tensor:
        logits, locations, scales = self._logistics(own, place)
        atoms = tf.constant([self.columns.atoms[place]], own.dtype)
        kind = tf.cast(chosen(pair[:, 0], logits), tf.int32)
        noise = tf.math.log(pair[:, 1:]) - tf.math.log1p(-pair[:, 1:])
        smooth = tf.round(self.columns.centers[place] + locations + scales * noise)
        rows = tf.shape(smooth)[:1]
        spikes = tf.broadcast_to(atoms, tf.concat([rows, atoms.shape[1:]], axis=0))
        values = tf.concat([spikes, smooth], axis=-1)
        return tf.gather(values, kind, axis=1, batch_dims=1)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), **self._config}
