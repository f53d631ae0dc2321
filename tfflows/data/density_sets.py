"""The five data sets of the MAF paper, prepared as its authors prepared them."""

from __future__ import annotations

import os
import pathlib
import pickle
from collections.abc import Callable
from typing import NamedTuple

import h5py
import numpy as np
import pandas as pd

from tfflows.data.pipelines import ArraySource
from tfflows.data.source import SPLITS, DataInfo, Examples

_ORIGIN = (
    "the archive data.tar.gz that the authors of the MAF paper published at "
    "https://zenodo.org/record/1161203"
)
_FEWEST_ROWS = 20  # a tenth of what nine tenths leave has to be a row at least

Splits = tuple[np.ndarray, np.ndarray, np.ndarray]


def load_density_set(name: str, data_dir: str | None = None) -> ArraySource:
    """Loads POWER, GAS, HEPMASS, MINIBOONE or BSDS300: float32 `[D]`.

    The splits are the authors' own, and densities are in the paper's units: nats of
    columns standardised by training (and validation) statistics.

    Source: Papamakarios, Pavlakou and Murray, "Masked Autoregressive Flow for Density
    Estimation", 2017, arXiv 1705.07057, appendix D, and the code published with it.

    Args:
        name: one of `DENSITY_SETS`.
        data_dir: the folder that holds `power/data.npy` and so on, as the published
            archive has them; None: `TFDS_DATA_DIR`.

    Raises:
        FileNotFoundError: a file is missing; the message tells where it comes from.
        ValueError: a file cannot be read, or holds something else.
    """
    density_set = DENSITY_SETS[name]
    paths = _find(name, density_set.files, data_dir)
    try:
        splits = density_set.prepare(*paths)
    except _UNREADABLE as error:
        files = ", ".join(map(str, paths))
        raise ValueError(
            f"data set {name!r}: expected {files} as in {_ORIGIN}, got a file that "
            f"cannot be used ({type(error).__name__}: {error})"
        ) from error
    arrays = dict(zip(SPLITS, (x.astype(np.float32) for x in splits), strict=True))
    for x in arrays.values():
        if not np.isfinite(x).all():
            raise ValueError(
                f"{paths[0]}: expected finite numbers, got NaN or infinity"
            )
    info = DataInfo(
        name=name,
        event_shape=arrays["train"].shape[1:],
        dtype="float32",
        levels=None,
        num_examples={split: len(x) for split, x in arrays.items()},
    )
    return ArraySource(info, lambda split: Examples(arrays[split]))


def _find(
    name: str, files: tuple[str, ...], data_dir: str | None
) -> list[pathlib.Path]:
    folder = data_dir or os.environ.get("TFDS_DATA_DIR")
    wanted = " and ".join(files)
    if not folder:
        raise FileNotFoundError(
            f"data set {name!r}: expected data_dir (--data_dir=FOLDER), the folder "
            f"with {wanted}; they are in {_ORIGIN}"
        )
    paths = [pathlib.Path(folder) / file for file in files]
    for path in paths:
        if not path.is_file():
            raise FileNotFoundError(
                f"data set {name!r}: expected the file {path}, found none; it "
                f"comes with {_ORIGIN}; unpack it, and give its folder "
                "'data' as data_dir"
            )
    return paths


def prepare_power(path: pathlib.Path) -> Splits:
    """POWER: household power consumption, without two columns, with noise.

    The noise fills the steps of the meters: 0.001 kW, 0.01 V, 1 Wh; time has none.
    """
    rng = np.random.RandomState(42)  # the authors', for the same rows in each split
    data = _table(np.load(path), columns=8)
    rng.shuffle(data)
    rows = len(data)
    data = np.delete(data, [1, 3], axis=1)  # reactive power, intensity
    voltage, power = 0.01 * rng.rand(rows, 1), 0.001 * rng.rand(rows, 1)
    meters = rng.rand(rows, 3)
    data += np.hstack([power, voltage, meters, np.zeros((rows, 1))])
    return _standardised(_last_tenths(data))


