"""Reads and writes the files of scoring: csv, Parquet and TFRecord."""

from __future__ import annotations

import base64
import csv
import json
from collections.abc import Mapping, Sequence
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf
from apache_beam.coders import BytesCoder
from apache_beam.io import filesystems, parquetio, textio, tfrecordio

from tfflows.export.scoring.rows import BadRowError, Block, Number, Row, RowFormat
from tfflows.system import files
from tfflows.system.csv_cells import csv_line

KINDS = ("csv", "parquet", "tfrecord")
_BOM = "\ufeff"


class Table:
    """Files of one kind with rows of one format.

    Args:
      pattern: Path of the files, which may have wildcards.
      rows: What a row holds.

    Raises:
      OSError: If no file matches.
      ValueError: If files are not of the kind or lack the model's columns.
    """

    def __init__(self, pattern: str, rows: RowFormat) -> None:
        self.pattern = files.pattern_of(pattern)
        self.rows = rows
        found = filesystems.FileSystems.match([self.pattern])[0].metadata_list
        self.paths = sorted(file.path for file in found)
        if not self.paths:
            raise FileNotFoundError(f"expected files, got {pattern}: none match")
        self.names = rows.default_names()

    def read(self) -> beam.PTransform:
        """Reads the rows as they are stored."""
        raise NotImplementedError

    def cells(self, stored: Any) -> Sequence[Any]:
        """Returns the cells of a stored row; may raise BadRowError."""
        raise NotImplementedError

    def text(self, stored: Any) -> str:
        """Returns a stored row as text, for the file of bad rows."""
        raise NotImplementedError

    def _check_names(self, names: Sequence[str], path: str) -> None:
        if len(names) != self.rows.size:
            raise ValueError(
                f"{path}: expected {self.rows.size} columns, those of the model's "
                f"inputs {' and '.join(block.name for block in self.rows.blocks)}, got "
                f"{len(names)}"
            )
        # With other names or another order, the wrong numbers would be scored.
        wanted = self.rows.columns
        if wanted is not None and tuple(names[: len(wanted)]) != wanted:
            raise ValueError(
                f"{path}: expected the columns {', '.join(wanted)}, in this order, as "
                f"in the training data, got {', '.join(names)}"
            )


class CsvTable(Table):
    """Lines of comma-separated numbers. A first line without numbers is the header."""

    def __init__(self, pattern: str, rows: RowFormat) -> None:
        super().__init__(pattern, rows)
        headers = {self._header(path) for path in self.paths}
        if len(headers) > 1:
            raise ValueError(f"{pattern}: expected the same header in all files")
        (header,) = headers
        self.has_header = header is not None
        if header is not None:
            self._check_names(header, self.paths[0])
            self.names = list(header)

    def _header(self, path: str) -> tuple[str, ...] | None:
        with filesystems.FileSystems.open(path) as file:
            line = file.readline()
        try:
            cells = tuple(cell.strip() for cell in self.cells(line.rstrip(b"\r\n")))
        except BadRowError:
            return None
        return None if any(map(_is_number, cells)) else cells

    def read(self) -> beam.PTransform:
        """See the base class."""
        return textio.ReadFromText(
            self.pattern, skip_header_lines=int(self.has_header), coder=BytesCoder()
        )

    def cells(self, stored: bytes) -> Sequence[str]:
        """See the base class."""
        try:
            text = stored.decode("utf-8").removeprefix(_BOM)
        except UnicodeDecodeError:
            raise BadRowError("expected UTF-8 text") from None
        if not text.strip():
            raise BadRowError("expected numbers, got an empty line")
        if '"' not in text:
            return text.split(",")
        try:
            return next(csv.reader([text], strict=True))
        except csv.Error as error:
            raise BadRowError(f"expected comma-separated cells: {error}") from None

    def text(self, stored: bytes) -> str:
        """See the base class."""
        return stored.decode("utf-8", errors="backslashreplace")


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell  # only Python reads 2020_01 as a number


class ParquetTable(Table):
    """Parquet files, whose columns are read in their order."""

    def __init__(self, pattern: str, rows: RowFormat) -> None:
        super().__init__(pattern, rows)
        for path in self.paths:
            with filesystems.FileSystems.open(path) as file:
                try:
                    names = pq.ParquetFile(file).schema_arrow.names
                except pa.ArrowInvalid as error:
                    raise ValueError(
                        f"{path}: expected a Parquet file: {error}"
                    ) from error
            self._check_names(names, path)
        self.names = list(names)

    def read(self) -> beam.PTransform:
        """See the base class."""
        return parquetio.ReadFromParquet(self.pattern)

    def cells(self, stored: Mapping[str, Any]) -> Sequence[Any]:
        """See the base class."""
        return list(stored.values())

    def text(self, stored: Mapping[str, Any]) -> str:
        """See the base class."""
        return json.dumps(stored, default=str)


