import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tfflows.grids import image_grid
from tfflows.zoo.running.pictures import check_output, write_samples


def test_grid_places_and_scales_images():
    x = np.arange(3, dtype="float32").reshape(3, 1, 1, 1) * np.ones((3, 8, 8, 1))
    assert image_grid(x, levels=3).shape[0] == 2 * 9 * 12  # 96 pixels an image
    grid = image_grid(x + 0.7, levels=3, columns=2, scale=4)
    assert grid.shape == (72, 72, 1)  # 2 x (8 + 1), enlarged 4 times
    assert grid.dtype == np.uint8
    line = grid[35, 35, 0]
    corners = [grid[0, 0, 0], grid[0, 67, 0], grid[67, 0, 0], grid[67, 67, 0]]
    assert corners == [0, 128, 255, 0]
    assert 0 < line < 128


def test_grid_clips():
    x = np.array([-5.0, 300.0]).reshape(2, 1, 1, 1) * np.ones((2, 32, 32, 3))
    grid = image_grid(x, levels=256, scale=1)
    assert (grid[0, 0, 0], grid[0, 40, 0]) == (0, 255)


def test_files(tmp_path):
    x = np.random.default_rng(0).standard_normal((6, 2)).astype("float32")
    log_prob = np.arange(6.0)
    for ending in ("npz", "csv", "png"):
        write_samples(tmp_path / f"x.{ending}", x, log_prob, None)
    stored = np.load(tmp_path / "x.npz")
    np.testing.assert_array_equal(stored["x"], x)
    np.testing.assert_array_equal(stored["log_prob"], log_prob)
    np.testing.assert_allclose(pd.read_csv(tmp_path / "x.csv").to_numpy(), x, rtol=1e-6)
    assert Image.open(tmp_path / "x.png").size == (500, 500)
    images = np.zeros((4, 8, 8, 1))
    write_samples(tmp_path / "g.png", images, log_prob, 17, scale=4)
    assert Image.open(tmp_path / "g.png").size == (72, 72)
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize(
    ("path", "shape", "endings"),
    [
        ("x.png", (3,), ".npz or .csv"),
        ("x.csv", (8, 8, 1), ".npz or .png"),
        ("x", (2,), ".npz or .csv or .png"),
        ("x.png", (8, 8, 2), ".npz"),
    ],
)
def test_endings(path, shape, endings):
    with pytest.raises(ValueError, match=f"ends in {endings} for samples"):
        check_output(path, shape)
