"""Refuses requests from web pages of other sites to a server on this machine.

Any web page can make its visitor's browser send requests to this server. If the page's
name resolves to 127.0.0.1 (DNS rebinding), the page can also read the answers. The
browser then sends that name as `Host`, or the page's site as `Origin`. (starlette's
TrustedHostMiddleware checks only the first, and answers in plain text.)
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

# The default of `curl -d`, which any page may also send without a preflight.
_FORM = "application/x-www-form-urlencoded"


class Guard:
    """Middleware that checks Host, Origin, and the content's type and encoding.

    - Host must be localhost, an address, or one of the allowed hosts.
    - Origin, which browsers send, must be the server itself or an allowed host.
    - Content must be JSON or have no type. Without Origin, a form's type is also
      accepted, because it is curl's default. Content must not be compressed.

    Args:
      app: The application to guard.
      allowed_hosts: More names of the server, with or without a port; "*" is any.
    """

    def __init__(
        self, app: ASGIApp, allowed_hosts: Sequence[str] | None = None
    ) -> None:
        self._app = app
        self._allowed = {name.lower() for name in allowed_hosts or ()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers 403 or 415, or passes the request to the app."""
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
    """Returns the name in HOST, HOST:PORT or [ADDRESS]:PORT, or ""."""
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
