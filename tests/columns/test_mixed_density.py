"""FlowDensity on columns of categories, integers, rounded and real numbers."""

from __future__ import annotations

import io

import joblib
import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from tests.columns.tables import log_density, mixed, two_normals
from tfflows import Flow, networks
from tfflows import bijectors as fb
from tfflows.models import FlowMixture
from tfflows.sklearn import FlowDensity
from tfflows.sklearn.plan import FAMILIES

ROUNDED = r"columns rounded to steps, 'price' \(0.01\), have"
FRAME = mixed(240)


@pytest.fixture(scope="module", autouse=True)
def _few_sizes_of_mixtures():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tfflows.sklearn.mixtures.SIZES", (1, 2, 4))
        yield


@pytest.fixture(scope="module")
def fitted(_few_sizes_of_mixtures):
    with pytest.warns(UserWarning, match=ROUNDED):
        return FlowDensity(random_state=0).fit(FRAME)


def codes_of(frame):
    """What the model takes."""
    colour = [["red", "green", "blue"].index(name) for name in frame["colour"]]
    return np.stack([colour, *(frame[c] for c in ("count", "price", "x"))], axis=1)


def test_a_known_mixed_density_is_met():
    frame, truth = two_normals(2500)
    (fit, new), (_, new_truth) = np.split(np.arange(2500), [499]), (None, truth[499:])
    density = FlowDensity(random_state=0).fit(frame.iloc[fit])
    found = density.score_samples(frame.iloc[new])
    assert np.mean(new_truth - found) < 0.02
    assert density.report_["messages"] == []


def test_scores_are_near_the_truth_and_probabilities_add_up(fitted):
    new = mixed(2000, seed=1)
    assert np.mean(log_density(new)) - fitted.score(new) < 0.4
    assert abs(fitted.validation_score_ - fitted.score(new)) < 0.3
    # Sum over the codes, integral over x: the marginal of the price alone.
    rows = [
        (colour, count, 7.0, x)
        for colour in range(3)
        for count in range(-5, 45)
        for x in np.linspace(-8, 9, 60)
    ]
    sevens = np.exp(fitted.flow_.log_prob(np.array(rows))).sum() * (17 / 59)
    share = np.mean(np.abs(mixed(40_000, seed=2)["price"] - 7.0) < 0.5)
    assert sevens == pytest.approx(share, abs=0.02)


def test_samples_come_back_as_a_table(fitted):
    drawn = fitted.sample(2000)
    assert list(drawn.dtypes) == list(FRAME.dtypes)
    assert list(drawn.columns) == list(FRAME.columns)
    shares = drawn["colour"].value_counts(normalize=True)
    assert shares["red"] == pytest.approx(0.5, abs=0.08)
    assert shares["white"] == 0
    means = drawn.groupby("colour", observed=True)[["count", "x"]].mean()
    np.testing.assert_allclose(means.loc["green"], [20.0, 4.0], atol=1.5)
    np.testing.assert_allclose(drawn["price"], drawn["price"].round(2), atol=1e-9)
    assert np.isfinite(fitted.score_samples(drawn)).all()


def test_one_model_is_saved_with_the_names_of_categories(fitted, tmp_path):
    model = fitted.flow_
    assert isinstance(model, FlowMixture)
    assert model.columns[0] == {
        "name": "colour",
        "kind": "category",
        "categories": ["red", "green", "blue"],
    }
    assert [column["kind"] for column in model.columns[1:]] == [
        *("integer", "real", "real")
    ]
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.columns == model.columns
    scores = fitted.score_samples(FRAME[:9])
    np.testing.assert_allclose(loaded.log_prob(codes_of(FRAME[:9])), scores, rtol=1e-5)
    np.testing.assert_array_equal(loaded.sample(3, seed=1), model.sample(3, seed=1))
    file = io.BytesIO()
    joblib.dump(fitted, file)
    file.seek(0)
    again = joblib.load(file)
    np.testing.assert_allclose(again.score_samples(FRAME[:9]), scores, rtol=1e-5)
    pd.testing.assert_frame_equal(again.sample(4), fitted.sample(4))


def test_what_was_not_seen_has_probability_0_or_is_an_error(fitted):
    new = FRAME[:2].copy()
    new["colour"] = ["red", "white"]
    with pytest.raises(
        ValueError,
        match=r"row 1, column 'colour'.*seen in training \('red', 'green', 'blue'\), "
        "got 'white'; handle_unknown='zero'",
    ):
        fitted.score_samples(new)
    lenient = joblib.load(_dumped(fitted)).set_params(handle_unknown="zero")
    scores = lenient.score_samples(new)
    assert np.isfinite(scores[0])
    assert scores[1] == -np.inf
    codes = codes_of(FRAME[:1])
    for place, code in ((0, 3), (0, -1), (0, 0.5), (1, 2.5)):
        wrong = np.array(codes)
        wrong[0, place] = code
        assert fitted.flow_.log_prob(wrong).numpy() == -np.inf


