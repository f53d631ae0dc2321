"""Connections that time out slow clients and answer errors as JSON.

uvicorn waits for ever for a request's head, its body, and the reader of an answer. It
limits only the time between requests and its own shutdown. Its errors are text.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from typing import Any

import h11
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

_LAST_SECONDS = 2.0  # for a partly received request when the server ends


class PatientConnection(H11Protocol):
    """A connection that closes if its client takes too long.

    Args:
      arguments: Arguments of `H11Protocol`, from uvicorn.
      seconds: Time for a request to arrive, from its first byte (for a connection's
        first request, from the start) to its last, and for each piece of an answer to
        be read.
      most: Most connections at a time; further requests get 503.
    """

    def __init__(
        self, *arguments: Any, seconds: float, most: int, **named: Any
    ) -> None:
        super().__init__(*arguments, **named)
        self._seconds, self._most = seconds, most
        self._served, self.app = self.app, self._or_unavailable
        self._request, self._answer = _Patience(self), _Patience(self)

    def connection_made(self, transport: Any) -> None:
        """Starts to wait for a request."""
        super().connection_made(transport)
        # uvicorn calls `pause_writing` for anything the client has not read at once.
        transport.set_write_buffer_limits(high=0)
        self._request.start(self._seconds)

    def data_received(self, data: bytes) -> None:
        """Keeps waiting until the whole request has arrived."""
        super().data_received(data)
        if self._is_coming():
            self._request.start(self._seconds)
        else:
            self._request.stop()

    def pause_writing(self) -> None:
        """Starts to wait for the reader of an answer."""
        super().pause_writing()
        self._answer.start(self._seconds)

    def resume_writing(self) -> None:
        """Stops waiting for the reader."""
        super().resume_writing()
        self._answer.stop()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops waiting for anything."""
        super().connection_lost(exc)
        self._request.stop()
        self._answer.stop()

    def shutdown(self) -> None:
        """Closes after the answer, or soon if the request is incomplete."""
        super().shutdown()
        if self._is_coming():
            self._request.stop()
            self._request.start(min(_LAST_SECONDS, self._seconds))

    async def _or_unavailable(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request to the app unless there are too many connections."""
        app: Any = self._served
        if len(self.connections) > self._most:
            text = f"expected at most {self._most} connections (--max_connections)"
            headers = {"connection": "close"}
            app = JSONResponse({"error": f"{text}: try again"}, 503, headers)
        await app(scope, receive, send)

    def send_400_response(self, msg: str) -> None:
        """Answers invalid HTTP with a JSON error."""
        body = json.dumps({"error": msg}).encode()
        headers = [
            ("content-type", "application/json"),
            ("content-length", str(len(body))),
            ("connection", "close"),
        ]
        events = (
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=body),
            h11.EndOfMessage(),
        )
        try:
            for event in events:
                self.transport.write(self.conn.send(event) or b"")
            self.transport.close()
        except h11.LocalProtocolError:  # in the middle of another answer
            self.transport.abort()

    def _is_coming(self) -> bool:
        """Returns whether a request has come in part; also while none has begun."""
        return self.conn.their_state in (h11.IDLE, h11.SEND_BODY)


class _Patience:
    """A timer that closes a connection unless it is stopped."""

    def __init__(self, connection: PatientConnection) -> None:
        self._connection = connection
        self._timer: asyncio.TimerHandle | None = None

    def start(self, seconds: float) -> None:
        """Starts the timer if it is not running."""
        if self._timer is None:
            self._timer = self._connection.loop.call_later(seconds, self._cut)

    def stop(self) -> None:
        """Stops the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _cut(self) -> None:
        transport = self._connection.transport
        # Otherwise the system would keep unread data for the reader.
        now = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, now
        )
        transport.abort()
