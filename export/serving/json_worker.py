"""A process that reads requests and writes replies, for `json_processes`.

It imports numpy and the JSON modules, but neither TensorFlow nor Keras.
"""

from __future__ import annotations

import gc
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from tfflows.export.serving.json_arrays import BadRequestError
from tfflows.export.serving.rest_json import read_request, write_reply


def serve(descriptor: int) -> None:
    """Answers ("read" or "write", arguments) until the other end closes.

    Args:
      descriptor: File descriptor of this end of the connection.
    """
    # Ctrl-C reaches all processes of a terminal, but the server finishes its requests.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # Nested lists form no cycles, and searching for cycles took most of the time.
    gc.disable()
    gc.freeze()
    functions: dict[str, Callable[..., Any]] = {
        "read": read_request,
        "write": write_reply,
    }
    with Connection(descriptor) as connection:
        while True:
            try:
                name, arguments = connection.recv()
            except EOFError:
                return
            try:
                answer = functions[name](*arguments)
            except BadRequestError as error:
                answer = BadRequestError(str(error))  # without frames that hold lists
            try:
                connection.send(answer)
            except BrokenPipeError:  # the server was killed
                return
            del arguments, answer
            gc.collect()
