"""Densities of rows as a scikit-learn estimator, in the place of KernelDensity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from sklearn.base import BaseEstimator, DensityMixin, clone
from sklearn.model_selection import KFold
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    validate_data,
)

from tfflows.models import Flow
from tfflows.sklearn.checks import (
    check_arguments,
    check_flow,
    dtype_for,
    refuse_constant_columns,
)
from tfflows.sklearn.fitting import Fitted, Table, fit_flow, fit_stack
from tfflows.sklearn.plan import plans_for

_DECAY = 5000.0


class FlowDensity(DensityMixin, BaseEstimator):
    """A density of rows, fitted by maximum likelihood and chosen by held-out rows.

    Stands in for `sklearn.neighbors.KernelDensity` and `GaussianMixture`, in pipelines
    and in cross-validation too. Columns are standardised inside: log-densities are in
    nats, in the units of the columns. `flow_` is a Keras model, which can be saved and
    exported like any other.

    With family "auto" it is a `tfflows.models.FlowMixture`: Gaussian mixtures, from 500
    rows on spline flows besides, and a Student t of little weight for far rows, weighed
    by rows that none of them has seen. What is fitted, and for how many steps, follows
    from the numbers of rows and columns, so that one `random_state` gives one fit.

    Columns of few distinct values have no density, though one can be fitted: give
    `levels` for integers.

    Args:
      family: "auto"; "realnvp", "maf", "nsf" (spline couplings) or "nsf_ar"
        (autoregressive splines) for that flow alone; or a function of the number of
        columns that returns a `tfflows.Flow`. The next two arguments are those of a
        named family, or of the flows of "auto".
      num_layers: Number of couplings or autoregressive steps; None: chosen.
      hidden_units: Widths of each layer's network; None: chosen.
      levels: Number of levels of integer columns 0 .. levels - 1, whose density is then
        that of x + u, u uniform in [0, 1); None: real numbers.
      max_epochs: Passes over the rows at most; of few rows, several make an epoch.
      batch_size: Rows in a step of the optimizer.
      learning_rate: The highest one of Adam, which a cosine lets fall; None: chosen.
      weight_decay: Decoupled weight decay of matrices; 0 for none. "auto": 5,000 / N,
        that of one prior, which weighs the less the more rows there are. None: chosen.
      validation_fraction: Share of the rows that is held out from flows, to choose
        weights by.
      patience: Flows are looked at 40 times in a training, or once an epoch if it has
        fewer: so many looks without improvement end it.
      random_state: None, an int or a `numpy.random.RandomState`: rows held out, start
        of the weights, order of the rows, samples.
      verbose: As in `keras.Model.fit`.
      max_seconds: Ends the fit about then, with what it has; None: no limit. A fit that
        is cut depends on the machine.

    Attributes:
      flow_: The fitted model, with the weights that were best on the rows held out.
      n_features_in_: Number of columns.
      n_iter_: Looks at the held-out rows while flows were trained, 1 without flows.
      validation_score_: Mean log-density of the rows held out, in nats.
      report_: A dict: "rows", "columns", "rows_held_out", "tried" (a dict for each
        density with its name, held-out score, weight and training), "chosen" (names),
        "cut" (whether `max_seconds` left something out).
    """

    def __init__(
        self,
        family: str | Callable[[int], Flow] = "auto",
        num_layers: int | None = None,
        hidden_units: Sequence[int] | None = None,
        *,
        levels: int | None = None,
        max_epochs: int = 200,
        batch_size: int = 256,
        learning_rate: float | None = None,
        weight_decay: float | str | None = None,
        validation_fraction: float = 0.1,
        patience: int = 12,
        random_state: Any = None,
        verbose: int = 0,
        max_seconds: float | None = None,
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
        self.max_seconds = max_seconds

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
        check_arguments(self)
        if self.levels is None:
            refuse_constant_columns(x)
        if callable(self.family):
            check_flow(self.family(x.shape[1]), x.shape[1])
        fitted = self._fitted(Table(x, weight, self.levels, dtype_for(x)))
        self.flow_, self.report_ = fitted.model, fitted.report
        self.n_iter_, self.validation_score_ = fitted.rounds, fitted.score
        return self

    def score_samples(self, X: Any) -> np.ndarray:
        """Log-densities `[N]` in nats of rows `[N, D]`, in the units of the columns."""
        check_is_fitted(self)
        x = validate_data(self, X, dtype="float64", reset=False)
        return self.flow_.log_prob(tf.constant(x, self.flow_.flow_dtype)).numpy()

    def score_outliers(
        self, X: Any, folds: int = 5, sample_weight: Any = None
    ) -> np.ndarray:
        """Log-densities `[N]` of rows, each by a fit that has not seen it.

        A model also fits the outliers among its training rows, above all repeated ones;
        here each row is scored by a clone of this estimator that was fitted to the
        other folds. This estimator is not fitted, and need not be.

        Args:
          X: Rows `[N, D]`.
          folds: Number of parts, drawn at random; each is scored by one fit.
          sample_weight: None or `[N]`, >= 0.

        Returns:
          In nats, in the units of the columns; lower = outlier.

        Raises:
          ValueError: For other than 2 to N folds, or as `fit`, of the rows of a fold.
        """
        x = check_array(X, dtype="float64", ensure_min_samples=4)
        weight = _check_sample_weight(
            sample_weight, x, dtype="float64", ensure_non_negative=True
        )
        random = check_random_state(self.random_state)
        parts = KFold(folds, shuffle=True, random_state=random.randint(2**31))
        scores = np.empty(len(x))
        for kept, held_out in parts.split(x):
            one = clone(self).set_params(random_state=random.randint(2**31))
            one.fit(x[kept], sample_weight=weight[kept])
            scores[held_out] = one.score_samples(x[held_out])
        return scores

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

    def _fitted(self, table: Table) -> Fitted:
        seed = int(check_random_state(self.random_state).randint(2**31))
        fraction, rows = self.validation_fraction, len(table.x)
        plans = plans_for(
            self.family,
            rows,
            num_layers=self.num_layers,
            hidden_units=self.hidden_units,
            learning_rate=self.learning_rate,
            weight_decay=self._weight_decay(rows),
            batch_size=self.batch_size,
            max_epochs=self.max_epochs,
            patience=self.patience,
        )
        limits: dict[str, Any] = {
            "max_seconds": self.max_seconds,
            "verbose": self.verbose,
        }
        if self.family == "auto":
            return fit_stack(table, plans, fraction, seed, **limits)
        return fit_flow(table, plans[0], fraction, seed, **limits)

    def _weight_decay(self, rows: int) -> float:
        if self.weight_decay == "auto":
            return _DECAY / rows
        return float(self.weight_decay or 0.0)
