"""GET /metrics and /healthz over HTTP or HTTPS, in a thread with a loop of its own: whoever connects can take little, and for a moment.

On a host's network anybody may connect. So connections are few (a new one beyond CONNECTIONS_MAX ends the oldest),
each ends after `connection_s` whatever it does, with one request and a head of at most HEAD_MAX bytes. Nothing of it
runs in the program's own loop.

With an `admit` function /metrics is for those whom it lets in (a bearer token); /healthz says nothing and is for
everybody. A certificate is read again when its file changes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from pathlib import Path

log = logging.getLogger(__name__)
CONNECTIONS_MAX = 32
CONNECTION_S = 10.0
"""From the first packet to the last byte of the answer, the handshake included."""
HEAD_MAX = 8192
BACKLOG = 16
ACCEPT_PAUSE_S = 0.2
CERTIFICATE_EVERY_S = 30.0
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Admission(Enum):
    """What became of a bearer token."""

    ALLOWED = HTTPStatus.OK
    UNKNOWN = HTTPStatus.UNAUTHORIZED
    FORBIDDEN = HTTPStatus.FORBIDDEN
    UNDECIDED = HTTPStatus.SERVICE_UNAVAILABLE
    """The API server could not be asked."""


Admit = Callable[[str], Awaitable[Admission]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where to listen and how. `certificate`: files of certificate and key, for HTTPS."""

    port: int
    address: str = "0.0.0.0"
    certificate: tuple[Path, Path] | None = None
    admit: Admit | None = None
    connection_s: float = CONNECTION_S


class MetricsServer:
    """`start` it once; `close` ends it."""

    def __init__(self, render: Callable[[], bytes], endpoint: Endpoint) -> None:
        self._render = render
        self._endpoint = endpoint
        self._context = _context_of(endpoint)
        family = socket.AF_INET6 if ":" in endpoint.address else socket.AF_INET
        self._listener = socket.create_server(
            (endpoint.address, endpoint.port), family=family, backlog=BACKLOG, reuse_port=False
        )
        self._listener.setblocking(False)
        self._loop = asyncio.new_event_loop()
        self._connections: dict[asyncio.Task[None], None] = {}
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)

    @property
    def port(self) -> int:
        """The one it listens on."""
        return int(self._listener.getsockname()[1])

    @property
    def connections(self) -> int:
        """How many there are now."""
        return len(self._connections)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """End it, and see it gone."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5.0)

    # -- inside; in the thread

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        accepting = self._loop.create_task(self._accept())
        refreshing = self._loop.create_task(self._refresh_certificate())
        try:
            self._loop.run_forever()
        finally:
            tasks = [accepting, refreshing, *self._connections]
            for task in tasks:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            self._listener.close()
            self._loop.close()

    async def _accept(self) -> None:
        while True:
            try:
                sock, _ = await self._loop.sock_accept(self._listener)
            except OSError as error:
                # No descriptor is left, say: theirs are few, and end.
                log.warning("a scrape cannot be let in: %s", error)
                await asyncio.sleep(ACCEPT_PAUSE_S)
                continue
            if len(self._connections) >= CONNECTIONS_MAX:
                oldest = next(iter(self._connections))
                oldest.cancel()
                await asyncio.wait((oldest,), timeout=1.0)
            task = self._loop.create_task(self._converse(sock))
            self._connections[task] = None
            task.add_done_callback(lambda done: self._connections.pop(done, None))

    async def _converse(self, sock: socket.socket) -> None:
        """One request and its answer; whatever goes wrong ends it."""
        transport: asyncio.BaseTransport | None = None
        try:
            async with asyncio.timeout(self._endpoint.connection_s):
                reader = asyncio.StreamReader(limit=HEAD_MAX, loop=self._loop)
                protocol = asyncio.StreamReaderProtocol(reader, loop=self._loop)
                transport, _ = await self._loop.connect_accepted_socket(
                    lambda: protocol, sock, ssl=self._context
                )
                writer = asyncio.StreamWriter(transport, protocol, reader, self._loop)
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(await self._answer(head))
                await writer.drain()
                transport.close()
                await writer.wait_closed()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ssl.SSLError):
            return
        finally:
            if isinstance(transport, asyncio.Transport):
                transport.abort()
            with contextlib.suppress(OSError):
                sock.close()

    async def _answer(self, head: bytes) -> bytes:
        first, *lines = head.decode("latin-1").split("\r\n")
        words = first.split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            return _response(HTTPStatus.BAD_REQUEST)
        method, path = words[0], words[1].partition("?")[0]
        if method not in ("GET", "HEAD"):
            return _response(HTTPStatus.METHOD_NOT_ALLOWED)
        if path == "/healthz":
            return _response(HTTPStatus.OK, b"ok\n")
        if path != "/metrics":
            return _response(HTTPStatus.NOT_FOUND)
        if self._endpoint.admit is not None:
            admission = await self._endpoint.admit(_bearer_of(lines))
            if admission is not Admission.ALLOWED:
                return _response(admission.value)
        return _response(HTTPStatus.OK, self._render(), only_head=method == "HEAD")

    async def _refresh_certificate(self) -> None:
        """A certificate is renewed while we run: connections from then on get the new one."""
        files = self._endpoint.certificate
        stamp = _stamp(files)
        while files is not None and self._context is not None:
            await asyncio.sleep(CERTIFICATE_EVERY_S)
            fresh = _stamp(files)
            if fresh == stamp:
                continue
            try:
                self._context.load_cert_chain(*files)
            except (OSError, ssl.SSLError) as error:
                log.warning("the certificate of /metrics cannot be read: %s", error)
            else:
                stamp = fresh


def _context_of(endpoint: Endpoint) -> ssl.SSLContext | None:
    if endpoint.certificate is None:
        assert endpoint.admit is None, "a bearer token must not travel in the clear"
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(*endpoint.certificate)
    return context


def _stamp(files: tuple[Path, Path] | None) -> tuple[float, ...]:
    try:
        return tuple(path.stat().st_mtime for path in files or ())
    except OSError:
        return ()


def _bearer_of(lines: list[str]) -> str:
    """Empty if there is none."""
    for line in lines:
        name, _, value = line.partition(":")
        kind, _, token = value.strip().partition(" ")
        if name.strip().lower() == "authorization" and kind.lower() == "bearer":
            return token.strip()
    return ""


def _response(status: HTTPStatus, body: bytes = b"", *, only_head: bool = False) -> bytes:
    body = body or f"{status.phrase}\n".encode()
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {CONTENT_TYPE}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n"
    )
    if status is HTTPStatus.UNAUTHORIZED:
        head += "WWW-Authenticate: Bearer\r\n"
    return f"{head}\r\n".encode() + (b"" if only_head else body)
