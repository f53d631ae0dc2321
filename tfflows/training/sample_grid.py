"""Shows a flow's samples in TensorBoard while it trains."""

from __future__ import annotations

import importlib
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfflows.backend.arguments import check_count
from tfflows.backend.checks import failed_requirements_as_value_errors
from tfflows.system.extras import needed


def _checked_temperatures(temperatures: Any) -> tuple[float, ...]:
    try:
        values = np.asarray(temperatures, "float64")
    except (TypeError, ValueError):
        values = np.zeros(0)
    valid = np.all((values >= 0) & np.isfinite(values))
    if values.ndim != 1 or not values.size or not valid:
        raise ValueError(
            f"expected one or more finite temperatures >= 0, got {temperatures!r}"
        )
    return tuple(values.tolist())


class SampleGridCallback(keras.callbacks.Callback):
    """Writes grids of samples to TensorBoard, one for each temperature.

    Each epoch uses the same seed, so the grids show how the images of the same latents
    change.

    Args:
      log_dir: TensorBoard's folder.
      temperatures: Temperatures, one grid each, tagged `samples/temperature_<T>`.
      num_samples: Number of images in a grid, which is about square.
      every: Number of epochs between grids.
      seed: Seed of the samples.
      context: None, one context for all samples, or one for each.

    Raises:
      ValueError: If a number is below 1 or a temperature is missing or negative; in
        training, if events are no images or the model does not accept the context.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike,
        temperatures: Sequence[float] = (0.5, 0.7, 1.0),
        num_samples: int = 16,
        *,
        every: int = 1,
        seed: int = 0,
        context: Any = None,
    ) -> None:
        super().__init__()
        self._log_dir = os.fspath(log_dir)
        self._temperatures = _checked_temperatures(temperatures)
        check_count("num_samples", num_samples)
        self._num_samples = int(num_samples)
        check_count("every", every)
        self._every = int(every)
        self._seed, self._context = seed, context
        self._writer: Any = None

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Checks the model; called by Keras."""
        shape = getattr(self.model, "event_shape", None)
        if shape is None or len(shape) != 3 or shape[-1] not in (1, 3):
            raise ValueError(
                "expected a model of images (height, width, 1 or 3) for sample grids, "
                f"got {self.model.name} with events of shape {shape}"
            )
        with needed("plots", "tensorboard for grids of samples"):
            importlib.import_module("tensorboard")
        self._draw = tf.function(self._grid, autograph=False)
        with failed_requirements_as_value_errors():
            self._draw(tf.constant(1.0))  # so that a wrong context fails at once
        self._writer = tf.summary.create_file_writer(self._log_dir)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Draws and writes the grids; called by Keras."""
        if (epoch + 1) % self._every:
            return
        with self._writer.as_default():
            for temperature in self._temperatures:
                grid = self._draw(tf.constant(temperature, tf.float32))
                tag = f"samples/temperature_{temperature:g}"
                tf.summary.image(tag, grid[tf.newaxis], step=epoch)

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Closes TensorBoard's file; called by Keras."""
        self._writer.close()

    def _grid(self, temperature: tf.Tensor) -> tf.Tensor:
        """Returns one uint8 image of N samples, in rows of ceil(sqrt(N))."""
        number, levels = self._num_samples, self.model.levels
        x = self.model.sample(number, self._seed, temperature, self._context)
        pixels = x if levels is None else tf.floor(x) / (levels - 1)
        pixels = tf.cast(255 * tf.clip_by_value(pixels, 0, 1), tf.uint8)
        columns = math.ceil(math.sqrt(number))
        rows = math.ceil(number / columns)
        blank = rows * columns - number
        pixels = tf.pad(pixels, [[0, blank], [0, 0], [0, 0], [0, 0]])
        height, width, channels = self.model.event_shape
        grid = tf.reshape(pixels, (rows, columns, height, width, channels))
        grid = tf.transpose(grid, (0, 2, 1, 3, 4))
        return tf.reshape(grid, (rows * height, columns * width, channels))