def _dumped(fitted):
    file = io.BytesIO()
    joblib.dump(fitted, file)
    file.seek(0)
    return file


def affine(shape, layers, hidden_units, context_dim, dtype, **arguments):
    """A flow that is traced in no time."""
    made = networks.MADE((4,), context_dim=context_dim, dtype=dtype)
    step = fb.MaskedAutoregressive(made, dtype=dtype)
    return Flow(step, shape, context_shape=context_dim)


def test_flows_of_codes_and_of_warped_numbers_given_them(monkeypatch):
    """What a plan makes of a table has a density in all its parts."""
    monkeypatch.setitem(FAMILIES, "nsf_ar", affine)
    monkeypatch.setattr("tfflows.sklearn.fitting._LEAST_WEIGHT", 0.0)
    frame = mixed(600).drop(columns="price")
    frame["x"] = np.exp(frame["x"])  # so skewed that it is warped
    density = FlowDensity(num_layers=1, max_epochs=2, random_state=0).fit(frame)
    names = [flow.name for flow in density.flow_.flows]
    assert names[-3:] == ["warped_column_mixture", "given_codes", "student_t"]
    at = np.linspace(-15, 15, 120)
    middle, widths = 0.01 * np.sinh(at), 0.01 * np.cosh(at) * (at[1] - at[0])
    grid = [
        (colour, count, x)
        for colour in range(3)
        for count in range(-40, 90)
        for x in middle
    ]
    for flow in density.flow_.flows[-3:-1]:
        p = np.exp(flow.log_prob(np.array(grid)).numpy().reshape(-1, 120))
        assert np.sum(p @ widths) == pytest.approx(1.0, abs=1e-2)
        x, log_prob = flow.sample_and_log_prob(5, seed=0)
        np.testing.assert_allclose(flow.log_prob(x), log_prob, rtol=1e-4)


def test_arrays_keep_their_dtype_and_lists_choose_columns():
    rng = np.random.default_rng(0)
    x = rng.poisson(4.0, (60, 2))
    x[:, 1] += x[:, 0]
    density = FlowDensity(random_state=0).fit(x)
    assert [column["kind"] for column in density.flow_.columns] == ["integer"] * 2
    drawn = density.sample(7)
    assert drawn.dtype == x.dtype
    assert np.all(density.score_samples(x) < 0)
    mixed_array = np.stack([x[:, 0] % 2, rng.normal(size=60)], axis=1)
    chosen = FlowDensity(categorical_features=[0], random_state=0).fit(mixed_array)
    assert chosen.flow_.columns[0]["categories"] == [0.0, 1.0]
    assert set(chosen.sample(50)[:, 0]) == {0.0, 1.0}
    named = FlowDensity(integer_features=["a"], rounding=None, random_state=0)
    named.fit(pd.DataFrame(mixed_array, columns=["a", "b"]))
    assert [column["kind"] for column in named.flow_.columns] == ["integer", "real"]
    assert named.sample(3)["a"].dtype == "float64"


def test_categories_alone():
    rng = np.random.default_rng(0)
    a = rng.choice(["u", "v", "w"], 300)
    b = np.where(rng.uniform(size=300) < 0.5, a, rng.choice(["u", "v", "w"], 300))
    frame = pd.DataFrame({"a": a, "b": b == "u"})
    density = FlowDensity(random_state=0).fit(frame)
    rows = pd.DataFrame(
        {"a": np.repeat(["u", "v", "w"], 2), "b": np.tile([True, False], 3)}
    )
    p = np.exp(density.score_samples(rows))
    assert p.sum() == pytest.approx(1.0, abs=1e-5)
    wanted = [np.mean((a == r.a) & (frame["b"] == r.b)) for r in rows.itertuples()]
    np.testing.assert_allclose(p, wanted, atol=0.03)
    assert density.sample(5)["b"].dtype == bool


