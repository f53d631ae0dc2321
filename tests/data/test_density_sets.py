"""The MAF paper's five data sets, on small files of the published format."""

from __future__ import annotations

import h5py
import numpy as np
import pandas as pd
import pytest

from tfflows import data
from tfflows.data.density_sets import DENSITY_SETS, prepare_power

ROWS = 200


def write_power(folder, rng):
    np.save(folder / "power/data.npy", rng.normal(5.0, 2.0, (ROWS, 8)))


def write_gas(folder, rng):
    columns = ["Time", "Meth", "Eth", "a", "b", "c", "d"]
    frame = pd.DataFrame(rng.normal(size=(ROWS, 7)), columns=columns)
    frame["c"] = frame["a"] + 0.01 * frame["c"]  # related to "a", which goes
    frame.to_pickle(folder / "gas/ethylene_CO.pickle")


def write_hepmass(folder, rng):
    for name, extra in (("1000_train", []), ("1000_test", ["mass"])):
        columns = ["# label", "f0", "f1", "f2", *extra]
        frame = pd.DataFrame(rng.normal(3.0, 2.0, (ROWS, len(columns))))
        frame.columns = columns
        frame["# label"] = np.arange(ROWS) % 2
        frame["f1"] = np.arange(ROWS) // 2 % 3  # of few values
        frame.to_csv(folder / f"hepmass/{name}.csv", index=False)


def write_miniboone(folder, rng):
    np.save(folder / "miniboone/data.npy", rng.normal(2.0, 3.0, (ROWS, 43)))


def write_bsds300(folder, rng):
    with h5py.File(folder / "BSDS300/BSDS300.hdf5", "w") as file:
        for split, rows in (("train", ROWS), ("validation", 40), ("test", 30)):
            file[split] = 0.1 * rng.normal(size=(rows, 63))


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for density_set in DENSITY_SETS.values():
        (tmp_path / density_set.files[0]).parent.mkdir()
    for write in (write_power, write_gas, write_hepmass, write_miniboone):
        write(tmp_path, rng)
    write_bsds300(tmp_path, rng)
    return tmp_path


def rows_of(source):
    return [source.arrays(split) for split in ("train", "validation", "test")]


@pytest.mark.parametrize(
    ("name", "columns", "sizes"),
    [
        ("power", 6, (162, 18, 20)),
        ("gas", 3, (162, 18, 20)),
        ("hepmass", 2, (90, 10, 100)),
        ("miniboone", 43, (162, 18, 20)),
        ("bsds300", 63, (200, 40, 30)),
    ],
)
def test_shapes_splits_and_units(folder, name, columns, sizes):
    source = data.load(name, data_dir=str(folder))
    train, validation, test = rows_of(source)
    assert (len(train), len(validation), len(test)) == sizes
    assert source.event_shape == train.shape[1:] == (columns,)
    assert (source.dtype, source.levels) == ("float32", None)
    # Each set is standardised by what its authors took: all, or all but the test data.
    taken = [train, validation, test] if name == "gas" else [train, validation]
    if name != "bsds300":
        x = np.concatenate(taken)
        np.testing.assert_allclose(x.mean(axis=0), 0.0, atol=1e-5)
        np.testing.assert_allclose(x.std(axis=0), 1.0, atol=1e-2)
    batch = next(iter(source.dataset("train", 7)))
    assert batch["x"].shape == (7, columns)


def test_power_drops_two_columns_and_fills_the_meters_steps(folder):
    raw = np.load(folder / "power/data.npy")
    x = np.concatenate(prepare_power(folder / "power/data.npy"))
    raw = raw[:, [0, 2, 4, 5, 6, 7]]
    # Undo the standardisation by the time of day, which gets no noise.
    order = np.argsort(x[:, -1])
    raw = raw[np.argsort(raw[:, -1])]
    for column, step in enumerate((0.001, 0.01, 1.0, 1.0, 1.0)):
        slope, offset = np.polyfit(x[order, column], raw[:, column], 1)
        noise = slope * x[order, column] + offset - raw[:, column]
        assert noise.std() == pytest.approx(step / 12**0.5, rel=0.2)


def test_gas_keeps_the_later_of_two_related_columns(folder):
    x = np.concatenate(rows_of(data.load("gas", data_dir=str(folder))))
    raw = pd.read_pickle(folder / "gas/ethylene_CO.pickle")[["b", "c", "d"]]
    wanted = (raw - raw.mean()) / raw.std()
    np.testing.assert_allclose(x, wanted, rtol=1e-4, atol=1e-5)


def test_hepmass_keeps_class_one_and_continuous_columns(folder):
    source = data.load("hepmass", data_dir=str(folder))
    train, test = (
        pd.read_csv(folder / f"hepmass/1000_{split}.csv")[["# label", "f0", "f2"]]
        for split in ("train", "test")
    )
    train, test = (t[t["# label"] == 1].drop(columns="# label") for t in (train, test))
    wanted = (test - train.mean()) / train.std()
    np.testing.assert_allclose(source.arrays("test"), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", DENSITY_SETS)
def test_a_missing_file_is_named_with_its_place_and_origin(name, tmp_path, monkeypatch):
    file = DENSITY_SETS[name].files[0]
    with pytest.raises(FileNotFoundError, match=r"zenodo\.org/record") as error:
        data.load(name, data_dir=str(tmp_path))
    assert str(tmp_path / file) in str(error.value)
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    with pytest.raises(FileNotFoundError, match=r"--data_dir=FOLDER.*zenodo"):
        data.load(name)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=f"the file {tmp_path}"):
        data.load(name)


@pytest.mark.parametrize("name", DENSITY_SETS)
def test_files_of_another_kind_are_named(name, folder):
    for file in DENSITY_SETS[name].files:
        (folder / file).write_bytes(b"1,2\n3,4\n")
    with pytest.raises(ValueError, match=f"data set '{name}': expected {folder}"):
        data.load(name, data_dir=str(folder))


def test_other_columns_few_rows_and_nan_are_named(folder):
    for array, message in (
        (np.zeros((50, 5)), "rows of 8 columns"),
        (np.zeros((9, 8)), "20 rows or more"),
        (np.zeros(50), "rows of 8 columns"),
        (np.full((50, 8), np.nan), "expected finite numbers"),
    ):
        np.save(folder / "power/data.npy", array)
        with pytest.raises(ValueError, match=message):
            data.load("power", data_dir=str(folder))
    with pytest.raises(ValueError, match="has no labels"):
        data.load("gas", data_dir=str(folder), label_as_context=True)
