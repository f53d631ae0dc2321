"""A flow as a scikit-learn density estimator, in the place of KernelDensity."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    validate_data,
)

from tfflows.backend.arguments import check_unused
from tfflows.backend.random import seeded_initializers
from tfflows.families import builder
from tfflows.models import Flow
from tfflows.training import fit_until_settled
from tfflows.training.weight_decay import decay_matrices_only

# Each takes the event's shape and a number of layers.
_FAMILIES: dict[str, Callable[..., Flow]] = {
    "realnvp": lambda shape, layers, **kwargs: builder("realnvp")(
        shape, num_couplings=layers, **kwargs
    ),
    "maf": lambda shape, layers, **kwargs: builder("maf")(
        shape, num_steps=layers, normalization="actnorm", **kwargs
    ),
    "nsf": lambda shape, layers, **kwargs: builder("nsf")(
        shape, num_steps=layers, **kwargs
    ),
    "nsf_ar": lambda shape, layers, **kwargs: builder("nsf")(
        shape, num_steps=layers, structure="autoregressive", **kwargs
    ),
}
_SCORED_ROWS = 4096
_DECAY = 5000.0
# A column whose range is below as many roundings of its values is constant.
_ROUNDINGS = 8


class FlowDensity(DensityMixin, BaseEstimator):
    """A density of rows, fitted by maximum likelihood until held-out rows get worse.

    Stands in for `sklearn.neighbors.KernelDensity` and `GaussianMixture`, in pipelines
    and in cross-validation too. Columns are standardised inside: log-densities are in
    nats, in the units of the columns. `flow_` is the fitted `tfflows.Flow`, which can
    be saved and exported like any other.

    Columns of few distinct values have no density, though one can be fitted: give
    `levels` for integers.

    Args:
      family: "realnvp", "maf", "nsf" (spline couplings), "nsf_ar" (autoregressive
        splines), or a function of the number of columns that returns a `tfflows.Flow`;
        the next three arguments are those of a named family. "auto": "realnvp", and
        "nsf_ar" for one column, which has no other to depend on.
      num_layers: Number of couplings or autoregressive steps.
      hidden_units: Widths of each layer's network.
      levels: Number of levels of integer columns 0 .. levels - 1, whose density is then
        that of x + u, u uniform in [0, 1); None: real numbers.
      max_epochs: Passes over the rows at most; of few rows, several make an epoch.
      batch_size: Rows in a step of the optimizer.
      learning_rate: Of Adam, at the start: it falls where held-out rows do not improve.
      weight_decay: Decoupled weight decay of matrices; 0 for none. "auto": 5,000 / N,
        that of one prior, which weighs the less the more rows there are.
      validation_fraction: Share of the rows that is held out to see when to stop.
      patience: Epochs without improvement until training stops.
      random_state: None, an int or a `numpy.random.RandomState`: rows held out, start
        of the weights, order of the rows, samples.
      verbose: As in `keras.Model.fit`.

    Attributes:
      flow_: The fitted flow, with the weights that were best on the rows held out.
      n_features_in_: Number of columns.
      n_iter_: Epochs that training took.
      validation_score_: Mean log-density of the rows held out, in nats.
    """

    def __init__(
        self,
        family: str | Callable[[int], Flow] = "auto",
        num_layers: int = 6,
        hidden_units: Sequence[int] = (64, 64),
        *,
        levels: int | None = None,
        max_epochs: int = 200,
        batch_size: int = 256,
        learning_rate: float = 1e-3,
        weight_decay: float | str = "auto",
        validation_fraction: float = 0.1,
        patience: int = 12,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.family = family
        self.num_layers = num_layers
        self.hidden_units = hidden_units
        self.levels = levels
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> FlowDensity:
        """Fits the density.

        Args:
          X: Rows `[N, D]`, at least 2.
          y: Not used; there for pipelines.
          sample_weight: None or `[N]`, >= 0.

        Returns:
          The estimator.

        Raises:
          ValueError: For rows that are no finite numbers, a column that is constant
            (it has no density), an argument out of range, or a training that diverges.
        """
        x = validate_data(self, X, dtype="float64", ensure_min_samples=2)
        weight = _check_sample_weight(
            sample_weight, x, dtype="float64", ensure_non_negative=True
        )
        x, weight = x[weight > 0], weight[weight > 0]
        if len(x) < 2:
            raise ValueError(f"expected 2 rows of weight above 0, got {len(x)}")
        self._check_arguments()
        if self.levels is None:
            _refuse_constant_columns(x)
        rng = check_random_state(self.random_state)
        with seeded_initializers(int(rng.randint(2**31))):
            flow = self._new_flow(x)
        losses = fit_until_settled(
            flow,
            x,
            weight,
            optimizer=self._optimizer(flow, len(x)),
            max_epochs=self.max_epochs,
            batch_size=self.batch_size,
            validation_fraction=self.validation_fraction,
            patience=self.patience,
            seed=int(rng.randint(2**31)),
            verbose=self.verbose,
        )
        self.flow_ = flow
        self.n_iter_, self.validation_score_ = len(losses), -float(np.nanmin(losses))
        return self

    def score_samples(self, X: Any) -> np.ndarray:
        """Log-densities `[N]` in nats of rows `[N, D]`, in the units of the columns."""
        check_is_fitted(self)
        x = validate_data(self, X, dtype="float64", reset=False)
        # Keras would cast an array of float64 to float32, whatever the flow's dtype.
        rows = tf.data.Dataset.from_tensor_slices(
            tf.constant(x, self.flow_.bijector.dtype)
        )
        return self.flow_.predict(rows.batch(_SCORED_ROWS), verbose=0)

    def score(self, X: Any, y: Any = None) -> float:
        """The mean log-density of rows `[N, D]` in nats, like GaussianMixture's.

        Args:
          X: The rows.
          y: Not used.
        """
        return float(np.mean(self.score_samples(X), dtype="float64"))

    def sample(self, n_samples: int = 1, random_state: Any = None) -> np.ndarray:
        """Draws rows `[n_samples, D]`; where there are `levels`, of integers.

        Args:
          n_samples: N.
          random_state: None for the estimator's own, an int or a `RandomState`.
        """
        check_is_fitted(self)
        own = self.random_state if random_state is None else random_state
        seed = int(check_random_state(own).randint(2**31))
        x = self.flow_.sample(n_samples, seed).numpy()
        return x if self.levels is None else np.clip(np.floor(x), 0, self.levels - 1)

    def _check_arguments(self) -> None:
        above_zero = ("num_layers", "max_epochs", "batch_size", "learning_rate")
        for name in (*above_zero, "patience"):
            if not (_is_number(value := getattr(self, name)) and value > 0):
                raise ValueError(f"expected {name} above 0, got {value!r}")
        decay: Any = self.weight_decay
        if decay != "auto" and not (_is_number(decay) and decay >= 0):
            raise ValueError(f"expected weight_decay >= 0 or 'auto', got {decay!r}")
        fraction = self.validation_fraction
        if not (_is_number(fraction) and 0 < fraction < 1):
            raise ValueError(
                f"expected validation_fraction between 0 and 1, got {fraction!r}"
            )
        if callable(self.family):
            check_unused("num_layers", self.num_layers, [6], "a named family")
            check_unused(
                "hidden_units", self.hidden_units, [(64, 64)], "a named family"
            )
        names = ("auto", *_FAMILIES)
        if not (callable(self.family) or self.family in names):
            raise ValueError(
                f"expected family {' or '.join(names)}, or a function of the number "
                f"of columns, got {self.family!r}"
            )

    def _new_flow(self, x: np.ndarray) -> Flow:
        size, family = x.shape[1], self.family
        if family == "auto":
            family = "realnvp" if size > 1 else "nsf_ar"
        if not callable(family):
            return _FAMILIES[family](
                (size,),
                self.num_layers,
                hidden_units=self.hidden_units,
                levels=self.levels,
                standardize=self.levels is None,
                dtype=_dtype_for(x),
            )
        flow = family(size)
        if not isinstance(flow, Flow) or flow.event_shape != (size,):
            raise ValueError(
                f"expected family to return a tfflows.Flow over events of shape "
                f"({size},), got {flow!r}"
            )
        return flow

    def _optimizer(self, flow: Flow, num_rows: int) -> keras.optimizers.Optimizer:
        is_auto = self.weight_decay == "auto"
        decay = _DECAY / num_rows if is_auto else float(self.weight_decay) or None
        optimizer = keras.optimizers.Adam(self.learning_rate, weight_decay=decay)
        decay_matrices_only(optimizer, flow.trainable_weights)
        return optimizer


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and math.isfinite(value)


def _refuse_constant_columns(x: np.ndarray) -> None:
    rounding = np.finfo("float64").eps * np.abs(x).max(axis=0)
    constant = np.flatnonzero(np.ptp(x, axis=0) <= _ROUNDINGS * rounding)
    if constant.size:
        raise ValueError(
            "expected columns that vary, got constant ones, which have no density: "
            f"{', '.join(map(str, constant))}; drop them "
            "(sklearn.feature_selection.VarianceThreshold) or, for integers, give "
            "levels="
        )


def _dtype_for(x: np.ndarray) -> str:
    """float64 where rounding to float32 would show in a column, else float32."""
    size, deviation = np.abs(x).max(axis=0), x.std(axis=0)
    rounding = np.finfo("float32").eps * size
    fits = (rounding < 1e-3 * deviation) & (deviation > 1e-30) & (size < 1e30)
    return "float32" if fits.all() else "float64"
