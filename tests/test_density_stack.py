"""What `FlowDensity` fits by itself: mixtures, flows, and the weights of the stack."""

from __future__ import annotations

import time

import keras
import numpy as np
import pytest
import scipy.stats
from sklearn.base import clone
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

import tfflows
from tfflows import bijectors as fb
from tfflows.sklearn import FlowDensity
from tfflows.sklearn.expectation import fit_mixture
from tfflows.sklearn.mixture_flow import as_flow
from tfflows.sklearn.mixtures import Folds, merged, search
from tfflows.sklearn.plan import FAMILIES, FlowPlan, plans_for, steps_for
from tfflows.sklearn.stacking import far_log_densities, robust_score, stack_weights
from tfflows.sklearn.table import Table
from tfflows.sklearn.warped.spaces import Space
from tfflows.sklearn.warped.warps import fit_warp, moments
from tfflows.training.fixed_budget import Budget, fit_for_steps

RNG = np.random.default_rng(0)


def two_modes(rows, seed=0):
    """Rows of two normals, on far scales, and their true log-densities."""
    rng = np.random.default_rng(seed)
    first = rng.uniform(size=rows) < 0.3
    z = rng.normal(size=(rows, 2)) * 0.5 + np.where(first, -2.0, 2.0)[:, None]
    near = [scipy.stats.norm.logpdf(z, m, 0.5).sum(axis=1) for m in (-2.0, 2.0)]
    truth = np.logaddexp(np.log(0.3) + near[0], np.log(0.7) + near[1])
    return z * [10.0, 0.01] + [100.0, 0.0], truth - np.log(0.1)


ROWS, TRUTH = two_modes(240)
NEW, NEW_TRUTH = two_modes(2000, seed=1)


@pytest.fixture(scope="module", autouse=True)
def _few_sizes_of_mixtures():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tfflows.sklearn.mixtures.SIZES", (1, 2, 4))
        yield


@pytest.fixture(scope="module")
def fitted(_few_sizes_of_mixtures):
    return FlowDensity(random_state=0).fit(ROWS)


def test_a_small_table_is_met_by_mixtures(fitted):
    assert np.mean(NEW_TRUTH) - fitted.score(NEW) < 0.06
    assert abs(fitted.validation_score_ - np.mean(TRUTH)) < 0.1
    draws = fitted.sample(3000)
    distance = np.abs(draws.mean(axis=0) - NEW.mean(axis=0)) / NEW.std(axis=0)
    assert max(distance) < 0.15
    report = fitted.report_
    assert (report["rows"], report["columns"]) == (240, 2)
    assert report["chosen"]
    assert not report["cut"]
    weights = {entry["name"]: entry["weight"] for entry in report["tried"]}
    assert all(weights[name] > 0 for name in report["chosen"])


def test_one_random_state_gives_one_fit(fitted):
    again = clone(fitted).fit(ROWS)
    np.testing.assert_array_equal(again.score_samples(NEW), fitted.score_samples(NEW))
    assert again.report_ == fitted.report_


def test_a_far_row_costs_what_a_heavy_tail_costs(fitted):
    far = fitted.score_samples([[100.0 + 1e5, 0.0]])
    assert -60 < far[0] < -20


def test_a_far_row_among_fitted_ones_is_not_the_densest():
    for distance in (8.0, 1e4):
        x = np.random.default_rng(0).normal(size=(100, 2))
        clean = scipy.stats.norm.logpdf(x[1:]).sum(axis=1)
        x[0] = distance
        scores = FlowDensity(random_state=0).fit(x).score_samples(x)
        assert scores[0] < np.quantile(scores[1:], 0.1)
        # Nor does it spoil the density of the others.
        assert np.mean(clean - scores[1:]) < 0.15


def test_the_model_is_one_keras_model_without_training_rows(fitted, tmp_path):
    size = sum(np.size(weight) for weight in fitted.flow_.get_weights())
    assert size < ROWS.size
    fitted.flow_.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    scores = fitted.score_samples(NEW[:5])
    np.testing.assert_allclose(loaded.log_prob(NEW[:5]), scores, rtol=1e-5)


