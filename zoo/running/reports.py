"""The reports of a training run."""

from __future__ import annotations

import importlib.util
import os
import pathlib

import keras

from tfflows.training import SampleGridCallback
from tfflows.zoo.config import ExperimentConfig
from tfflows.zoo.running import run_dir
from tfflows.zoo.running.contexts import classes_in_turn
from tfflows.zoo.running.pictures import is_image

_GRID = 16  # samples in each grid


def make_reports(
    model_dir: str | os.PathLike, config: ExperimentConfig, *, append: bool
) -> list[keras.callbacks.Callback]:
    """Returns the callbacks that write history.csv and, if installed, TensorBoard logs.

    Args:
      model_dir: The folder of the run.
      config: The experiment; image flows get grids of samples, too.
      append: Whether to append to history.csv.

    Returns:
      Callbacks for `fit`.
    """
    folder = pathlib.Path(model_dir)
    logs = os.fspath(folder / run_dir.LOGS)
    reports = [keras.callbacks.CSVLogger(folder / run_dir.HISTORY, append=append)]
    if importlib.util.find_spec("tensorboard") is None:  # it is in the extra plots
        return reports
    reports.append(keras.callbacks.TensorBoard(logs, write_graph=False))
    if config.model.family in ("glow", "realnvp_multiscale") and (
        is_image(config.data.event_shape or ())
    ):
        grids, labels = os.path.join(logs, "samples"), classes_in_turn(config, _GRID)
        reports.append(SampleGridCallback(grids, num_samples=_GRID, context=labels))
    return reports