def test_missing_cells_are_categories_of_their_own():
    frame = mixed(240).drop(columns="price")
    rng = np.random.default_rng(1)
    for name, share in (("colour", 0.1), ("x", 0.4)):
        frame.loc[rng.uniform(size=240) < share, name] = np.nan
    with pytest.raises(ValueError, match=r"column 'colour'.*missing='category' makes"):
        FlowDensity().fit(frame)
    with pytest.raises(ValueError, match=r"row \d+, column 'x': .*missing='category'"):
        FlowDensity().fit(frame.drop(columns="colour"))
    density = FlowDensity(missing="category", random_state=0).fit(frame)
    drawn = density.sample(2000)
    assert drawn["x"].isna().mean() == pytest.approx(0.4, abs=0.1)
    assert drawn["colour"].isna().mean() == pytest.approx(0.1, abs=0.05)
    assert list(drawn.dtypes) == list(frame.dtypes)
    # What a missing cell holds does not matter, and the rest has a density.
    codes = density._encoding.codes(frame)
    row = codes[frame["x"].isna()][:1]
    other = row + np.array([0, 0, 5.0, 0])
    np.testing.assert_allclose(
        density.flow_.log_prob(row), density.flow_.log_prob(other), rtol=1e-6
    )
    grid = [
        (colour, count, x, missing)
        for colour in range(4)
        for count in range(-10, 60)
        for x in np.linspace(-15, 15, 61)
        for missing in (0, 1)
    ]
    grid = np.array(grid)
    p = np.exp(density.flow_.log_prob(grid))
    there, gone = p[grid[:, 3] == 0].sum() * 0.5, p[grid[:, 3] == 1].sum() / 61
    assert there + gone == pytest.approx(1.0, abs=0.02)


def test_in_a_grid_search():
    grid = {"integer_features": ["auto", ["count"]], "validation_fraction": [0.2]}
    density = FlowDensity(rounding=None, handle_unknown="zero", random_state=0)
    search = GridSearchCV(density, grid, cv=2, error_score="raise")
    search.fit(FRAME.drop(columns="price")[:80])
    assert np.isfinite(search.best_score_)
    assert clone(density).get_params() == density.get_params()


def test_outliers_of_a_table(fitted):
    frame = FRAME.drop(columns="price")[:60].copy()
    frame.loc[5, "count"] = 500
    scores = clone(fitted).score_outliers(frame, folds=2)
    assert np.argmin(scores) == 5


REFUSED = {
    "levels": ({"levels": 4, "categorical_features": [0]}, "without levels, which"),
    "levels_rounding": (
        {"levels": 4, "rounding": 0.1},
        "expected rounding without lev",
    ),
    "word": ({"integer_features": "all"}, "integer_features None, 'auto' or columns"),
    "unknown": ({"categorical_features": ["color"]}, "got 'color'.*mean 'colour'"),
    "both": (
        {"categorical_features": ["count"], "integer_features": ["count"]},
        "got 'count' as both",
    ),
    "no_integers": ({"integer_features": ["x"]}, "row 0, column 'x': expected an int"),
    "text": (
        {"categorical_features": None},
        "row 0, column 'colour'.*got .*; for",
    ),
    "family": ({"family": lambda size: None}, "expected a family by name for columns"),
    "step": ({"rounding": {"x": -1}}, "a step above 0 or a dict of steps"),
    "step_of_code": (
        {"rounding": {"count": 1}},
        "rounding of real columns, got 'count",
    ),
    "handle": (
        {"handle_unknown": "ignore"},
        "expected handle_unknown 'error' or 'zero",
    ),
}


@pytest.mark.parametrize(("arguments", "message"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_fit_is_named(arguments, message):
    frame = FRAME if "levels" not in arguments else FRAME[["count"]] % 4
    with pytest.raises(ValueError, match=message):
        FlowDensity(**arguments).fit(frame)


def test_columns_without_a_density_are_told():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(100, 2)), columns=["a", "b"])
    told = {
        r"'few' \(3 distinct values\) have": {"few": rng.integers(0, 3, 100) / 7},
        "'sum' is a linear combination of 'a', 'b'": {"sum": frame["a"] + frame["b"]},
        "'zeros' has the value 0 in": {"zeros": np.maximum(frame["a"], 0.0)},
        "'one' has one value": {"one": "same"},
    }
    for message, column in told.items():
        density = FlowDensity(rounding=None, max_seconds=1e-3, random_state=0)
        with pytest.warns(UserWarning, match=message):
            density.fit(frame.assign(**column))
        assert len(density.report_["messages"]) == 1
    with pytest.raises(ValueError, match=r"'day': expected numbers or .*datetime64"):
        FlowDensity().fit(frame.assign(day=pd.Timestamp("2026-01-01")))
    with pytest.raises(ValueError, match=r"constant ones, .*: flat; drop"):
        FlowDensity().fit(frame.assign(flat=2.0))
