"""Pictures, by what is drawn in them."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from tfflows import plots

X = np.random.default_rng(0).normal(size=(50, 3))


class Normal:
    """A standard normal of two columns, as a model."""

    event_shape = (2,)

    def log_prob(self, x):
        return Numbers(-0.5 * np.sum(np.asarray(x) ** 2, axis=-1))

    def sample(self, number, seed):
        return Numbers(np.random.default_rng(seed).normal(size=(number, 2)))


class Numbers(np.ndarray):
    def __new__(cls, values):
        return np.asarray(values).view(cls)

    def numpy(self):
        return np.asarray(self)


def test_marginals_draw_a_histogram_a_column():
    table = pd.DataFrame(X, columns=["a", "b", "c"])
    figure = plots.marginals(table, X[:20], bins=10)
    assert isinstance(figure, Figure)
    assert figure._repr_png_().startswith(b"\x89PNG")  # what a notebook shows
    assert [axes.get_title() for axes in figure.axes] == ["a", "b", "c"]
    bars = figure.axes[1].patches[:10]
    area = sum(bar.get_height() * bar.get_width() for bar in bars)
    assert area == pytest.approx(1)
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert labels == ["data", "samples"]


def test_pairs_draw_data_below_and_samples_above():
    figure = plots.pairs(X, X + 5, columns="abc", max_points=30)
    below, above = figure.axes[3], figure.axes[1]  # rows b, a; columns a, b
    np.testing.assert_array_equal(below.collections[0].get_offsets(), X[:30, :2])
    np.testing.assert_array_equal(above.collections[0].get_offsets(), X[:30, 1::-1] + 5)
    assert figure.axes[3].get_ylabel() == "b"
    assert len(plots.pairs(X, max_columns=2).axes) == 4


def test_a_density_is_brightest_at_its_mode():
    figure = plots.density(Normal(), extent=(-3, 1, -2, 2), resolution=41)
    (image,) = figure.axes[0].images
    values = image.get_array()
    assert image.get_extent() == [-3, 1, -2, 2]
    assert np.unravel_index(values.argmax(), values.shape) == (20, 30)
    assert values[20, 0] == pytest.approx(np.exp(-4.5), rel=1e-5)
    assert plots.density(Normal(), x=X[:, :2]).axes[0].collections


def test_a_density_that_is_0_everywhere_is_black():
    nowhere = Normal()
    nowhere.log_prob = lambda x: Numbers(np.full(len(x), -np.inf))
    (image,) = plots.density(nowhere, extent=(0, 1, 0, 1)).axes[0].images
    assert (image.get_array() == 0).all()


def test_a_grid_shows_each_image():
    figure = plots.grid(np.ones((4, 8, 8)), scale=2)
    (image,) = figure.axes[0].images
    pixels = image.get_array()
    assert pixels.shape == (36, 36)
    assert (pixels == 255).sum() == 4 * 16 * 16
    width, height = figure.get_size_inches() * figure.dpi
    assert (width, height) == (36, 36)


def test_calibration_draws_curves_and_their_band():
    ranks = np.random.default_rng(1).integers(0, 20, (200, 2))
    axes = plots.calibration(ranks, 19, names=["mean", "width"]).axes[0]
    assert [line.get_label() for line in axes.lines[:2]] == ["mean", "width"]
    curve = axes.lines[0].get_ydata()
    assert curve[-1] == pytest.approx(0)
    assert curve[0] == pytest.approx((ranks[:, 0] == 0).mean() - 1 / 20)
    assert len(axes.collections) == 1


def test_coverage_draws_a_curve_for_each_parameter_beside_the_diagonal():
    rng = np.random.default_rng(2)
    truths, draws = rng.normal(size=(400, 2)), rng.normal(size=(400, 99, 2))
    draws[..., 1] *= 0.3  # too narrow
    axes = plots.coverage(draws, truths, names=["right", "narrow"]).axes[0]
    right, narrow, diagonal = (line.get_xydata() for line in axes.lines)
    assert np.abs(right[:, 1] - right[:, 0]).max() < 0.1
    assert (narrow[4:, 1] < narrow[4:, 0] - 0.1).all()
    np.testing.assert_array_equal(diagonal, [[0, 0], [1, 1]])


def test_recovery_draws_means_with_their_deviations():
    truths = np.array([[1.0, 5.0], [2.0, 7.0], [4.0, 6.0]])
    draws = truths[:, None] + np.array([-0.5, 0.5])[:, None]
    first, second = plots.recovery(draws, truths, names="ab").axes
    assert first.get_title() == "a: correlation 1.00"
    np.testing.assert_allclose(second.lines[0].get_xydata(), truths[:, [1, 1]])
    (bars,) = second.collections
    ends = [segment[:, 1].tolist() for segment in bars.get_segments()]
    assert ends == [[4.5, 5.5], [6.5, 7.5], [5.5, 6.5]]


def test_history_draws_training_beside_validation(tmp_path):
    values = {"loss": [3.0, 2.0], "val_loss": [4.0, 3.0], "bits_per_dim": [1.0, 2.0]}
    pd.DataFrame(values).to_csv(tmp_path / "h.csv", index_label="epoch")
    for given in (values, tmp_path / "h.csv"):
        first, second = plots.history(given).axes
        assert [line.get_ydata().tolist() for line in first.lines] == [[3, 2], [4, 3]]
        assert (second.get_title(), len(second.lines)) == ("bits_per_dim", 1)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: plots.marginals(X[0]), "expected x as rows"),
        (lambda: plots.marginals(X, X[:, :2]), r"samples as rows \[N, 3\]"),
        (lambda: plots.marginals(X, bins=0), "bins >= 1"),
        (lambda: plots.marginals(X, max_columns=0), "max_columns >= 1"),
        (lambda: plots.pairs(X * np.inf), "finite"),
        (lambda: plots.pairs(X, columns=["a"]), "a name for each of 3"),
        (lambda: plots.density(X), r"events of shape \(2,\)"),
        (lambda: plots.density(Normal(), extent=(1, 0, 0, 1)), "left < right"),
        (lambda: plots.grid(X), "expected images"),
        (lambda: plots.grid(np.ones((2, 3, 3)), levels=1), "levels >= 2"),
        (lambda: plots.calibration([[5]], 4), "ranks from 0 to num_draws=4"),
        (lambda: plots.coverage(X, X), r"expected draws \[observations, draws"),
        (lambda: plots.recovery(X[:, None], X, names="ab"), "a name for each of 3"),
        (lambda: plots.history({}), "history of a training"),
    ],
)
def test_bad_input(call, words):
    with pytest.raises(ValueError, match=words):
        call()
