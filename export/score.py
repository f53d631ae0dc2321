"""Scores tables with an exported model: `tfflows-score --export_dir=DIR --input=FILES`.

It is an Apache Beam pipeline. It scores the rows in batches, on this machine or on one
of Beam's runners, whose options follow `--`:

    tfflows-score --export_dir=models/mine --input='rows-*.csv' --output=scores \
        -- --runner=FlinkRunner --flink_master=localhost:8081

A row holds the model's x, flat, and a conditional model's context after it: in columns
of csv and Parquet files, or as features x and context of `tf.train.Example`s. The new
folder --output gets the rows with their log_prob (nats), in no particular order, the
bad rows with reasons, and summary.json, which is also the last line printed.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence

from absl import flags, logging

from tfflows.system import command_line
from tfflows.system.command_line import UsageError
from tfflows.system.extras import needed

_STRINGS = {
    "export_dir": "Folder of tfflows-export: of all versions (the newest is taken), "
    "or of one.",
    "input": "Path of the files, which may have wildcards.",
    "output": "A new folder for what is written.",
}
_FORMATS = ("csv", "parquet", "tfrecord")
FLAGS = command_line.new_flags(**_STRINGS)
command_line.add_version_flag(FLAGS)
flags.DEFINE_enum(
    "format",
    None,
    _FORMATS,
    "Format of the input. Default: by the end of its path.",
    flag_values=FLAGS,
)
flags.DEFINE_enum(
    "output_format",
    None,
    _FORMATS,
    "Format of the output. Default: that of the input.",
    flag_values=FLAGS,
)
flags.DEFINE_integer(
    "batch_size", 1024, "Most rows that the model gets at once.", 1, flag_values=FLAGS
)


def main(argv: Sequence[str]) -> None:
    """Scores the rows of the input files.

    Args:
      argv: The program's name, then Beam's command line.
    """
    print(json.dumps(_score(argv[1:])))


def _score(beam_args: Sequence[str]) -> dict[str, int]:
    missing = [f"--{name}" for name in _STRINGS if not FLAGS[name].value]
    if missing:
        raise UsageError(f"expected {', '.join(missing)}")
    input_format = FLAGS.format or _by_ending(FLAGS.input)
    command_line.start_tensorflow()
    with needed("beam", "Apache Beam"):
        from tfflows.export.scoring.pipeline import score
    return score(
        FLAGS.export_dir,
        FLAGS.input,
        FLAGS.output,
        input_format=input_format,
        output_format=FLAGS.output_format,
        batch_size=FLAGS.batch_size,
        beam_args=beam_args,
    )


def _by_ending(path: str) -> str:
    for name in _FORMATS:
        if path.endswith((f".{name}", f".{name}.gz")):
            return name
    raise UsageError(
        f"expected --format of {', '.join(_FORMATS)}, or an --input that ends so, got "
        f"{path}"
    )


def parse(line: Sequence[str]) -> list[str]:
    """Parses a command line; ends the process after --help or an error.

    Args:
      line: Command line, with the program's name first.

    Returns:
      The program's name, and the arguments after `--`.
    """
    end = line.index("--") if "--" in line else len(line)
    hint = "; Beam's follow --"
    program = command_line.parse(FLAGS, line[:end], main, hint)
    logging.set_verbosity(logging.ERROR)  # absl would show all of Beam's notes
    warnings.filterwarnings("ignore", "Possible nested set")  # Beam's of a[1]/rows.csv
    return [*program, *line[end + 1 :]]


def run() -> None:
    """Runs the binary."""
    command_line.run(main, FLAGS, parser=parse)


if __name__ == "__main__":
    run()
