"""Rows of categories, integers and real numbers, and the flows over them."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf

from tfflows.backend.codes import CodeColumns
from tfflows.bijectors import Chain, FlowStep, GivenFirst, Permute, Standardize
from tfflows.distributions import AutoregressiveCodes, ColumnMixture
from tfflows.models import Flow
from tfflows.models.warped import set_standardization
from tfflows.networks import CodeFeatures
from tfflows.sklearn.column_rows import ColumnFit, ColumnRows, fit_columns
from tfflows.sklearn.plan import FAMILIES, FlowPlan
from tfflows.sklearn.table import Prepared, Table
from tfflows.sklearn.warped.mixed_warps import Curves, warped_rows
from tfflows.sklearn.warped.spaces import Space, SpaceMaker
from tfflows.sklearn.warped.warps import Warp

# An integer of so many rows, and of this share of them, has a probability of its own.
_ATOM_ROWS, _ATOM_SHARE, _MOST_ATOMS = 5, 0.01, 64
# Widths of the network of categories and integers.
_CODE_UNITS = (64, 64)
_SCORED_ROWS = 4096


@dataclasses.dataclass(frozen=True)
class MixedTable(Table):
    """Rows of columns of several kinds.

    Attributes:
      categories: Number of categories of each categorical column, 0 of others: `[D]`.
      integers: Which columns are of integers, `[D]`.
      indicators: The column that tells whether a cell is missing, -1: none is. `[D]`
    """

    categories: np.ndarray
    integers: np.ndarray
    indicators: np.ndarray

    @property
    def order(self) -> np.ndarray:
        """The columns: categorical ones, those of integers, real ones."""
        kind = np.where(self.categories > 0, 0, np.where(self.integers, 1, 2))
        return np.argsort(kind, kind="stable")

    @property
    def widths(self) -> tuple[int, ...]:
        """Numbers of categories of the categorical columns."""
        return tuple(int(count) for count in self.categories if count)

    @property
    def num_integers(self) -> int:
        """Number of columns of integers."""
        return int(np.sum(self.integers))

    @property
    def num_codes(self) -> int:
        """Number of columns that have probabilities."""
        return len(self.widths) + self.num_integers

    @property
    def has_missing(self) -> bool:
        """Whether numbers are missing, of which mixtures alone have the density."""
        return bool(np.any(self.indicators >= 0))

    def _places(self) -> list[int] | None:
        """The indicators of numbers, in `order`, by places of categorical columns."""
        if not self.has_missing:
            return None
        places = list(self.order)
        numbers = self.indicators[self.order[len(self.widths) :]]
        return [places.index(i) if i >= 0 else -1 for i in numbers]

    def new_flow(self, plan: FlowPlan, seed: int, warp: Warp | None = None) -> Flow:
        """A fresh flow: exact probabilities of codes, real columns given these.

        A warp is of standardised real columns.
        """
        x = self.x[:, self.order]
        columns = self._code_columns(x)
        size, rest = len(self.order), len(self.order) - self.num_codes
        base = AutoregressiveCodes(
            size, columns.config(), _CODE_UNITS, seed, self.dtype
        )
        base.start_from(x[:, : self.num_codes], self.weight)
        steps: list[FlowStep] = []
        curves = None if warp is None else Curves(warp)
        if curves is not None:
            steps.append(curves.step(self.num_codes, self.dtype))
        if rest:
            network = CodeFeatures(columns.config(), dtype=self.dtype)
            inner = FAMILIES[str(plan.family)](
                (rest,),
                plan.num_layers,
                hidden_units=plan.hidden_units,
                context_dim=network.num_features,
                dtype=self.dtype,
                **plan.arguments,
            )
            step = GivenFirst(inner.bijector, self.num_codes, network, dtype=self.dtype)
            steps.append(step)
        outer = self._units(*self._moments())[2]
        flow = self._flow(steps, base, *outer, name="given_codes")
        if curves is not None:
            curves.set(steps[0])
        return flow

    def far(self, rows: np.ndarray) -> np.ndarray:
        """Log-densities of some rows under a density with heavy tails."""
        flow = self._heavy_flow(*self._moments())
        parts = [
            flow.log_prob(tf.constant(self.x[rows[i : i + _SCORED_ROWS]], self.dtype))
            for i in range(0, len(rows), _SCORED_ROWS)
        ]
        return np.concatenate(parts).astype("float64")

    def prepared(self, rng: np.random.Generator) -> Prepared:
        """The rows, standardised, with noise of one step on integers."""
        number, codes = len(self.widths), self.num_codes
        shift, scale = self._moments()
        x = self.x[:, self.order[number:]]
        own_shift, own_scale = shift[number:], scale[number:]
        present = self._present()
        # A missing cell could be anything.
        drawn = own_shift + own_scale * rng.normal(size=x.shape)
        noisy = np.where(present, x, drawn)
        noise = rng.uniform(-0.5, 0.5, (len(x), self.num_integers))
        noisy[:, : self.num_integers] += noise
        x = np.where(present, x, noisy)
        one_hot = [
            self.x[:, place, np.newaxis] == np.arange(count)
            for place, count in zip(self.order, self.widths, strict=False)
        ]
        rows = ColumnRows(
            (x - own_shift) / own_scale,
            (noisy - own_shift) / own_scale,
            np.concatenate([np.zeros((len(x), 0)), *one_hot], axis=1),
            self.widths,
            1.0 / own_scale[: self.num_integers],
            present.astype("float64"),
            np.log(scale[codes:]),
        )
        plain = Space(rows, lambda whole: self._mixture_flow(whole, shift, scale))
        spaces: list[SpaceMaker] = [lambda kept, deadline: plain]
        if codes < len(self.order) and not self.has_missing:
            spaces.append(
                lambda kept, deadline: self._warped_columns(
                    rows, shift, scale, kept, deadline
                )
            )
        return Prepared(
            spaces,
            fit_columns,
            self.far(np.arange(len(x))),
            0.0,
            lambda: self._heavy_flow(shift, scale),
        )

    def _warped_columns(
        self,
        rows: ColumnRows,
        shift: np.ndarray,
        scale: np.ndarray,
        kept: np.ndarray,
        deadline: float | None,
    ) -> Space:
        warped, log_slopes, curves = warped_rows(rows, self.weight, kept, deadline)
        return Space(
            warped,
            lambda whole: self._mixture_flow(whole, shift, scale, curves),
            log_slopes,
            curves.warp,
        )

    def _present(self) -> np.ndarray:
        """Which numbers are there, `[N, C]`."""
        number = len(self.widths)
        present = np.ones((len(self.x), len(self.order) - number), bool)
        for place, indicator in enumerate(self.indicators[self.order[number:]]):
            if indicator >= 0:
                present[:, place] = self.x[:, indicator] == 0
        return present

    def _moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Shift and scale of each column in `order`; 0 and 1 of categories."""
        x = self.x[:, self.order]
        shift, scale = x.mean(axis=0), x.std(axis=0)
        number, codes = len(self.widths), self.num_codes
        shift[:number], scale[:number] = 0.0, 1.0
        scale[number:codes] = np.maximum(scale[number:codes], 0.5)
        return shift, scale

    def _flow(
        self,
        steps: list[FlowStep],
        base: Any,
        shift: np.ndarray,
        scale: np.ndarray,
        name: str,
    ) -> Flow:
        """A flow over raw rows, whose steps see real columns standardised."""
        size = len(shift)
        standardize = Standardize(dtype=self.dtype)
        permute = Permute(np.argsort(self.order).tolist(), dtype=self.dtype)
        chain = Chain([permute, standardize, *steps], dtype=self.dtype)
        flow = Flow(chain, (size,), base, name=name)
        set_standardization(standardize, shift, scale)
        return flow

    def _code_columns(self, x: np.ndarray) -> CodeColumns:
        shift, scale = self._moments()
        integers = range(len(self.widths), self.num_codes)
        return CodeColumns(
            self.widths,
            tuple(float(np.round(shift[i])) for i in integers),
            tuple(float(scale[i]) for i in integers),
            tuple(_atoms(x[:, i]) for i in integers),
        )

    def _heavy_flow(self, shift: np.ndarray, scale: np.ndarray) -> Flow:
        base = ColumnMixture(
            len(shift),
            1,
            self.widths,
            self.num_integers,
            heavy=True,
            indicators=self._places(),
            dtype=self.dtype,
        )
        shares = [
            self.weight @ (self.x[:, place, np.newaxis] == np.arange(count)) + 0.5
            for place, count in zip(self.order, self.widths, strict=False)
        ]
        own_shift, unit, outer = self._units(shift, scale)
        _assign(base.category_logits, [np.log(np.concatenate([[], *shares]))])
        _assign(base.means, [own_shift])
        _assign(base.log_scales, [np.log(unit)])
        return self._flow([], base, *outer, name="student_t")

    def _mixture_flow(
        self,
        whole: ColumnFit,
        shift: np.ndarray,
        scale: np.ndarray,
        curves: Curves | None = None,
    ) -> Flow:
        number, integers = len(self.widths), self.num_integers
        components, size = whole.means.shape
        base = ColumnMixture(
            number + size,
            components,
            self.widths,
            integers,
            indicators=self._places(),
            dtype=self.dtype,
        )
        own_shift, unit, outer = self._units(shift, scale)
        diagonal = np.einsum("kdd->kd", whole.factors)
        log_scales = np.log(unit) - np.log(diagonal)
        log_scales[:, :integers] = np.log(whole.scales(1.0 / unit[:integers]))
        lower = np.tril(whole.factors / diagonal[:, :, None], -1)
        base.logits.assign(np.log(whole.weights))
        _assign(base.category_logits, whole.categories)
        _assign(base.means, own_shift + unit * whole.means)
        _assign(base.log_scales, log_scales)
        _assign(base.lower, lower * unit[:, None] / unit)
        if curves is None:
            return self._flow([], base, *outer, name="column_mixture")
        step = curves.step(self.num_codes, self.dtype)
        flow = self._flow([step], base, *outer, name="warped_column_mixture")
        curves.set(step)
        return flow

    def _units(
        self, shift: np.ndarray, scale: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """Shift and unit of the numbers in a base, and what its flow standardises by.

        Integers are in their own units, and so are real columns if cells are missing:
        the volume of a standardisation would count in rows without the cell, too.
        """
        number, codes = len(self.widths), self.num_codes
        inner = np.arange(len(shift)) < (len(shift) if self.has_missing else codes)
        own_shift, unit = np.where(inner, shift, 0.0), np.where(inner, scale, 1.0)
        outer = np.where(inner, 0.0, shift), np.where(inner, 1.0, scale)
        return own_shift[number:], unit[number:], outer


def _assign(variable: Any, value: Any) -> None:
    if np.size(value):
        variable.assign(value)


def _atoms(x: np.ndarray) -> tuple[float, ...]:
    """The integers of one column that many rows have."""
    values, counts = np.unique(x, return_counts=True)
    kept = counts >= max(_ATOM_ROWS, _ATOM_SHARE * len(x))
    values, counts = values[kept], counts[kept]
    most = np.sort(np.argsort(-counts, kind="stable")[:_MOST_ATOMS])
    return tuple(float(value) for value in values[most])
