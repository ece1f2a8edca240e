"""Who may talk to the server: this machine's own page, with the token, in requests of bounded size.

The server listens on the loopback interface. A page of another origin can still make the browser send
requests there, and a name of its own can be made to point there (DNS rebinding). So the Host must be this
machine, an Origin must be this server, and every call carries a token that only the printed address holds. No
cookie is set, so no other page can borrow a session.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

MAX_JSON_BYTES, MAX_UPLOAD_BYTES = 1_000_000, 6_000_000
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self' blob:; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors {frames}"
)

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


@dataclass(frozen=True)
class Access:
    """What is let in.

    Attributes:
        token: of this run.
        hosts: names that the Host header may have, beside loopback addresses; "*" for any (behind a proxy
            of a notebook, which has names of its own).
        addresses: whether any IP address may stand there, as where --host opens the server to a network.
    """

    token: str
    hosts: frozenset[str] = frozenset({"localhost"})
    addresses: bool = False

    def host(self, header: str) -> bool:
        """Whether a Host header names this server."""
        name = urlsplit(f"//{header}").hostname or ""
        if "*" in self.hosts or name.lower() in self.hosts:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return self.addresses or address.is_loopback

    def origin(self, header: str, host: str) -> bool:
        """Whether an Origin header is this server's own page."""
        parts = urlsplit(header)
        return parts.scheme in ("http", "https") and (parts.netloc == host or "*" in self.hosts)

    def allows(self, given: str) -> bool:
        """Whether a token is the right one."""
        return hmac.compare_digest(given.encode(), self.token.encode())


class Guard:
    """ASGI middleware that refuses what `Access` does not let in, and bodies that are too large.

    Args:
        app: what is guarded.
        access: who may come in.
    """

    def __init__(self, app: App, access: Access) -> None:
        self.app, self.access = app, access

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Handles one connection."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        problem = self._problem(scope, headers)
        if problem:
            await _refuse(send, *problem)
            return
        path = str(scope["path"])
        most = MAX_UPLOAD_BYTES if path == "/api/import" else MAX_JSON_BYTES
        await self.app(scope, _bounded(receive, most), self._with_headers(send, path))

    def _problem(self, scope: Message, headers: dict[str, str]) -> tuple[int, str] | None:
        host, path, method = headers.get("host", ""), str(scope["path"]), str(scope["method"])
        if not self.access.host(host):
            return 421, "this server does not answer to that host name"
        origin = headers.get("origin")
        if origin is not None and not self.access.origin(origin, host):
            return 403, "requests of other pages are refused"
        elsewhere = headers.get("sec-fetch-site") in ("cross-site", "same-site")
        if elsewhere and "*" not in self.access.hosts and (method != "GET" or path != "/"):
            return 403, "requests of other pages are refused"
        if "transfer-encoding" not in headers:
            length = headers.get("content-length", "0")
            most = MAX_UPLOAD_BYTES if path == "/api/import" else MAX_JSON_BYTES
            if not length.isdigit() or int(length) > most:
                return 413, f"too large; at most {most} bytes expected"
        if path.startswith("/page/"):  # the files of the package, the same for everybody
            return None
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" and method == "GET":  # links of the page itself
            given = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [""])[0]
        if not self.access.allows(given):
            return 401, "open the address with its token that the command printed"
        return None

    def _with_headers(self, send: Send, path: str) -> Send:
        frames = "*" if "*" in self.access.hosts else "'self'"
        extra = {
            "content-security-policy": POLICY.format(frames=frames),
            "x-content-type-options": "nosniff",
            "referrer-policy": "no-referrer",
            "cross-origin-resource-policy": "same-origin",
            "cross-origin-opener-policy": "same-origin",
        }

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message["headers"]}
                added = [(name.encode(), value.encode()) for name, value in extra.items()]
                if b"cache-control" not in present:
                    added.append((b"cache-control", b"no-store"))
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        return sending


class TooLarge(Exception):
    """A body that goes on beyond the limit."""


def _bounded(receive: Receive, most: int) -> Receive:
    """A stream that ends with an error once more than `most` bytes came."""
    seen = 0

    async def receiving() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > most:
            raise TooLarge
        return message

    return receiving


async def _refuse(send: Send, status: int, message: str) -> None:
    body = f"{message}\n".encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send(
        {"type": "http.response.start", "status": status, "headers": [*headers, (b"connection", b"close")]}
    )
    await send({"type": "http.response.body", "body": body})
