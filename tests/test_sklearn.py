"""FlowDensity is a scikit-learn estimator, and its densities are densities."""

from __future__ import annotations

import concurrent.futures
import io
import random

import joblib
import keras
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import tfflows
from tfflows import bijectors as fb
from tfflows.sklearn import FlowDensity
from tfflows.training import held_out

SMALL = {
    "family": "realnvp",
    "num_layers": 2,
    "hidden_units": (8,),
    "max_epochs": 3,
    "random_state": 0,
}
RNG = np.random.default_rng(0)
# Columns on far scales, one at an offset; the second one depends on the first.
Z = RNG.normal(size=(1500, 2))
ROWS = np.stack([1e3 + 10 * Z[:, 0], 1e-3 * (Z[:, 1] + Z[:, 0])], axis=1)
TRUE_LOG_PROB = -0.5 * np.sum(Z**2, axis=1) - np.log(2 * np.pi) - np.log(10 * 1e-3)


def affine(size):
    """A flow that is traced in no time."""
    return tfflows.Flow(fb.Chain([fb.ActNorm(), fb.Scale()]), (size,))


@pytest.fixture(scope="module")
def fitted():
    longer = {**SMALL, "max_epochs": 30, "learning_rate": 1e-2}
    return FlowDensity(**longer).fit(ROWS)


def test_log_densities_are_in_the_units_of_the_columns(fitted):
    scores = fitted.score_samples(ROWS)
    assert scores.shape == (1500,)
    assert np.mean(TRUE_LOG_PROB - scores) < 0.05
    assert np.mean(np.abs(TRUE_LOG_PROB - scores)) < 0.3
    assert fitted.score(ROWS) == pytest.approx(np.mean(scores), rel=1e-6)
    edges = [np.linspace(940, 1060, 301), np.linspace(-9e-3, 9e-3, 301)]
    grid = np.stack(np.meshgrid(*edges), axis=-1).reshape(-1, 2)
    cell = np.prod([e[1] - e[0] for e in edges])
    assert np.sum(np.exp(fitted.score_samples(grid))) * cell == pytest.approx(
        1, abs=1e-3
    )


def test_what_a_fit_leaves_behind(fitted):
    assert isinstance(fitted.flow_, tfflows.Flow)
    assert fitted.n_features_in_ == 2
    assert 1 <= fitted.n_iter_ <= 30
    assert abs(fitted.validation_score_ - fitted.score(ROWS)) < 0.3
    np.testing.assert_allclose(
        fitted.flow_.log_prob(ROWS[:5]), fitted.score_samples(ROWS[:5]), rtol=1e-5
    )


def test_the_weights_are_the_best_ones_on_the_rows_held_out():
    flow = affine(2)
    losses = held_out.fit_until_settled(
        flow,
        Z,
        np.ones(1500),
        optimizer=keras.optimizers.Adam(2.0),  # so high that it goes up and down
        max_epochs=4,
        batch_size=256,
        validation_fraction=0.2,
        patience=3,
        seed=1,
    )
    rows = np.random.default_rng(1).permutation(1500)[:300]
    score = np.mean(flow.log_prob(Z[rows]))
    assert score == pytest.approx(-min(losses), abs=1e-4)
    assert losses[-1] > min(losses)


def test_the_same_seed_gives_the_same_fit_and_no_global_state_moves(fitted):
    random.seed(5)
    np.random.seed(5)
    states = random.getstate(), np.random.get_state()[1].copy()
    again = clone(fitted).fit(ROWS)
    assert random.getstate() == states[0]
    np.testing.assert_array_equal(np.random.get_state()[1], states[1])
    np.testing.assert_allclose(
        again.score_samples(ROWS), fitted.score_samples(ROWS), rtol=1e-3, atol=1e-3
    )


@pytest.mark.large
def test_threads_that_fit_at_once_do_not_meet(fitted):
    def fit(seed):
        density = FlowDensity("realnvp", 1, max_epochs=1, random_state=seed)
        return density.fit(ROWS[:50]).score_samples(ROWS[:5])

    alone = [fit(seed) for seed in (0, 1)]
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        for one, other in zip(alone, threads.map(fit, (0, 1)), strict=True):
            np.testing.assert_allclose(other, one, rtol=1e-5)
    assert not np.allclose(*alone)