def prepare_gas(path: pathlib.Path) -> Splits:
    """GAS: chemical sensors; one of each pair with a correlation above 0.98 goes."""
    data = pd.read_pickle(path).drop(columns=["Meth", "Eth", "Time"])
    while True:
        related = (data.corr().to_numpy() > 0.98).sum(axis=1) > 1
        if not related.any():
            break
        data = data.drop(columns=data.columns[np.argmax(related)])
    return _last_tenths(((data - data.mean()) / data.std()).to_numpy())


def prepare_hepmass(train_path: pathlib.Path, test_path: pathlib.Path) -> Splits:
    """HEPMASS: particle collisions of class 1, without the class and the mass."""
    train, test = (pd.read_csv(p, index_col=False) for p in (train_path, test_path))
    test = test.iloc[:, : train.shape[1]]  # one file has a column more at its end
    train, test = (t[t.iloc[:, 0] == 1].iloc[:, 1:] for t in (train, test))
    if train.shape[1] != test.shape[1] or len(test) == 0:
        raise ValueError(f"expected as many columns, got {train.shape}, {test.shape}")
    mean, deviation = train.mean().to_numpy(), train.std().to_numpy()
    data, held_out = ((t.to_numpy() - mean) / deviation for t in (train, test))
    # Values that recur make a density unbounded. The authors' code looks at the
    # smallest value of each feature, which finds the discrete ones.
    kept = (data == data.min(axis=0)).sum(axis=0) <= 5
    data, held_out = _table(data[:, kept]), held_out[:, kept]
    tenth = len(data) // 10
    return data[:-tenth], data[-tenth:], held_out


def prepare_miniboone(path: pathlib.Path) -> Splits:
    """MINIBOONE: electron neutrinos, from which the authors removed the outliers."""
    return _standardised(_last_tenths(np.load(path)))


def prepare_bsds300(path: pathlib.Path) -> Splits:
    """BSDS300: 8x8 patches of photographs without their mean and last pixel."""
    with h5py.File(path) as file:
        train, validation, test = (file[split][:] for split in SPLITS)
    return _table(train), _table(validation), _table(test)


def _table(data: np.ndarray, columns: int | None = None) -> np.ndarray:
    if data.ndim != 2 or data.shape[1] != (columns or data.shape[1] or 1):
        raise ValueError(f"expected rows of {columns or 'some'} columns: {data.shape}")
    if len(data) < _FEWEST_ROWS:
        raise ValueError(f"expected {_FEWEST_ROWS} rows or more, got {len(data)}")
    return np.array(data, np.float64)


def _last_tenths(data: np.ndarray) -> Splits:
    """The last tenth as test, the last tenth of the rest as validation data."""
    data = _table(data)
    rest, test = np.split(data, [len(data) - len(data) // 10])
    train, validation = np.split(rest, [len(rest) - len(rest) // 10])
    return train, validation, test


def _standardised(splits: Splits) -> Splits:
    """By mean and deviation of training and validation data together."""
    data = np.concatenate(splits[:2])
    mean, deviation = data.mean(axis=0), data.std(axis=0)
    train, validation, test = ((x - mean) / deviation for x in splits)
    return train, validation, test


class _DensitySet(NamedTuple):
    files: tuple[str, ...]
    prepare: Callable[..., Splits]


DENSITY_SETS = {
    "power": _DensitySet(("power/data.npy",), prepare_power),
    "gas": _DensitySet(("gas/ethylene_CO.pickle",), prepare_gas),
    "hepmass": _DensitySet(
        ("hepmass/1000_train.csv", "hepmass/1000_test.csv"), prepare_hepmass
    ),
    "miniboone": _DensitySet(("miniboone/data.npy",), prepare_miniboone),
    "bsds300": _DensitySet(("BSDS300/BSDS300.hdf5",), prepare_bsds300),
}
# Whatever the readers of npy, pickle, csv and hdf5 files raise at other contents.
_UNREADABLE = (
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    ImportError,
    IndexError,
    OSError,
    EOFError,
    pickle.PickleError,
)