class TFRecordTable(Table):
    """Files of `tf.train.Example`s with the features x and, if needed, context."""

    def read(self) -> beam.PTransform:
        """See the base class."""
        return tfrecordio.ReadFromTFRecord(self.pattern, coder=BytesCoder())

    def cells(self, stored: bytes) -> Sequence[Number]:
        """See the base class."""
        try:
            features = tf.train.Example.FromString(stored).features.feature
        except Exception:  # protobuf's DecodeError, of one of its implementations
            raise BadRowError("expected a tf.train.Example") from None
        return [
            cell
            for block in self.rows.blocks
            for cell in self._feature(features, block)
        ]

    def _feature(self, features: Mapping[str, Any], block: Block) -> Sequence[Number]:
        feature = dict(features).get(block.name)  # a protobuf map adds what is asked
        kind = None if feature is None else feature.WhichOneof("kind")
        if kind not in ("float_list", "int64_list"):
            raise BadRowError(f"expected a feature {block.name} of numbers")
        values = getattr(feature, kind).value
        if len(values) != block.size:
            raise BadRowError(
                f"expected {block.size} numbers in {block.name}, got {len(values)}"
            )
        return list(values)

    def text(self, stored: bytes) -> str:
        """See the base class: base64."""
        return base64.b64encode(stored).decode("ascii")


TABLES: dict[str, type[Table]] = {
    "csv": CsvTable,
    "parquet": ParquetTable,
    "tfrecord": TFRecordTable,
}


def writer(kind: str, prefix: str, names: Sequence[str], rows: RowFormat) -> Any:
    """Returns a transform that writes rows and their log-densities to files.

    Args:
      kind: A key of `KINDS`.
      prefix: Prefix of the files' paths.
      names: Names of the columns.
      rows: What a row holds.

    Returns:
      A transform.

    Raises:
      ValueError: If two columns have the same name.
    """
    keys = [*names, "log_prob"]
    if len(set(keys)) < len(keys):
        raise ValueError(f"expected columns of different names, got {', '.join(keys)}")
    if kind == "csv":
        write: Any = textio.WriteToText(prefix, ".csv", header=csv_line(keys))
        return beam.Map(_csv_line, rows) | write
    if kind == "parquet":
        types = _types(rows)
        schema = pa.schema(list(zip(keys, [*types, pa.float64()], strict=True)))
        write = parquetio.WriteToParquet(prefix, schema, file_name_suffix=".parquet")
        return beam.Map(_record, keys, rows) | write
    write = tfrecordio.WriteToTFRecord(
        prefix, coder=BytesCoder(), file_name_suffix=".tfrecord"
    )
    return beam.Map(_example, rows) | write


def _types(rows: RowFormat) -> list[pa.DataType]:
    """Parquet's types of the columns."""
    types = [
        pa.int64() if block.is_integer else pa.float64()
        for block in rows.blocks
        for _ in range(block.size)
    ]
    known = () if rows.table is None else rows.table.columns
    for place, column in enumerate(known):
        if column["kind"] == "category":
            types[place] = pa.array(column["categories"]).type
        elif column["kind"] == "integer":
            types[place] = pa.int64()
    return types


def _csv_line(scored: tuple[Row, float], rows: RowFormat) -> str:
    row, log_prob = scored
    return csv_line([*rows.cells(row), f"{log_prob:.9g}"])


def _record(
    scored: tuple[Row, float], names: Sequence[str], rows: RowFormat
) -> dict[str, Any]:
    row, log_prob = scored
    return dict(zip(names, [*rows.cells(row), log_prob], strict=True))


def _example(scored: tuple[Row, float], rows: RowFormat) -> bytes:
    row, log_prob = scored
    features = {"log_prob": _floats([log_prob])}
    for block, own in zip(rows.blocks, rows.split(row), strict=True):
        features[block.name] = (
            tf.train.Feature(int64_list=tf.train.Int64List(value=own))
            if block.is_integer
            else _floats(own)
        )
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return example.SerializeToString()


def _floats(values: Sequence[float]) -> tf.train.Feature:
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))
