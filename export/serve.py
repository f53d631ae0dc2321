"""Serves exported models on this machine: `tfflows-serve --export_dir=DIR`.

A small server for development, with TensorFlow Serving's REST API and a page to draw
samples, interpolate and score. In production, take TensorFlow Serving: it loads the
same folders, and adds gRPC, batching, monitoring and GPUs.
"""

from __future__ import annotations

import functools
import logging
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from absl import app as absl_app
from absl import flags

from tfflows.export import command_line
from tfflows.export.command_line import UsageError
from tfflows.export.served_model import ServedModel
from tfflows.export.served_names import served_folders
from tfflows.export.warmup import load_warm
from tfflows.memory import keep_freed_memory

FLAGS = command_line.new_flags()
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
    "max_request_mib", 32, "Largest request, in MiB.", 1, flag_values=FLAGS
)
flags.DEFINE_integer(
    "max_batch", 1024, "Most rows or samples of a request.", 1, flag_values=FLAGS
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


def main(argv: Sequence[str]) -> int:
    """Serves until it is interrupted.

    Args:
      argv: Not used; the flags say all.

    Returns:
      The exit code.
    """
    del argv
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        _serve(models(FLAGS.export_dir, FLAGS.xla_cpu_compilation_enabled))
    except (UsageError, OSError, ImportError) as error:
        return command_line.report(error)
    return 0


def run() -> None:
    """Runs the binary."""
    keep_freed_memory()
    absl_app.run(main, flags_parser=parse)


def parse(line: Sequence[str]) -> list[str]:
    """Parses a command line; ends the process after --help or an error."""
    return command_line.parse(FLAGS, line, __doc__)


def models(folders: Sequence[str], xla: bool = False) -> dict[str, ServedModel]:
    """The models in folders of exports, by the names that they are served by.

    Args:
      folders: Those of all versions of a model.
      xla: Whether versions may be compiled by XLA.

    Raises:
      UsageError: A folder is none of an export, or two have one name.
    """
    if not folders:
        raise UsageError("expected --export_dir, a folder of tfflows-export")
    load = functools.partial(load_warm, xla=xla)
    found: dict[str, ServedModel] = {}
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
            found[name] = ServedModel(name, versions, load)
    return found


def listen(host: str, port: int) -> socket.socket:
    """A listening socket, whose connections send each part of an answer at once."""
    listener = socket.create_server((host, port))
    # uvicorn sends head and body apart; without this, which connections inherit, the
    # body of each answer waits 40 ms for the client to acknowledge the head.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _serve(models: dict[str, ServedModel]) -> None:
    try:
        import uvicorn

        from tfflows.export.serve_app import Limits, make_app
        from tfflows.export.serve_page import add_page
    except ImportError as error:
        raise ImportError(
            f"{error}; expected FastAPI and uvicorn: pip install 'tfflows[serve]'"
        ) from error
    limits = Limits(FLAGS.max_request_mib * 2**20, FLAGS.max_batch)
    app = make_app(models, limits)
    add_page(app, models)
    # Without its own log_config, which would close the handlers that exist.
    config = uvicorn.Config(app, log_config=None, log_level="warning", access_log=False)
    with listen(FLAGS.host, FLAGS.port) as listener:
        host, port = listener.getsockname()[:2]
        with _polling(list(models.values()), FLAGS.poll_seconds):
            print(f"serving {', '.join(models)} at http://{host}:{port}", flush=True)
            # uvicorn has shut down in order when it raises the Ctrl-C again.
            with suppress(KeyboardInterrupt):
                uvicorn.Server(config).run(sockets=[listener])


@contextmanager
def _polling(models: Sequence[ServedModel], seconds: float) -> Iterator[None]:
    """Looks at the folders in a thread of its own, so that no request waits for it."""
    stop = threading.Event()

    def poll() -> None:
        while not stop.wait(seconds):
            for model in models:
                model.poll()

    thread = threading.Thread(target=poll, name="versions")
    for model in (*models, *models):  # a version is what two looks found unchanged
        model.poll()
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        for model in models:
            model.close()


if __name__ == "__main__":
    run()
