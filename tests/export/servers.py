"""The app of tfflows-serve in a thread; its models run in the C API's own process."""

import contextlib
import os
import shutil
import tempfile
import threading
import time
from pathlib import Path

import uvicorn

from tfflows.export.serve import listen
from tfflows.export.serve_app import Limits, make_app
from tfflows.export.serve_page import add_page
from tfflows.export.served_model import ServedModel

_LOCK = threading.Lock()  # the worker answers one request at a time


class WorkerModel:
    """What `ServedModel` loads, run by a `CApiWorker`: no XLA is disabled here."""

    def __init__(self, worker, path):
        # A server has what it loaded in memory; the worker finds models by their files.
        self._folder = tempfile.TemporaryDirectory(dir=Path(path).parents[1])
        self._worker, self._path = worker, Path(self._folder.name, "kept")
        shutil.copytree(path, self._path, copy_function=os.link)
        with _LOCK:
            self.signatures = worker.signatures(self._path)

    def run(self, signature, inputs):
        with _LOCK:
            return self._worker.run(self._path, signature, inputs)

    def close(self):
        """The worker keeps it."""
        self._folder.cleanup()


def served(worker, folder, name="mine"):
    model = ServedModel(name, folder, lambda path: WorkerModel(worker, path))
    model.poll()
    model.poll()
    return model


@contextlib.contextmanager
def rest_server(*models, limits=None):
    """Yields the url of a server in a thread."""
    by_name = {model.name: model for model in models}
    app = make_app(by_name, limits or Limits())
    add_page(app, by_name)
    with listen("127.0.0.1", 0) as listener:
        server = uvicorn.Server(
            uvicorn.Config(app, log_config=None, log_level="warning")
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
