"""Reads and writes the JSON of requests without blocking other requests.

Parsing, and writing numbers as text, holds Python's lock for a whole document, so a
large body would block every other request. Small documents are therefore read and
written here, and large ones in separate processes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from tfflows.export.c_api import Signature
from tfflows.export.serving.json_arrays import Arrays
from tfflows.export.serving.rest_json import Request, read_request, write_reply

# Sizes that take some milliseconds here; a process costs one or two.
_SMALL_BODY = 32 * 2**10  # bytes
_SMALL_REPLY = 4096  # numbers

# Modules of tfflows.export, without the __init__ files, which would import TensorFlow.
_START = """
import sys, types
for name in "tfflows", "tfflows.export":
    sys.modules[name] = types.ModuleType(name)
sys.modules["tfflows.export"].__path__ = [sys.argv[1]]
from tfflows.export.serving.json_worker import serve
serve(int(sys.argv[2]))
"""
_FOLDER = str(Path(__file__).parents[1])


class JsonProcessError(RuntimeError):
    """A process ended while it read or wrote. The text is for the client."""


class _Process:
    """A process that runs `json_worker`."""

    def __init__(self) -> None:
        self._connection, theirs = Pipe()
        with theirs:
            command = [sys.executable, "-P", "-c", _START, _FOLDER]
            self._process = subprocess.Popen(
                [*command, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )

    def ask(self, name: str, arguments: tuple) -> Any:
        """Runs a function in the process.

        Raises:
          OSError, EOFError: If the process has ended.
        """
        self._connection.send((name, arguments))
        return self._connection.recv()

    def close(self) -> int:
        """Ends the process; returns its exit code."""
        self._connection.close()
        return self._process.wait()


class JsonProcesses:
    """Reads requests and writes replies as `rest_json` does, large ones in processes.

    Args:
      number: Most processes at a time; None: one per core, at least two, so that a
        request need not wait for the largest one, and at most four. They start when
        needed and are kept.
    """

    def __init__(self, number: int | None = None) -> None:
        number = number or min(4, max(2, os.cpu_count() or 2))
        self._limiter = anyio.CapacityLimiter(number)
        self._idle: list[_Process] = []

    async def read(self, body: bytes, signatures: Mapping[str, Signature]) -> Request:
        """See `rest_json.read_request`.

        Raises:
          BadRequestError: As in that function.
          JsonProcessError: If the process has ended, perhaps for lack of memory.
        """
        if len(body) <= _SMALL_BODY:
            return read_request(body, signatures)
        return await self._ask("read", body, dict(signatures))

    async def write(self, outputs: Arrays, rows: bool) -> bytes:
        """See `rest_json.write_reply`.

        Raises:
          BadRequestError: As in that function.
          JsonProcessError: As in `read`.
        """
        if sum(array.size for array in outputs.values()) <= _SMALL_REPLY:
            return write_reply(outputs, rows)
        return await self._ask("write", outputs, rows)

    def close(self) -> None:
        """Ends the processes."""
        while process := self._take_idle():
            process.close()

    async def _ask(self, name: str, *arguments: Any) -> Any:
        # Its own limiter: waiting here takes no thread from small requests.
        answer = await anyio.to_thread.run_sync(
            self._run, name, arguments, limiter=self._limiter
        )
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _take_idle(self) -> _Process | None:
        try:
            return self._idle.pop()
        except IndexError:  # asked first, another thread may take the last in between
            return None

    def _run(self, name: str, arguments: tuple) -> Any:
        process = self._take_idle() or _Process()
        try:
            answer = process.ask(name, arguments)
        except (OSError, EOFError):
            code = process.close()
            raise JsonProcessError(
                f"the process that was to {name} large JSON ended with code {code}, "
                "perhaps for want of memory: send fewer rows in a request"
            ) from None
        self._idle.append(process)
        return answer