def affine(shape, layers, dtype, **kwargs):
    """A flow that is traced in no time."""
    steps = [fb.ActNorm(dtype=dtype) for _ in range(layers)]
    return tfflows.Flow(fb.Chain(steps, dtype=dtype), shape)


def test_flows_join_from_500_rows_on(monkeypatch):
    monkeypatch.setitem(FAMILIES, "nsf_ar", affine)
    monkeypatch.setattr("tfflows.sklearn.fitting._LEAST_WEIGHT", 0.0)
    density = FlowDensity(num_layers=1, max_epochs=3, random_state=0).fit(NEW[:600])
    (entry,) = [each for each in density.report_["tried"] if "rounds" in each]
    assert entry["name"].startswith("nsf_ar of 1 x 128 x 128")
    assert density.n_iter_ == entry["rounds"] == 3
    names = [flow.name for flow in density.flow_.flows]
    assert (names[0], names[-1], len(names)) == ("gaussian_mixture", "student_t", 3)
    assert density.flow_.mixture_weights[1] == pytest.approx(entry["weight"])
    one = FlowDensity("nsf_ar", 1, max_epochs=3, random_state=0).fit(NEW[:100])
    assert isinstance(one.flow_, tfflows.Flow)
    assert one.report_["chosen"] == ["nsf_ar of 1 x 64 x 64"]


@pytest.mark.large
def test_flows_of_few_steps_do_no_harm():
    small = {"num_layers": 1, "hidden_units": (4,), "max_epochs": 1, "random_state": 0}
    density = FlowDensity(**small).fit(NEW)
    assert np.mean(NEW_TRUTH) - density.score(NEW) < 0.05


def test_what_is_given_is_kept_and_the_rest_is_planned():
    settings = {
        "num_layers": None,
        "hidden_units": None,
        "learning_rate": None,
        "weight_decay": 0.0,
        "batch_size": 256,
        "max_epochs": 200,
        "patience": 12,
    }
    numbers = [len(plans_for("auto", n, **settings)) for n in (499, 500, 2000)]
    assert numbers == [0, 1, 2]
    planned = plans_for("auto", 10_000, **settings)
    given = {"num_layers": 3, "hidden_units": [7], "learning_rate": 0.1}
    for plan, free in zip(
        plans_for("auto", 10_000, **{**settings, **given}), planned, strict=True
    ):
        assert (plan.num_layers, plan.hidden_units) == (3, (7,))
        assert plan.budget.learning_rate == 0.1
        assert plan.budget.steps == free.budget.steps == steps_for(10_000)
    (one,) = plans_for("maf", 100, **{**settings, "max_epochs": 3})
    assert one.budget.steps == 30


def test_a_stack_has_the_weights_of_its_sources():
    x = np.concatenate([RNG.normal(-1, 1, 700), RNG.normal(3, 1, 300)])
    parts = np.stack([scipy.stats.norm.logpdf(x, m, 1) for m in (-1, 3, 50)], axis=1)
    weights = stack_weights(parts, np.ones(1000))
    np.testing.assert_allclose(weights, [0.7, 0.3, 0.0], atol=0.03)
    half = stack_weights(parts, np.where(x > 1, 0.5, 1.0))
    assert half[1] < weights[1] - 0.1


def test_a_far_row_does_not_spoil_the_score():
    x = RNG.normal(size=(100, 1))
    x[0] = 40.0
    far = far_log_densities(x, x)
    good = scipy.stats.norm.logpdf(x[:, 0])
    wide = scipy.stats.norm.logpdf(x[:, 0], 0, 8)
    ones = np.ones(100)
    assert good.mean() < wide.mean()
    assert robust_score(good, far, ones) > robust_score(wide, far, ones)


def test_mixtures_are_fitted_as_scikit_learns():
    x = two_modes(300)[0]
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    ours = fit_mixture(x, np.ones(300), 2, 0.0, seed=0)
    theirs = GaussianMixture(2, random_state=0).fit(x)
    assert ours.log_densities(x).mean() == pytest.approx(theirs.score(x), abs=1e-4)
    counts = RNG.integers(1, 4, 300)
    weighted = fit_mixture(x, counts * 1.0, 1, 0.0, seed=0)
    repeated = np.repeat(x, counts, axis=0)
    np.testing.assert_allclose(weighted.means[0], repeated.mean(axis=0), atol=1e-12)
    both = merged([ours, weighted], [3.0, 1.0])
    wanted = np.logaddexp(
        np.log(0.75) + ours.log_densities(x), np.log(0.25) + weighted.log_densities(x)
    )
    np.testing.assert_allclose(both.log_densities(x), wanted)
    flow = as_flow(both, np.array([1.0, 2.0]), np.array([2.0, 0.5]), None, "float64")
    scores = flow.log_prob(x * [2.0, 0.5] + [1.0, 2.0])
    np.testing.assert_allclose(scores, wanted)  # of a volume of 1


