"""Refuses what web pages of other sites could send to a server on this machine.

A page from anywhere can make the visitor's browser send requests to this server. If the
page's own name is made to stand for 127.0.0.1 (DNS rebinding), it can read the answers
too. The browser then sends that name as `Host`, or the page's site as `Origin`.
(starlette's TrustedHostMiddleware checks the first alone, and answers in plain text.)
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

# What `curl -d` says unless told otherwise, and any page may send without being asked.
_FORM = "application/x-www-form-urlencoded"


class Guard:
    """Middleware that looks at Host, Origin, and type and encoding of the content.

    - Host has to be localhost, an address, or one of the allowed hosts.
    - Origin, which browsers send, has to be the server itself or an allowed host.
    - Content is JSON, or of no type; a form's type is taken, as curl's default, where
      there is no Origin. It is not compressed.

    Args:
      app: What is guarded.
      allowed_hosts: More names of the server, with or without a port; "*" is any.
    """

    def __init__(
        self, app: ASGIApp, allowed_hosts: Sequence[str] | None = None
    ) -> None:
        self._app = app
        self._allowed = {name.lower() for name in allowed_hosts or ()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers 403 or 415 in place of the app, or lets it answer."""
        app = self._app
        if scope["type"] == "http" and (refusal := self._refusal(scope)):
            status, text = refusal
            body = json.dumps({"error": text})
            app = Response(body, status, media_type="application/json")
        await app(scope, receive, send)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if not self._is_ours(host):
            return 403, (
                f"expected a request to localhost or an address, got Host {host!r}: "
                "name it in --allowed_hosts if it is this server's"
            )
        if origin is not None and not self._is_same(origin, host):
            return 403, (
                f"expected no request of another site's page, got Origin {origin!r}: "
                "name its host in --allowed_hosts if it may ask"
            )
        if scope["method"] != "POST":
            return None
        if encoding := headers.get("content-encoding"):
            return 415, f"expected content as it is, got Content-Encoding {encoding!r}"
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in ("", "application/json") and (kind, origin) != (_FORM, None):
            return 415, f"expected Content-Type application/json, got {kind!r}"
        return None

    def _is_ours(self, host: str) -> bool:
        name = _name(host)
        return self._is_allowed(host) or name == "localhost" or _is_address(name)

    def _is_same(self, origin: str, host: str) -> bool:
        try:
            page = urlsplit(origin).netloc
        except ValueError:  # half of an IPv6 address
            return False
        return page != "" and (page.lower() == host.lower() or self._is_allowed(page))

    def _is_allowed(self, host: str) -> bool:
        return not self._allowed.isdisjoint({"*", host.lower(), _name(host)})


def _name(host: str) -> str:
    """The name in HOST, HOST:PORT or [ADDRESS]:PORT; "" if it is none of them."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
