"""Runs the server: listens, loads, answers, and stops in time."""

from __future__ import annotations

import asyncio
import functools
import gc
import ipaddress
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from tfflows.export.serving.limits import Limits
from tfflows.export.serving.served_model import ServedModel
from tfflows.system.extras import needed

_GRACE_SECONDS = 7  # for running requests when the server stops
_THREADS_SECONDS = 0.5  # for idle threads to end


class Settings(NamedTuple):
    """Settings of the server; see the flags of `tfflows-serve`."""

    host: str = "127.0.0.1"
    port: int = 0
    grpc_port: int | None = None
    allowed_hosts: Sequence[str] | None = None
    limits: Limits = Limits()
    max_connections: int = 512
    client_seconds: float = 20.0
    poll_seconds: float = 1.0


def listen(host: str, port: int) -> socket.socket:
    """Returns a listening socket whose connections send parts of answers at once."""
    listener = socket.create_server((host, port))
    # uvicorn sends head and body separately. Without this option, which connections
    # inherit, each body would wait for the client to acknowledge the head.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def serve(models: Mapping[str, ServedModel], settings: Settings) -> None:
    """Serves until SIGINT or SIGTERM.

    Running requests then have 7 seconds to finish. If a version is still being loaded,
    or a request still computed, the process ends anyway.

    Args:
      models: The models by name.
      settings: The settings.

    Raises:
      ImportError: If a package is missing.
      OSError: If a port is taken.
    """
    server_class = rest_server_class(models, settings)
    start_grpc = _grpc_starter(models, settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    with (
        suppress(KeyboardInterrupt),  # uvicorn raises it again after a clean shutdown
        listen(settings.host, settings.port) as listener,
        polling(list(models.values()), settings.poll_seconds) as looked,
    ):
        looked.wait()
        gc.freeze()  # keep loaded objects out of garbage collection
        grpc_server, grpc_port = start_grpc()
        url = f"http://{join(settings.host, listener.getsockname()[1])}"
        print(f"serving {', '.join(models)} at {url}", flush=True)
        if grpc_port:
            print(f"and by gRPC at {join(settings.host, grpc_port)}", flush=True)
        server_class(grpc_server).run(sockets=[listener])
    _leave()


@contextmanager
def polling(models: Sequence[ServedModel], seconds: float) -> Iterator[threading.Event]:
    """Looks for versions in a thread, so that requests and Ctrl-C need not wait.

    Args:
      models: The models whose folders to look at.
      seconds: Seconds between two looks.

    Yields:
      An event that is set when all folders were looked at and loaded once.
    """
    looked, stop = threading.Event(), threading.Event()

    def poll() -> None:
        for model in models:  # two looks must find a version unchanged
            model.poll()
        while not stop.is_set():
            for model in models:
                model.poll()
            looked.set()
            stop.wait(seconds)

    thread = threading.Thread(target=poll, name="versions")
    thread.start()
    try:
        yield looked
    finally:
        stop.set()
        thread.join(_THREADS_SECONDS)
        for model in models:
            model.close()


def rest_server_class(
    models: Mapping[str, ServedModel], settings: Settings
) -> Callable[..., Any]:
    """Returns the class of the REST server, whose `run` takes the sockets.

    Its one argument is the gRPC server to stop with it, or None.

    Args:
      models: The models by name.
      settings: The settings.

    Raises:
      ImportError: If a package is missing.
    """
    with needed("serve", "FastAPI and uvicorn"):
        import uvicorn

        from tfflows.export.serving.app import make_app
        from tfflows.export.serving.connection import PatientConnection
        from tfflows.export.serving.page import add_page
    hosts = settings.allowed_hosts
    if hosts is None and not _is_loopback(settings.host):
        hosts = ["*"]
    app = make_app(models, settings.limits, hosts)
    add_page(app, models)
    # Without uvicorn's log_config, which would close existing handlers.
    config = uvicorn.Config(
        app,
        http=functools.partial(  # type: ignore[arg-type]
            PatientConnection,
            seconds=settings.client_seconds,
            most=settings.max_connections,
        ),
        ws="none",
        log_config=None,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )

    class Server(uvicorn.Server):
        """A REST server that stops the gRPC server with itself."""

        def __init__(self, grpc_server: Any = None) -> None:
            super().__init__(config)
            self._grpc_server = grpc_server

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            """See `uvicorn.Server.shutdown`."""
            stopped = self._grpc_server and self._grpc_server.stop(_GRACE_SECONDS)
            await super().shutdown(sockets)
            if stopped:
                await asyncio.to_thread(stopped.wait)

    return Server


def _grpc_starter(
    models: Mapping[str, ServedModel], settings: Settings
) -> Callable[[], tuple[Any, int | None]]:
    """Returns a function that starts the gRPC server, if any, and returns its port."""
    if settings.grpc_port is None:
        return lambda: (None, None)
    from tfflows.export.serving.grpc_server import start_grpc_server

    address = join(settings.host, settings.grpc_port)
    return lambda: start_grpc_server(models, settings.limits, address)


def _leave() -> None:
    """Ends the process at once if a thread would keep it."""
    end = time.monotonic() + _THREADS_SECONDS
    for thread in threading.enumerate():
        if not thread.daemon and thread is not threading.current_thread():
            thread.join(max(0.0, end - time.monotonic()))
            if thread.is_alive():  # in TensorFlow, where nothing can stop it
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(0)


def join(host: str, port: int) -> str:
    """Returns HOST:PORT, or [ADDRESS]:PORT for an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
