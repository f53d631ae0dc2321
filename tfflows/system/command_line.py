"""Shared by all programs: flags, help, one-line errors, exit codes, quiet logs.

Each program has its own flags (`flags.FlagValues`), so that one process can import
several. Exit codes: 0; 1 for an error while running; 2 for a wrong command line,
including unknown models and fields and the model_dir of another configuration; 75 after
SIGTERM, when the same command resumes; 130 after Ctrl-C.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.metadata
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NoReturn

from absl import app, flags, logging

from tfflows.system.termination import Termination

Main = Callable[[Sequence[str]], int | None]
RUN_ERROR, USAGE_ERROR = 1, 2


class UsageError(ValueError):
    """A wrong command line. The programs exit with 2."""


def new_flags(**strings: str) -> flags.FlagValues:
    """Makes the flags that every program has, and string flags.

    Args:
      **strings: Help texts of string flags by name. Their default is None.

    Returns:
      Flags with --help, --helpfull and the string flags. Add more to them.
    """
    values = flags.FlagValues()
    for name, text in strings.items():
        flags.DEFINE_string(name, None, text, flag_values=values)
    flags.DEFINE_boolean("help", False, "Shows this help.", flag_values=values)
    flags.DEFINE_boolean(
        "helpfull", False, "Shows the flags of the logs, too.", flag_values=values
    )
    return values


def add_version_flag(values: flags.FlagValues) -> None:
    """Adds --version, which prints the library's version and exits."""
    flags.DEFINE_boolean(
        "version", False, "Shows the version of tfflows.", flag_values=values
    )


def run(
    main: Main,
    values: flags.FlagValues,
    argv: list[str] | None = None,
    *,
    parser: Callable[[Sequence[str]], list[str]] | None = None,
) -> NoReturn:
    """Runs a program and ends the process with its exit code.

    It reads the flags before it imports TensorFlow. TensorFlow's log lines are silent
    unless --verbosity or TF_CPP_MIN_LOG_LEVEL asks for them. The process keeps the
    memory that it frees (`tfflows.backend.memory`), and stops cleanly at SIGTERM and
    Ctrl-C (`tfflows.system.termination`).

    Args:
      main: The program. It gets the arguments that are not flags.
      values: Its flags.
      argv: Command line, with the program's name first; None: this process's.
      parser: Function that reads the command line; None: `parse`.
    """
    with Termination() as termination:
        app.run(
            lambda rest: call(main, rest, termination),
            argv=argv,
            flags_parser=parser or (lambda line: parse(values, line, main)),
        )


def parse(
    values: flags.FlagValues,
    line: Sequence[str],
    main: Main | None = None,
    hint: str = "",
) -> list[str]:
    """Parses a command line; ends the process after --help or an error.

    Args:
      values: The flags of the program; absl's own (--verbosity) are added.
      line: Command line with the program's name first.
      main: The program. Its module's docstring heads the help.
      hint: Text for the error if there are arguments besides flags.

    Returns:
      The program's name.
    """
    values.unparse_flags()
    everything = _with_absls(values)
    try:
        rest = everything(line)
        if rest[1:]:
            raise flags.Error(f"expected only flags, got {' '.join(rest[1:])}{hint}")
    except flags.Error as error:
        sys.exit(report(error, USAGE_ERROR))
    if flags.FLAGS["verbosity"].using_default_value:
        logging.set_verbosity(logging.WARNING)  # absl would choose INFO
    values.mark_as_parsed()
    flags.FLAGS.mark_as_parsed()
    if values.help or values.helpfull:
        about = sys.modules[main.__module__].__doc__ if main else None
        shown = everything if values.helpfull else values
        print(f"{about or ''}\n{shown.get_help()}")
        sys.exit(0)
    if "version" in values and values.version is True:
        print(importlib.metadata.version("tfflows"))
        sys.exit(0)
    return rest


def _with_absls(values: flags.FlagValues) -> flags.FlagValues:
    everything = flags.FlagValues()
    everything.append_flag_values(values)
    for name in flags.FLAGS:
        # A short name is a second entry of the same flag.
        if name not in everything and name == flags.FLAGS[name].name:
            everything[name] = flags.FLAGS[name]
    return everything


def call(
    main: Main, argv: Sequence[str], termination: Termination | None = None
) -> int:
    """Calls a program's main and returns an exit code.

    Args:
      main: The program.
      argv: Its arguments.
      termination: Distinguishes errors from the effects of a signal.

    Returns:
      The exit code. A user's errors are printed as one line, or raised if --verbosity
      is 1 or more.
    """
    try:
        return main(argv) or 0
    except Exception as error:
        if termination is not None and termination.requested:
            termination.stop()  # a library turned it into an error
        if not _is_users(error) or logging.get_verbosity() >= logging.DEBUG:
            raise
        usage = isinstance(error, UsageError)
        return report(error, USAGE_ERROR if usage else RUN_ERROR)


def _is_users(error: Exception) -> bool:
    kinds = [ValueError, KeyError, OSError, RuntimeError, ImportError]
    if "tensorflow" in sys.modules:
        kinds.append(sys.modules["tensorflow"].errors.OpError)
    return isinstance(error, tuple(kinds))


def report(error: Exception, exit_code: int = RUN_ERROR) -> int:
    """Prints an error as one line; returns the exit code."""
    # The text of a KeyError is its repr.
    text = str(error.args[0]) if isinstance(error, KeyError) else str(error)
    lines = text.strip().splitlines() or [type(error).__name__]
    more = " (--verbosity=1 shows all)" if len(lines) > 1 else ""
    print(f"error: {lines[0]}{more}", file=sys.stderr)
    return exit_code


def refuse_unused(values: flags.FlagValues, names: Iterable[str], where: str) -> None:
    """Refuses flags that would have no effect.

    Args:
      values: Parsed flags.
      names: Names of flags without an effect.
      where: The flag that makes them useless, for example "--list".

    Raises:
      UsageError: If one of them is given.
    """
    for name in names:
        if values[name].present:
            raise UsageError(
                f"expected no --{name} with {where}, where it has no effect, got "
                f"--{name}={values[name].value}"
            )


def start_tensorflow() -> None:
    """Imports the library as `import tfflows` does outside of a program.

    TensorFlow's log lines are hidden unless the user asks for them or the import fails.
    """
    if "tensorflow" in sys.modules:  # a test, or a user's program
        return
    asked = "TF_CPP_MIN_LOG_LEVEL" in os.environ or logging.get_verbosity() >= 0
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with contextlib.nullcontext() if asked else _standard_error_kept_back():
        import tfflows

        tfflows.import_parts()
    from tfflows.backend.memory import keep_freed_memory

    keep_freed_memory()
    gc.freeze()  # modules are no garbage, when the process ends, either


@contextlib.contextmanager
def _standard_error_kept_back() -> Iterator[None]:
    """Context manager that hides standard error, and prints it after an exception."""
    sys.stderr.flush()
    with tempfile.TemporaryFile() as kept:
        shown = os.dup(2)
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except BaseException:
            kept.seek(0)
            os.write(shown, kept.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(shown, 2)
            os.close(shown)
