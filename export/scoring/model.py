"""A handler for Beam's RunInference that scores rows with an exported model."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf
from apache_beam.ml.inference.base import ModelHandler

from tfflows.backend.checks import failed_requirements_as_value_errors
from tfflows.export.scoring.rows import Block, Row, RowFormat
from tfflows.export.table_codes import TableCodes
from tfflows.export.writing.saved_model_proto import load_saved_model
from tfflows.system import files

SIGNATURE = "log_prob"
_INPUTS = ("x", "context")
# A row with its log-density, or with the reason why it has none.
Scored = tuple[Row, float | str]


def find_version(export_dir: str) -> str:
    """Returns the newest version's folder, or the folder itself if it is a version.

    Raises:
      FileNotFoundError: If there is no version.
    """
    if tf.io.gfile.exists(os.path.join(export_dir, "saved_model.pb")):
        return export_dir
    names = tf.io.gfile.listdir(export_dir) if tf.io.gfile.isdir(export_dir) else []
    versions = sorted(int(n.strip("/")) for n in names if n.strip("/").isdecimal())
    for version in reversed(versions):
        folder = os.path.join(export_dir, str(version))
        if tf.io.gfile.exists(os.path.join(folder, "saved_model.pb")):
            return folder
    raise FileNotFoundError(
        f"expected a folder of tfflows-export, got {export_dir}: no SavedModel there"
    )


def row_format(folder: str) -> RowFormat:
    """Returns the format of rows that an export scores.

    Args:
      folder: Folder of one version.

    Raises:
      ValueError: If it cannot be loaded, or its signature log_prob is missing or has
        other inputs.
    """
    signatures = load_saved_model(folder).signatures
    if SIGNATURE not in signatures:
        raise ValueError(
            f"expected a model with the signature {SIGNATURE}, got {folder} with "
            f"{', '.join(sorted(signatures))}"
        )
    specs = signatures[SIGNATURE].structured_input_signature[1]
    if "x" not in specs or not set(specs) <= set(_INPUTS):
        raise ValueError(
            f"expected inputs {' and '.join(_INPUTS)} of {SIGNATURE}, got "
            f"{', '.join(sorted(specs))}"
        )
    if any(None in specs[name].shape[1:] for name in specs):
        raise ValueError(
            "expected inputs of known sizes, which a row holds as columns, got sets of "
            f"any size as context of {folder}"
        )
    description = _description(folder)
    context = description.get("context") or {}
    levels = {"x": description.get("levels"), "context": context.get("num_classes")}
    blocks = tuple(
        Block(
            name,
            tuple(specs[name].shape[1:]),
            specs[name].dtype.name,
            levels[name] if specs[name].dtype.is_integer else None,
        )
        for name in _INPUTS
        if name in specs
    )
    columns = description.get("columns")
    names = None if columns is None else tuple(columns)
    return RowFormat(blocks, names, TableCodes.of(description.get("table")))


def _description(folder: str) -> dict[str, Any]:
    """Returns the export's flow.json, or {} without one."""
    path = os.path.join(folder, "assets.extra", "flow.json")
    if not tf.io.gfile.exists(path):
        return {}
    with tf.io.gfile.GFile(path, "rb") as file:
        return files.parse_json(file.read(), path)


class LogProbHandler(ModelHandler):
    """Runs the signature log_prob of a SavedModel on batches of rows.

    Each row gives `(row, log_prob)` or, if the model refuses it, `(row, reason)`.

    Args:
      folder: Folder of the SavedModel, which the workers must reach.
      rows: What a row holds.
      batch_size: Rows of a batch; the last one may have fewer.
    """

    def __init__(self, folder: str, rows: RowFormat, batch_size: int) -> None:
        # A fixed size, because a score's last bits depend on it; Beam would vary it.
        super().__init__(min_batch_size=batch_size, max_batch_size=batch_size)
        self._folder = folder
        self._rows = rows

    def load_model(self) -> Any:
        """Loads the SavedModel."""
        return load_saved_model(self._folder)

    def run_inference(
        self,
        batch: Sequence[Row],
        model: Any,
        inference_args: Mapping[str, Any] | None = None,
    ) -> Iterator[Scored]:
        """Scores a batch."""
        del inference_args
        try:
            scores: list[float | str] = list(self._score(batch, model))
        except (ValueError, tf.errors.InvalidArgumentError) as error:
            if len(batch) == 1:
                scores = [str(error).splitlines()[0]]
            else:  # the model does not say which row it refuses
                singles = (self.run_inference([row], model) for row in batch)
                scores = [score for single in singles for _, score in single]
        for row, score in zip(batch, scores, strict=True):
            yield row, "log_prob is not a number" if score != score else score

    def _score(self, batch: Sequence[Row], model: Any) -> list[float]:
        inputs = {
            name: tf.constant(value) for name, value in self._rows.inputs(batch).items()
        }
        with failed_requirements_as_value_errors():
            return model.signatures[SIGNATURE](**inputs)["log_prob"].numpy().tolist()
