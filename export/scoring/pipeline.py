"""The Beam pipeline that reads, scores, counts and writes rows."""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems
from apache_beam.io.textio import WriteToText
from apache_beam.ml.inference.base import RunInference
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.pvalue import TaggedOutput

from tfflows.export.scoring.files import TABLES, Table, writer
from tfflows.export.scoring.model import (
    LogProbHandler,
    Scored,
    find_version,
    row_format,
)
from tfflows.export.scoring.rows import BadRowError
from tfflows.export.versions import put_in_place
from tfflows.system import files
from tfflows.system.csv_cells import warn_of_formulas

_BAD = "bad"


class _Parse(beam.DoFn):
    """Separates rows that the model can take from bad ones."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def process(self, stored: Any) -> Iterator[Any]:
        try:
            yield self._table.rows.row(self._table.cells(stored))
        except BadRowError as reason:
            yield TaggedOutput(_BAD, _bad(self._table.text(stored), reason))


class _Refused(beam.DoFn):
    """Separates rows with a log-density from those that the model refused."""

    def process(self, scored: Scored) -> Iterator[Any]:
        row, score = scored
        if isinstance(score, str):
            yield TaggedOutput(_BAD, _bad(json.dumps(row), score))
        else:
            yield scored


def _bad(row: str, reason: object) -> str:
    return json.dumps({"row": row, "reason": str(reason)})


def score(
    export_dir: str,
    pattern: str,
    output: str,
    *,
    input_format: str = "csv",
    output_format: str | None = None,
    batch_size: int = 1024,
    beam_args: Sequence[str] = (),
) -> dict[str, int]:
    """Scores the rows of files. The output appears whole or not at all.

    Args:
      export_dir: A folder from `tfflows-export`: of all versions, or of one.
      pattern: Path of the files, which may have wildcards.
      output: A new folder for `scored-*` (rows with log-densities in nats),
        `bad-*.jsonl` (rows that the model cannot take, with reasons) and `summary.json`
        (the counts).
      input_format: "csv", "parquet" or "tfrecord".
      output_format: One of the same; None: the input's format.
      batch_size: Most rows in a batch of the model.
      beam_args: Beam's command line: `--runner` and the runner's options.

    Returns:
      The numbers of rows: `input` = `scored` + `bad`.

    Raises:
      OSError: If a file is missing or the output exists.
      ValueError: If the model cannot score such rows, files are of another kind, or
        there are no rows.
      RuntimeError: If the pipeline fails or loses rows.
    """
    if FileSystems.exists(os.path.expanduser(output)):
        raise FileExistsError(f"expected a new folder for the output, got {output}")
    folder = find_version(os.path.expanduser(export_dir))
    table = TABLES[input_format](pattern, row_format(folder))
    kind = output_format or input_format
    if kind == "csv":
        warn_of_formulas(output, table.names)
    handler = LogProbHandler(folder, table.rows, batch_size)
    with _new_folder(output) as unfinished:
        write = writer(kind, f"{unfinished}/scored", table.names, table.rows)
        with _failures_as_runtime_errors():
            pipeline = beam.Pipeline(**_runner(beam_args))
            _build(pipeline, table, handler, write, unfinished)
            pipeline.run().wait_until_finish()
        return _checked_summary(f"{unfinished}/summary.json", pattern)


def _build(
    pipeline: beam.Pipeline,
    table: Table,
    handler: LogProbHandler,
    write: beam.PTransform,
    folder: str,
) -> None:
    stored = pipeline | "Read" >> table.read()
    parsed = stored | "Parse" >> beam.ParDo(_Parse(table)).with_outputs(
        _BAD, main="rows"
    )
    scored = (
        parsed["rows"]
        | "Score" >> RunInference(handler)
        | "Split" >> beam.ParDo(_Refused()).with_outputs(_BAD, main="rows")
    )
    bad = (parsed[_BAD], scored[_BAD]) | "Bad" >> beam.Flatten()
    _ = scored["rows"] | "WriteScored" >> write
    _ = bad | "WriteBad" >> WriteToText(f"{folder}/bad", ".jsonl")
    numbers = {"input": stored, "scored": scored["rows"], "bad": bad}
    counts = [
        rows
        | f"Count_{name}" >> beam.combiners.Count.Globally()
        | f"Name_{name}" >> beam.Map(lambda number, name: (name, number), name)
        for name, rows in numbers.items()
    ]
    _ = (
        counts
        | "Counts" >> beam.Flatten()
        | "Summary" >> beam.CombineGlobally(_as_json)
        | "WriteSummary"
        >> WriteToText(f"{folder}/summary", ".json", shard_name_template="")
    )


def _as_json(parts: Iterable[Any]) -> str:
    """Returns pairs as JSON. Beam calls it on parts of the pairs and of their JSON."""
    merged: dict[str, int] = {}
    for part in parts:
        merged |= json.loads(part) if isinstance(part, str) else dict([part])
    return json.dumps(merged, sort_keys=True)


def _runner(beam_args: Sequence[str]) -> dict[str, Any]:
    options = PipelineOptions(list(beam_args))
    if options.get_all_options()["runner"] not in (None, "DirectRunner"):
        return {"options": options}
    # The DirectRunner would first try to download another runner, Prism, and falls
    # back to this one.
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    return {"runner": FnApiRunner(), "options": options}


@contextlib.contextmanager
def _failures_as_runtime_errors() -> Iterator[None]:
    """Turns Beam's errors, which hold workers' stack traces, into RuntimeErrors."""
    try:
        yield
    except Exception as error:
        text = str(error).strip().splitlines() or [type(error).__name__]
        raise RuntimeError(f"the pipeline failed: {text[0]}") from error


@contextlib.contextmanager
def _new_folder(output: str) -> Iterator[str]:
    """Yields a folder to write to, which gets its name when all is written."""
    output = output.rstrip("/")
    if "://" not in output:
        with _new_local_folder(files.path(output)) as unfinished:
            yield unfinished
        return
    unfinished = f"{output}.unfinished-{uuid.uuid4().hex[:8]}"
    FileSystems.mkdirs(unfinished)
    try:
        yield unfinished
        FileSystems.rename([unfinished], [output])
    except BaseException:
        FileSystems.delete([unfinished])
        raise


@contextlib.contextmanager
def _new_local_folder(output: Path) -> Iterator[str]:
    output.parent.mkdir(parents=True, exist_ok=True)
    with files.scratch(output.parent) as parent:
        unfinished = parent / output.name
        unfinished.mkdir()
        with files.without_wildcards(unfinished) as readable:  # nor does Beam
            yield readable
        put_in_place(unfinished, output)


def _checked_summary(path: str, pattern: str) -> dict[str, int]:
    with FileSystems.open(path) as file:
        summary = json.load(file)
    if not summary["input"]:
        raise ValueError(f"{pattern}: expected rows, got none")
    if summary["input"] != summary["scored"] + summary["bad"]:
        raise RuntimeError(f"expected as many rows written as read, got {summary}")
    return summary
