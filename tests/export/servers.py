"""The servers of tfflows-serve in threads; models run in the C API's own process."""

import contextlib
import os
import shutil
import tempfile
import threading
import time
from pathlib import Path

import grpc

from tfflows.export.serving.grpc_server import start_grpc_server
from tfflows.export.serving.limits import Limits
from tfflows.export.serving.process import Settings, listen, rest_server_class
from tfflows.export.serving.served_model import ServedModel

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
def rest_server(*models, limits=None, **settings):
    """Yields the url of a server in a thread."""
    settings = Settings(limits=limits or Limits(), **settings)
    server_class = rest_server_class({model.name: model for model in models}, settings)
    with listen("127.0.0.1", 0) as listener:
        server = server_class()
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@contextlib.contextmanager
def grpc_server(*models, before=None, limits=None):
    """Yields the address of a server; `before` sees the context of each call first."""
    by_name = {model.name: model for model in models}
    interceptors = [Before(before)] if before else []
    server, port = start_grpc_server(
        by_name, limits or Limits(), interceptors=interceptors
    )
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


class Before(grpc.ServerInterceptor):
    def __init__(self, before):
        self._before = before

    def intercept_service(self, continuation, details):
        handler = continuation(details)

        def call(request, context):
            self._before(context)
            return handler.unary_unary(request, context)

        return grpc.unary_unary_rpc_method_handler(
            call, handler.request_deserializer, handler.response_serializer
        )
