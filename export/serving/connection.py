"""Connections whose clients have to keep going, and errors that are JSON.

uvicorn waits without end for a request's head, its body, and the reader of an answer;
it limits only what comes between two requests, and its own end. Its errors are text.
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

_LAST_SECONDS = 2.0  # for a request that has come in part when the server ends


class PatientConnection(H11Protocol):
    """A connection that is cut when its client takes too long.

    Args:
      arguments: Of `H11Protocol`, from uvicorn.
      seconds: For a request to arrive, from its first byte (of a connection's first
        request: from the start) to its last; and for each piece of an answer to be
        read.
      most: Connections at a time; requests of others are answered 503.
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
        # `pause_writing` comes for whatever the client has not taken at once.
        transport.set_write_buffer_limits(high=0)
        self._request.start(self._seconds)

    def data_received(self, data: bytes) -> None:
        """Goes on waiting for the rest of a request, until it has come."""
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
        """Ends once the answer is sent; soon, if the request is not all there."""
        super().shutdown()
        if self._is_coming():
            self._request.stop()
            self._request.start(min(_LAST_SECONDS, self._seconds))

    async def _or_unavailable(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets the app answer, unless there are too many connections."""
        app: Any = self._served
        if len(self.connections) > self._most:
            text = f"expected at most {self._most} connections (--max_connections)"
            headers = {"connection": "close"}
            app = JSONResponse({"error": f"{text}: try again"}, 503, headers)
        await app(scope, receive, send)

    def send_400_response(self, msg: str) -> None:
        """Answers what is no HTTP, in the form of all errors."""
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
    """Cuts a connection after a while, unless it is stopped."""

    def __init__(self, connection: PatientConnection) -> None:
        self._connection = connection
        self._timer: asyncio.TimerHandle | None = None

    def start(self, seconds: float) -> None:
        """Starts to wait, if it does not wait yet."""
        if self._timer is None:
            self._timer = self._connection.loop.call_later(seconds, self._cut)

    def stop(self) -> None:
        """Waits no longer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _cut(self) -> None:
        transport = self._connection.transport
        # Or the system would keep for the reader what it has not taken.
        now = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, now
        )
        transport.abort()