def test_a_warp_is_the_map_of_its_flow_and_makes_columns_normal():
    rng = np.random.default_rng(2)
    z = rng.normal(size=(400, 2))
    y = np.stack([np.exp(z[:, 0]), np.sinh(2.0 * z[:, 1])], axis=1)
    warp = fit_warp(y, np.ones(400))
    near, log_slopes = warp(y)
    assert scipy.stats.kstest(near[:, 1], "norm").pvalue > 0.05
    assert np.mean(scipy.stats.norm.logpdf(near).sum(axis=1) + log_slopes) > (
        np.mean(scipy.stats.norm.logpdf(z).sum(axis=1) - z[:, 0])
        - np.mean(np.log(2.0 * np.cosh(2.0 * z[:, 1])))
        - 0.1
    )
    above = warp(y + 1e-6)[0]
    slopes = np.log((above - warp(y - 1e-6)[0]) / 2e-6).sum(axis=1)
    np.testing.assert_allclose(log_slopes, slopes, atol=1e-4)
    mixture = fit_mixture(near, np.ones(400), 2, 1.0, seed=0)
    shift, scale = np.array([5.0, -1.0]), np.array([100.0, 0.1])
    flow = as_flow(
        *(mixture, np.zeros(2), np.ones(2), None, "float64"), warp.of_raw(shift, scale)
    )
    wanted = mixture.log_densities(near) + log_slopes - np.log(scale).sum()
    np.testing.assert_allclose(flow.log_prob(shift + scale * y), wanted, rtol=1e-6)
    x = flow.sample(5, seed=0)
    np.testing.assert_allclose(flow.decode(flow.encode(x)), x, rtol=1e-6)


def test_curves_of_periodic_sorted_and_nearly_constant_columns():
    rng = np.random.default_rng(0)
    z = rng.normal(size=6000)
    periodic = np.where(np.arange(6000) % 2 == 0, 0.0, z)
    steps, spike = np.tile([0, 1, 2, 3, 5.5], 1200), np.zeros(6000)
    spike[:5] = 1e3
    y = np.stack([periodic, np.sort(np.exp(z)), steps, spike], axis=1)
    y = (y - y.mean(axis=0)) / y.std(axis=0)
    warp = fit_warp(y, np.ones(6000))
    assert np.all(warp.scale > 0.9e-3)
    assert np.all(np.isfinite(warp(y)[0]))
    assert scipy.stats.kstest(warp(y)[0][:, 1], "norm").statistic < 0.05
    kept = np.arange(6000) >= 5  # of which the last column is constant
    straight = fit_warp(y[:, 3:], np.ones(6000), kept)
    assert straight.scale == pytest.approx(1.0)
    assert (straight.skewness, straight.tails) == (0.0, 1.0)
    late = fit_warp(y, np.ones(6000), deadline=time.monotonic() - 1.0)
    np.testing.assert_array_equal(late.tails, np.ones(4))


def spaces_of(x, weight=None):
    """The plain and the warped rows, of which a fifth is held out in turn."""
    ones = np.ones(len(x)) if weight is None else weight
    table = Table(x, ones, None, "float64", x, np.zeros(x.shape[1]), None)
    held_out = np.array_split(np.arange(len(x)), 5)
    return table.prepared(np.random.default_rng(0)).folds(ones, held_out)


def test_curves_do_not_follow_held_out_rows():
    x = np.random.default_rng(1).normal(size=(30, 8))
    for rows, plain_wins in ((x, True), (np.exp(2.0 * x[:, :2]), False)):
        with threadpool_limits(1):
            plain, warped = (f.tried(1, 1.0, 0, None) for f in spaces_of(rows))
        assert (plain.score > warped.score) == plain_wins


