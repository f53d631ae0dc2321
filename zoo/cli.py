"""What the binaries share: flags, errors as one line, exit codes.

Each binary has flags of its own (`flags.FlagValues`), so that several can be imported
in one process. Exit codes: 0; 1 for an error while running; 2 for a wrong command
line, which includes unknown models and fields and the model_dir of another
configuration; 75 after SIGTERM, where the same command goes on.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

import keras
import tensorflow as tf
from absl import app, flags, logging

from tfflows import training
from tfflows.backend import memory
from tfflows.system.termination import Termination
from tfflows.zoo import pretrained, run_dir
from tfflows.zoo.config import ExperimentConfig
from tfflows.zoo.errors import ConfigError
from tfflows.zoo.factory import create
from tfflows.zoo.overrides import override
from tfflows.zoo.registry import get_config

Main = Callable[[Sequence[str]], int | None]

_RUN_ERROR = 1
_USAGE_ERROR = 2
_FILE_KINDS = ("csv", "npz", "parquet", "images")
_USER_ERRORS = (ValueError, KeyError, OSError, tf.errors.OpError)


def new_flags(*, model_dir: str) -> flags.FlagValues:
    """Makes the flags that every binary has.

    Args:
      model_dir: Help text of --model_dir.

    Returns:
      Flags --help, --model, --model_dir, --dataset and --data_dir, to add to.
    """
    values = flags.FlagValues()
    text = {
        "model": "Name of a registered model.",
        "model_dir": model_dir,
        "dataset": (
            "Data set: a toy density, digits, a TFDS builder (mnist, tfds:NAME), or "
            "your own csv:PATH, npz:PATH, parquet:PATH, images:PATH. Default: the "
            "model's own."
        ),
        "data_dir": "Folder of prepared TFDS data. Default: TFDS_DATA_DIR.",
    }
    for name, help_text in text.items():
        flags.DEFINE_string(name, None, help_text, flag_values=values)
    flags.DEFINE_boolean("help", False, "Shows this help.", flag_values=values)
    return values


def add_strategy_flags(values: flags.FlagValues) -> None:
    """Adds the flags that say where a binary computes.

    Args:
      values: The flags of the binary; they get --strategy, --tpu and --cpu_devices.
    """
    flags.DEFINE_enum(
        "strategy",
        "auto",
        list(training.STRATEGIES),
        "Where to compute: mirrored is all GPUs of this machine, multi_worker the "
        "cluster of the environment variable TF_CONFIG; auto takes what is there.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "tpu", None, "Name or address of the TPU, or local.", flag_values=values
    )
    flags.DEFINE_integer(
        "cpu_devices",
        None,
        "Number of logical CPU devices, to try replicas without GPUs.",
        flag_values=values,
    )


def strategy(values: flags.FlagValues) -> tf.distribute.Strategy:
    """Makes the strategy that the flags name; before anything else of TensorFlow.

    Args:
      values: Parsed flags.

    Returns:
      The strategy.

    Raises:
      ValueError: The devices or the cluster are not there.
    """
    if values.cpu_devices is not None:
        training.set_cpu_devices(values.cpu_devices)
    return training.make_strategy(values.strategy, values.tpu)


def run(
    main: Main, values: flags.FlagValues, argv: list[str] | None = None
) -> NoReturn:
    """Runs a binary and ends the process with its exit code.

    The process keeps the memory that it frees, see `tfflows.backend.memory`, and ends
    in good order at SIGTERM and Ctrl-C, see `tfflows.system.termination`.

    Args:
      main: The binary; it gets the arguments that are no flags.
      values: Its flags.
      argv: Command line with the program's name first; None: the process's.
    """
    memory.keep_freed_memory()
    with Termination():
        app.run(
            lambda rest: call(main, rest),
            argv=argv,
            flags_parser=lambda line: parse(values, line, main),
        )


def parse(
    values: flags.FlagValues, argv: Sequence[str], main: Main | None = None
) -> list[str]:
    """Parses a command line; ends the process after --help or an error.

    Args:
      values: The flags of the binary; absl's own (--verbosity) are added.
      argv: Command line with the program's name first.
      main: The binary; the docstring of its module heads the help.

    Returns:
      The program's name.
    """
    values.unparse_flags()
    everything = flags.FlagValues()
    everything.append_flag_values(values)
    for name in flags.FLAGS:
        # A short name is a second entry of the same flag.
        if name not in everything and name == flags.FLAGS[name].name:
            everything[name] = flags.FLAGS[name]
    try:
        rest = everything(argv)
        if rest[1:]:
            raise flags.Error(f"expected only flags, got {' '.join(rest[1:])}")
    except flags.Error as error:
        sys.exit(_report(error, _USAGE_ERROR))
    if flags.FLAGS["verbosity"].using_default_value:
        logging.set_verbosity(logging.WARNING)  # absl would choose INFO
    values.mark_as_parsed()
    flags.FLAGS.mark_as_parsed()
    if values.help:
        about = sys.modules[main.__module__].__doc__ if main else None
        print(f"{about or ''}\n{values.get_help()}")
        sys.exit(0)
    return rest


def call(main: Main, argv: Sequence[str]) -> int:
    """Calls a binary's main and makes an exit code of what comes of it.

    Args:
      main: The binary.
      argv: Its arguments.

    Returns:
      The exit code; the user's errors are printed as one line, unless --verbosity is
      1 or more, which raises them.
    """
    try:
        return main(argv) or 0
    except _USER_ERRORS as error:
        if logging.get_verbosity() >= logging.DEBUG:
            raise
        usage = isinstance(error, ConfigError)
        return _report(error, _USAGE_ERROR if usage else _RUN_ERROR)


def refuse_unused(values: flags.FlagValues, names: Iterable[str], where: str) -> None:
    """Refuses flags that would have no effect.

    Args:
      values: Parsed flags.
      names: Those without an effect.
      where: With which flag they have none, for example "--list".

    Raises:
      ConfigError: One of them is given.
    """
    for name in names:
        if values[name].present:
            raise ConfigError(
                f"expected no --{name} with {where}, where it has no effect, got "
                f"--{name}={values[name].value}"
            )


def trained_model(
    values: flags.FlagValues,
) -> tuple[keras.Model, ExperimentConfig, dict[str, Any]]:
    """Loads the trained model that --model_dir or --model names.

    Args:
      values: Parsed flags.

    Returns:
      The model, its configuration with the data that the flags name, and the
      progress of a training run ({} for weights that ship).

    Raises:
      ConfigError: Not just one of the two flags is given, or the model has no weights.
      OSError, ValueError: The training run cannot be read.
    """
    if bool(values.model_dir) == bool(values.model):
        raise ConfigError(
            "expected either --model_dir of a training run or --model with weights "
            f"that ship ({', '.join(pretrained.names())})"
        )
    if values.model_dir:
        model, config, progress = run_dir.restore(values.model_dir)
    else:
        model, progress = create(values.model, weights="pretrained"), {}
        config = get_config(values.model)
    return model, override(config, data_changes(values)), progress


def data_changes(values: flags.FlagValues) -> dict[str, str]:
    """Returns the overrides that --dataset and --data_dir stand for.

    Args:
      values: Parsed flags.

    Returns:
      Overrides by dotted name; paths are absolute, for config.json outlives the
      folder that the command was given in.
    """
    changes = {}
    if values.dataset:
        kind, _, path = values.dataset.partition(":")
        if kind in _FILE_KINDS:
            changes["data.name"] = f"{kind}:{_absolute(path)}"
        else:
            changes["data.name"] = values.dataset
    if values.data_dir:
        changes["data.data_dir"] = _absolute(values.data_dir)
    return changes


def _absolute(path: str) -> str:
    return path if "://" in path else os.path.abspath(os.path.expanduser(path))


def _report(error: Exception, exit_code: int) -> int:
    # The text of a KeyError is its repr.
    text = str(error.args[0]) if isinstance(error, KeyError) else str(error)
    lines = text.strip().splitlines() or [type(error).__name__]
    more = " (--verbosity=1 shows all)" if len(lines) > 1 else ""
    print(f"error: {lines[0]}{more}", file=sys.stderr)
    return exit_code
