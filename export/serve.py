"""Serves exported models on this machine: `tfflows-serve --export_dir=DIR`.

It is a small server for development, with TensorFlow Serving's REST and gRPC APIs and a
page to draw samples, interpolate and score. In production, use TensorFlow Serving: it
loads the same folders, and adds batching, monitoring and GPUs.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from tfflows.export.served_names import served_folders
from tfflows.system import command_line
from tfflows.system.command_line import UsageError

if TYPE_CHECKING:
    from tfflows.export.serving.process import Settings
    from tfflows.export.serving.served_model import ServedModel

FLAGS = command_line.new_flags()
command_line.add_version_flag(FLAGS)
flags.DEFINE_multi_string(
    "export_dir",
    [],
    "Folder of all versions of a model, as tfflows-export writes it; may be repeated. "
    "Its name is the model's; with --split there is a model FOLDER_SIGNATURE for each "
    "signature.",
    flag_values=FLAGS,
)
flags.DEFINE_string("host", "127.0.0.1", "Address to listen on.", flag_values=FLAGS)
flags.DEFINE_integer(
    "port", 8501, "Port; 0: any free one.", 0, 65535, flag_values=FLAGS
)
flags.DEFINE_integer(
    "grpc_port",
    None,
    "Port for gRPC; 0: any free one; unless given, there is none.",
    0,
    65535,
    flag_values=FLAGS,
)
flags.DEFINE_list(
    "allowed_hosts",
    None,
    "Names by which clients and pages may ask the server, besides localhost and "
    "addresses; * is any, and the default where --host is not this machine's own.",
    flag_values=FLAGS,
)
flags.DEFINE_integer(
    "max_request_mib",
    None,
    "Largest request, in MiB. Unless given: what --max_batch rows of the model take as "
    "JSON, at most 16.",
    1,
    flag_values=FLAGS,
)
flags.DEFINE_integer(
    "max_batch", 1024, "Most rows or samples of a request.", 1, flag_values=FLAGS
)
flags.DEFINE_integer(
    "max_connections",
    512,
    "Most connections at a time; requests of others are answered 503.",
    1,
    flag_values=FLAGS,
)
flags.DEFINE_float(
    "client_seconds",
    20.0,
    "Seconds in which a request has to arrive, and in which 256 KiB of an answer have "
    "to be read; slower clients lose their connection.",
    0.01,
    flag_values=FLAGS,
)
flags.DEFINE_float(
    "poll_seconds",
    1.0,
    "Seconds between two looks at the folders for new versions.",
    0.01,
    flag_values=FLAGS,
)
flags.DEFINE_boolean(
    "xla_cpu_compilation_enabled",
    False,
    "Whether exports may be compiled by XLA, as with TensorFlow Serving's flag.",
    flag_values=FLAGS,
)


def main(argv: Sequence[str]) -> None:
    """Serves until it is interrupted.

    Args:
      argv: Not used.
    """
    del argv
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    _folders(FLAGS.export_dir)
    command_line.start_tensorflow()
    from tfflows.export.serving.process import serve

    serve(models(FLAGS.export_dir, FLAGS.xla_cpu_compilation_enabled), _settings())


def run() -> None:
    """Runs the binary."""
    command_line.run(main, FLAGS)


def models(folders: Sequence[str], xla: bool = False) -> dict[str, ServedModel]:
    """Returns the models in folders of exports, by served name.

    Args:
      folders: Folders of models, each with all versions.
      xla: Whether versions may be compiled by XLA.

    Raises:
      UsageError: If a folder is no export or two models have the same name.
    """
    from tfflows.export.serving.served_model import ServedModel
    from tfflows.export.writing.warmup import load_warm

    load = functools.partial(load_warm, xla=xla)
    return {
        name: ServedModel(name, versions, load)
        for name, versions in _folders(folders).items()
    }


def _folders(folders: Sequence[str]) -> dict[str, Path]:
    """Returns the folders of versions by served name."""
    if not folders:
        raise UsageError("expected --export_dir, a folder of tfflows-export")
    found: dict[str, Path] = {}
    for folder in folders:
        path = Path(folder).resolve()
        if (path / "saved_model.pb").exists():
            raise UsageError(
                f"expected the folder of all versions, got one version, {path}: "
                f"take --export_dir={path.parent}"
            )
        if not path.is_dir():
            raise UsageError(f"expected a folder of tfflows-export, got {path}")
        for name, versions in served_folders(path).items():
            if name in found:
                raise UsageError(f"expected folders of other names, got {name} twice")
            found[name] = versions
    return found


def _settings() -> Settings:
    from tfflows.export.serving.limits import MIB, Limits
    from tfflows.export.serving.process import Settings

    mib = FLAGS.max_request_mib
    return Settings(
        host=FLAGS.host,
        port=FLAGS.port,
        grpc_port=FLAGS.grpc_port,
        allowed_hosts=FLAGS.allowed_hosts,
        limits=Limits(None if mib is None else mib * MIB, FLAGS.max_batch),
        max_connections=FLAGS.max_connections,
        client_seconds=FLAGS.client_seconds,
        poll_seconds=FLAGS.poll_seconds,
    )


if __name__ == "__main__":
    run()