def test_weights_count_in_warped_rows():
    x = np.exp(np.random.default_rng(0).normal(size=(50, 2)))
    counts = np.arange(50) % 3 + 1.0
    repeated = np.repeat(x, counts.astype(int), axis=0)
    for ours, theirs in zip(
        moments(x, counts), (repeated.mean(axis=0), repeated.std(axis=0)), strict=True
    ):
        np.testing.assert_allclose(ours, theirs)
    z = spaces_of(x, counts)[1].whole().rows
    mean, deviation = moments(z, counts)
    np.testing.assert_allclose([mean, deviation - 1.0], np.zeros((2, 2)), atol=1e-12)


def test_densities_that_are_none_never_win():
    class Fit:
        def __init__(self, number):
            self.number = number

        def log_densities(self, x):
            return np.full(len(x), {1: np.nan, 2: -1.0, 4: np.inf}[self.number])

    space = Space(RNG.normal(size=(40, 2)), None)
    far, half = np.full(40, -9.0), [np.arange(20)]
    folds = Folds(
        *(lambda kept, deadline: space, np.ones(40), half, far),
        lambda x, weight, number, strength, **how: Fit(number),
    )
    tried = list(search([folds], 0))
    assert np.all(np.isfinite([one.score for one in tried]))
    assert max(tried, key=lambda one: one.score).num_components == 2


def test_a_warped_flow_keeps_its_base(monkeypatch):
    base = tfflows.distributions.StandardStudentT(2)
    monkeypatch.setitem(
        FAMILIES, "nsf", lambda *_, **how: tfflows.Flow(fb.ActNorm(), (2,), base)
    )
    x = RNG.normal(size=(50, 2))
    table = Table(x, np.ones(50), None, "float32", x, np.zeros(2), None)
    warp = fit_warp(x, np.ones(50))
    flow = table.new_flow(FlowPlan("nsf", 1, (4,), Budget(1, 0.1)), 0, warp)
    assert flow.base.distribution is base or flow.base is base


def test_a_training_of_a_set_length_keeps_its_best_average():
    x = RNG.normal(size=(64, 2))
    flow = tfflows.Flow(fb.Chain([fb.ActNorm(), fb.Scale()]), (2,))
    seen = []

    def score(log_densities):
        seen.append(log_densities.mean())
        return seen[-1] if len(seen) != 3 else 100.0

    budget = Budget(steps=50, learning_rate=0.3, batch_size=32, patience=2, noise=0.1)
    trained = fit_for_steps(flow, x, np.ones(64), x, score, budget, seed=0)
    assert len(trained.scores) == 5
    assert not trained.cut
    assert np.mean(flow.log_prob(x)) == pytest.approx(seen[2], abs=1e-5)
    assert trained.log_densities.mean() == seen[2]
    late = Budget(steps=50, learning_rate=0.3, deadline=time.monotonic())
    again = tfflows.Flow(fb.Scale(), (2,))
    trained = fit_for_steps(again, x, np.ones(64), x, score, late, seed=0)
    assert len(trained.scores) == 1
    assert trained.cut


def test_max_seconds_cuts_and_says_so(monkeypatch):
    monkeypatch.setattr("tfflows.sklearn.table.fit_warp", None)  # is never called
    density = FlowDensity(random_state=0, max_seconds=1e-3).fit(ROWS)
    assert density.report_["cut"]
    assert len(density.report_["tried"]) == 1
    assert np.isfinite(density.score(NEW))


def test_outliers_are_scored_by_fits_that_have_not_seen_them():
    far = [[400.0, 0.0], [100.0, -1.0], [-300.0, 1.0]]
    rows = np.concatenate([ROWS, far])
    density = FlowDensity(random_state=0)
    scores = density.score_outliers(rows, folds=2)
    assert scores.shape == (243,)
    assert not hasattr(density, "flow_")
    assert not hasattr(density, "n_features_in_")
    assert set(np.argsort(scores)[:3]) == {240, 241, 242}
    ours = TRUTH + np.log(240 / 243)
    assert np.mean(ours - scores[:240]) < 0.3
    with pytest.raises(ValueError, match="at least one train/test split"):
        density.score_outliers(rows, folds=1)