@pytest.mark.large
def test_a_grid_search_over_threads_finds_what_a_serial_one_does():
    density = FlowDensity("realnvp", 1, max_epochs=2, random_state=0)
    grid = {"learning_rate": [1e-3, 1e-2], "hidden_units": [(3,), (4,)]}

    def scores(n_jobs):
        search = GridSearchCV(density, grid, cv=2, n_jobs=n_jobs, error_score="raise")
        with joblib.parallel_backend("threading"):
            return search.fit(ROWS[:40]).cv_results_["split1_test_score"]

    np.testing.assert_allclose(scores(2), scores(1), rtol=1e-5)


def test_samples(fitted):
    drawn = fitted.sample(2000)
    assert drawn.shape == (2000, 2)
    np.testing.assert_allclose(drawn.mean(axis=0), ROWS.mean(axis=0), rtol=0.3)
    np.testing.assert_allclose(drawn.std(axis=0), ROWS.std(axis=0), rtol=0.1)
    # Up to rounding, which may differ by the number of rows.
    np.testing.assert_allclose(fitted.sample(3), drawn[:3], rtol=1e-5)
    assert not np.array_equal(fitted.sample(3, random_state=1), drawn[:3])
    assert np.array_equal(
        fitted.sample(3, np.random.RandomState(4)), fitted.sample(3, random_state=4)
    )


@pytest.mark.filterwarnings("ignore:Skipping variable loading for opt:UserWarning")
def test_a_fitted_estimator_is_dumped_and_loaded(fitted):
    file = io.BytesIO()
    joblib.dump(fitted, file)
    file.seek(0)
    loaded = joblib.load(file)
    assert loaded.get_params() == fitted.get_params()
    for weight, kept in zip(
        loaded.flow_.get_weights(), fitted.flow_.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(weight, kept)
    np.testing.assert_allclose(
        loaded.score_samples(ROWS[:9]), fitted.score_samples(ROWS[:9]), rtol=1e-4
    )
    np.testing.assert_allclose(loaded.sample(3), fitted.sample(3), rtol=1e-5)


def test_in_a_pipeline_under_cross_validation():
    pipeline = make_pipeline(StandardScaler(), FlowDensity(affine, max_epochs=1))
    scores = cross_val_score(pipeline, ROWS[:200], cv=2)
    assert scores.shape == (2,)
    assert np.all((scores > -5) & (scores < 0))


def test_one_column_and_weights():
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(-3, 0.5, 500), rng.normal(3, 0.5, 500)])[:, None]
    weight = np.where(x[:, 0] < 0, 0.5, 1.5)
    one = {"family": "nsf_ar", "num_layers": 1, "max_epochs": 30}
    density = FlowDensity(**{**SMALL, **one, "learning_rate": 1e-2})
    density.fit(x, sample_weight=weight)
    grid = np.linspace(-30, 30, 6001)
    p = np.exp(density.score_samples(grid[:, None])) * (grid[1] - grid[0])
    assert p.sum() == pytest.approx(1, abs=1e-3)
    assert p[grid < 0].sum() == pytest.approx(0.25, abs=0.04)


@pytest.mark.large
def test_integer_columns_may_be_constant():
    x = np.random.default_rng(0).integers(0, 4, (60, 3)) * [1, 1, 0]
    density = FlowDensity(**{**SMALL, "max_epochs": 1}, levels=4).fit(x)
    drawn = density.sample(50)
    assert set(np.unique(drawn)) <= {0.0, 1.0, 2.0, 3.0}
    assert np.isfinite(density.score_samples(drawn)).all()
    with pytest.raises(ValueError, match="expected integers from 0 to 3"):
        density.score_samples([[0.5, 1, 1]])


