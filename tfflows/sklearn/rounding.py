"""The steps to which the numbers of a column are rounded."""

from __future__ import annotations

import numpy as np

# Values that are equal make a column rounded; numbers of full precision have none.
_LEAST_TIES = 0.05
_LEAST_TIED_ROWS = 2
# Of so many values on a grid of decimals none need be equal, if the step is no less
# than this share of the deviation.
_ENOUGH_VALUES, _LEAST_SHARE = 20, 1e-4
_DECIMALS = range(-9, 10)
# The least distance of two values may be so many steps.
_MOST_STEPS = 6
# From a multiple of the step, in steps; and of the precision of the numbers.
_TOLERANCE = 1e-3


def step_of(column: np.ndarray) -> float:
    """The step to which the numbers `[N]` of a column are rounded; 0: not rounded.

    All values lie on a grid, and several are equal, as prices and temperatures do.

    Args:
      column: Finite numbers.
    """
    values = np.unique(column)
    if len(values) < 2:
        return 0.0
    # float32 data come as float64 too: their grid is known to their own precision.
    precision = np.finfo("float32" if _is_single(values) else "float64").eps
    finest = precision * np.abs(values).max() / _TOLERANCE
    ties = len(column) - len(values)
    are_tied = ties >= max(_LEAST_TIED_ROWS, _LEAST_TIES * len(column))
    step = _step_of_decimals(values, finest)
    if step:
        coarse = step >= _LEAST_SHARE * column.std()
        known = are_tied or (coarse and len(values) >= _ENOUGH_VALUES)
        return step if known else 0.0
    return _step_of_grid(values, finest) if are_tied else 0.0


def _step_of_decimals(values: np.ndarray, finest: float) -> float:
    """The largest step of which all values are multiples, if they are decimals."""
    for decimals in _DECIMALS:
        unit = 10.0**-decimals
        if unit < finest:
            break
        whole = np.round(values / unit)
        steps = np.diff(whole)
        if steps.all() and np.all(np.abs(values / unit - whole) < _TOLERANCE):
            common = np.gcd.reduce(steps.astype("int64"))
            return float(f"{common * unit:.15g}")
    return 0.0


def _step_of_grid(values: np.ndarray, finest: float) -> float:
    """The step of sorted values on any grid, as standardised decimals are."""
    least = np.diff(values).min()
    for number in range(1, _MOST_STEPS + 1):
        if least / number < finest:
            break
        steps = np.round((values[-1] - values[0]) / least * number)
        # The step is known as well as the range is.
        step = (values[-1] - values[0]) / steps
        parts = (values - values[0]) / step
        if np.all(np.abs(parts - np.round(parts)) < 10 * _TOLERANCE):
            return float(step)
    return 0.0


def _is_single(values: np.ndarray) -> bool:
    return bool(np.all(values == values.astype("float32")))


def with_noise(
    x: np.ndarray, steps: np.ndarray, rng: np.random.RandomState
) -> np.ndarray:
    """X `[N, D]` plus uniform noise of the width of each column's step."""
    return x + steps * rng.uniform(-0.5, 0.5, x.shape)
