"""Densities of rows as a scikit-learn estimator, in the place of KernelDensity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf
from sklearn.base import BaseEstimator, DensityMixin, clone
from sklearn.model_selection import KFold
from sklearn.utils import _safe_indexing, check_array, check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from tfflows.models import Flow
from tfflows.sklearn.checks import check_arguments, check_columns, check_flow
from tfflows.sklearn.fitting import Fitted, fit_flow, fit_stack
from tfflows.sklearn.messages import messages_on
from tfflows.sklearn.mixed_table import MixedTable
from tfflows.sklearn.plan import plans_for
from tfflows.sklearn.reading import read, read_new
from tfflows.sklearn.table import Table
from tfflows.system.notices import warn_of

_DECAY = 5000.0


class FlowDensity(DensityMixin, BaseEstimator):
    """A density of rows, fitted by maximum likelihood and chosen by held-out rows.

    Stands in for `sklearn.neighbors.KernelDensity` and `GaussianMixture`, in pipelines
    and in cross-validation too. Columns are standardised inside: log-densities are in
    nats, in the units of the columns. `flow_` is a Keras model, which can be saved and
    exported like any other.

    With family "auto" it is a `tfflows.models.FlowMixture`: Gaussian mixtures, from 500
    rows on spline flows besides, and a Student t of little weight for far rows, weighed
    by rows that none of them has seen. Mixtures are fitted to the columns as they are
    and to columns that curves bring near normals, which suits skewed ones; flows to the
    better of the two. What is fitted, and for how many steps, follows from the numbers
    of rows and columns, so that one `random_state` gives one fit.

    Columns of categories and integers have probabilities, real ones a density given
    them; a density is with respect to both. By default the dtype of a column decides:
    categories, objects, texts and booleans are categories, integers are integers.
    `flow_` takes and gives the numbers of categories in their order (`flow_.columns`).
    Real columns that are rounded (prices, temperatures) are fitted with uniform noise
    of one step, and `score_samples` gives the density at the rounded number itself:
    about the probability of the number, divided by the step.

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
      categorical_features: Columns of categories: a list of names or numbers of
        columns; "auto": by dtype alone; None: none.
      integer_features: Columns of integers, likewise.
      rounding: "auto": real columns whose numbers lie on a grid, some of them equal,
        are taken as rounded to its step; a number: the step of all real columns; a
        dict: the steps of some; None: no column is rounded.
      missing: "error", or "category": a missing cell of a categorical column is a
        category of its own, and of numbers a category in a further column of the model;
        their density is then that of mixtures alone (family "auto").
      handle_unknown: Of a category that was not seen in training: "error", or "zero":
        the probability 0, and so a log-density of -inf.

    Attributes:
      flow_: The fitted model, with the weights that were best on the rows held out.
      n_features_in_: Number of columns.
      n_iter_: Looks at the held-out rows while flows were trained, 1 without flows.
      validation_score_: Mean log-density of the rows held out, in nats.
      report_: A dict: "rows", "columns", "rows_held_out", "tried" (a dict for each
        density with its name, held-out score, weight and training), "chosen" (names),
        "cut" (whether `max_seconds` left something out), "messages" (sentences on the
        columns, which are warnings, too).
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
        categorical_features: Sequence[Any] | str | None = "auto",
        integer_features: Sequence[Any] | str | None = "auto",
        rounding: Any = "auto",
        missing: str = "error",
        handle_unknown: str = "error",
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
        self.categorical_features = categorical_features
        self.integer_features = integer_features
        self.rounding = rounding
        self.missing = missing
        self.handle_unknown = handle_unknown

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
        check_arguments(self)
        check_columns(self)
        random = check_random_state(self.random_state)
        seed = int(random.randint(2**31))
        table, self._encoding = read(self, X, sample_weight, random)
        if callable(self.family):
            columns = table.x.shape[1]
            check_flow(self.family(columns), columns)
        messages = []
        if self._encoding is not None:
            warn_of(messages := messages_on(self._encoding, table.exact))
        fitted = self._fitted(table, seed)
        self.flow_ = fitted.model
        self.report_ = {**fitted.report, "messages": messages}
        self.n_iter_, self.validation_score_ = fitted.rounds, fitted.score
        return self

    def score_samples(self, X: Any) -> np.ndarray:
        """Log-densities `[N]` in nats of rows `[N, D]`, in the units of the columns.

        Of categories and integers they are log-probabilities: with real columns
        besides, the log of the probability of the former times the density of the
        latter given these.
        """
        check_is_fitted(self)
        x = read_new(self, X)
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
        x = X
        if not isinstance(X, pd.DataFrame):
            x = check_array(X, dtype=None, ensure_min_samples=4)
        weight = _check_sample_weight(
            sample_weight, x, dtype="float64", ensure_non_negative=True
        )
        random = check_random_state(self.random_state)
        parts = KFold(folds, shuffle=True, random_state=random.randint(2**31))
        scores = np.empty(len(x))
        for kept, held_out in parts.split(x):
            one = clone(self).set_params(random_state=random.randint(2**31))
            # A category that the others do not have is as far out as can be.
            one.set_params(handle_unknown="zero")
            one.fit(_safe_indexing(x, kept), sample_weight=weight[kept])
            scores[held_out] = one.score_samples(_safe_indexing(x, held_out))
        return scores

    def score(self, X: Any, y: Any = None) -> float:
        """The mean log-density of rows `[N, D]` in nats, like GaussianMixture's.

        Args:
          X: The rows.
          y: Not used.
        """
        return float(np.mean(self.score_samples(X), dtype="float64"))

    def sample(self, n_samples: int = 1, random_state: Any = None) -> Any:
        """Draws rows `[n_samples, D]`; where there are `levels`, of integers.

        They are what the model was fitted to: a DataFrame with its names and dtypes, or
        an array of the dtype. Rounded columns are rounded.

        Args:
          n_samples: N.
          random_state: None for the estimator's own, an int or a `RandomState`.
        """
        check_is_fitted(self)
        own = self.random_state if random_state is None else random_state
        seed = int(check_random_state(own).randint(2**31))
        x = self.flow_.sample(n_samples, seed).numpy()
        if self.levels is not None:
            return np.clip(np.floor(x), 0, self.levels - 1)
        encoding = getattr(self, "_encoding", None)  # of files of version 0.1.0: none
        return x if encoding is None else encoding.table(x.astype("float64"))

    def _fitted(self, table: Table, seed: int) -> Fitted:
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
        if isinstance(table, MixedTable) and table.has_missing:
            plans = []
        if self.family == "auto":
            return fit_stack(table, plans, fraction, seed, **limits)
        return fit_flow(table, plans[0], fraction, seed, **limits)

    def _weight_decay(self, rows: int) -> float:
        if self.weight_decay == "auto":
            return _DECAY / rows
        return float(self.weight_decay or 0.0)