def test_columns_that_float32_would_round():
    x = [1.7e9, 0.0] + RNG.normal(size=(300, 2))  # seconds, and no seconds
    density = FlowDensity(random_state=0).fit(x)
    scores = density.score_samples(x)
    assert scores.dtype == np.float64
    assert density.flow_.flow_dtype == scores.dtype
    assert abs(np.mean(scores) + 2.84) < 0.3  # the entropy of two standard normals


def test_a_flow_of_ones_own():
    density = FlowDensity(affine, max_epochs=1, random_state=0).fit(ROWS[:50])
    assert isinstance(density.flow_.bijector.steps[1], fb.Scale)
    with pytest.raises(ValueError, match=r"a tfflows.Flow over events of shape \(2,\)"):
        FlowDensity(lambda size: affine(size + 1)).fit(ROWS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"family": "glow"}, "expected family auto or realnvp or .*, got 'glow'"),
        ({"num_layers": 0}, "expected num_layers above 0, got 0"),
        ({"learning_rate": "fast"}, "expected learning_rate above 0, got 'fast'"),
        ({"validation_fraction": 1.0}, "validation_fraction between 0 and 1, got 1.0"),
        ({"weight_decay": -1}, "expected weight_decay >= 0 or 'auto', got -1"),
        ({"patience": np.nan}, "expected patience above 0, got nan"),
        ({"max_seconds": 0}, "expected max_seconds above 0, got 0"),
    ],
)
def test_arguments_are_checked_by_fit(arguments, message):
    with pytest.raises(ValueError, match=message):
        FlowDensity(**arguments).fit(ROWS)


def test_rows_that_have_no_density_are_named():
    constant = np.array(ROWS)
    constant[:, 1] = 0.1 + 0.2
    for x, message in (
        (constant, "columns that vary, got constant ones, .*: 1; drop them"),
        (ROWS[:1], "1 sample"),
        (ROWS * np.nan, "NaN"),
        (ROWS[:, 0], "2D array"),
    ):
        with pytest.raises(ValueError, match=message):
            FlowDensity().fit(x)
    with pytest.raises(ValueError, match="expected 2 rows of weight above 0, got 1"):
        FlowDensity().fit(ROWS[:3], sample_weight=[0, 1, 0])


def test_a_diverging_training_is_named():
    density = FlowDensity(affine, learning_rate=1e9)
    with (
        pytest.warns(UserWarning, match="left out"),
        pytest.raises(ValueError, match="lower the learning rate"),
    ):
        density.fit(ROWS[:50])


def test_before_the_fit(fitted):
    with pytest.raises(NotFittedError):
        FlowDensity().score_samples(ROWS)
    with pytest.raises(NotFittedError):
        FlowDensity().sample()
    with pytest.raises(ValueError, match="3 features, but FlowDensity is expecting 2"):
        fitted.score_samples(np.ones((4, 3)))


@pytest.mark.large
@pytest.mark.parametrize("family", ["realnvp", "maf", "nsf", "nsf_ar"])
def test_every_family_fits(family):
    longer = {"family": family, "max_epochs": 60, "learning_rate": 5e-3}
    density = FlowDensity(**{**SMALL, **longer}).fit(ROWS)
    assert np.mean(TRUE_LOG_PROB) - density.score(ROWS) < 0.06


@pytest.mark.large
@pytest.mark.filterwarnings("ignore")
def test_scikit_learns_own_checks():
    results = check_estimator(FlowDensity(), on_fail="raise")
    skipped = {r["check_name"] for r in results if r["status"] == "skipped"}
    # It needs an environment variable that scikit-learn's own CI sets.
    assert skipped <= {"check_array_api_input"}
    assert len(results) > 40


@pytest.mark.large
def test_the_fitted_flow_is_exported(fitted, tmp_path):
    import tensorflow as tf

    path = tfflows.export.export_saved_model(fitted.flow_, str(tmp_path))
    log_prob = tf.saved_model.load(path).signatures["log_prob"]
    exported = log_prob(x=tf.constant(ROWS[:7], tf.float32))["log_prob"]
    np.testing.assert_allclose(exported, fitted.score_samples(ROWS[:7]), rtol=1e-5)
