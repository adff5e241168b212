"""The HTTP server: authentication, dispatch, errors, and the sockets.

Every request is answered synchronously from the store (watches stream), so one event loop is the only lock there
is. Assumes sockets that already listen: one may live in another network namespace. Refuses callers without the
token, bodies over the limit, and what the parts below refuse.
"""

import asyncio
import contextlib
import hmac
import logging
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Sequence

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

from backstay.objectstore import ApiError, ObjectStore
from backstay.objectstore.errors import method_not_allowed, too_large, unauthorized
from backstay_sandbox.apiserver.call import Answer, Call, refusal
from backstay_sandbox.apiserver.encoding import BODY_BYTES_MAX, Encoder, encoded
from backstay_sandbox.apiserver.measurements import Measurements
from backstay_sandbox.apiserver.objects import Objects
from backstay_sandbox.apiserver.plain import OPEN_PATHS, Plain
from backstay_sandbox.apiserver.query import flag
from backstay_sandbox.apiserver.route import Target, parse_target
from backstay_sandbox.apiserver.watching import Wakeups, Watching

LOG = logging.getLogger(__name__)

SHUTDOWN_TIMEOUT_S = 1.0
BODY_TIMEOUT_S = 30.0
SWEEP_INTERVAL_S = 60.0
Clock = Callable[[], float]


class Face:
    """A store as an HTTP handler. `clock` gives Unix seconds."""

    def __init__(self, store: ObjectStore, *, token: str, clock: Clock = time.time) -> None:
        self._token = token.encode()
        self._clock = clock
        self.measurements = Measurements()
        encoder = Encoder()
        self._objects = Objects(store, encoder)
        self._plain = Plain(store, self.measurements)
        self._watching = Watching(store, encoder, Wakeups(store), self.measurements, clock)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answers one request; every refusal becomes a metav1.Status."""
        started = time.perf_counter()
        target = parse_target(request.path)
        is_watch = target is not None and request.method == "GET" and flag(request.query, "watch")
        verb = "WATCH" if is_watch else request.method
        try:
            self._authenticate(request)
            call = await self._call(request)
            if target is not None and is_watch:
                resource = self._objects.resource_of(target)
                return await self._watching.serve(request, call, target, resource)
            answer = self._answer(call, target)
        except ApiError as error:
            answer = refusal(error)
        except asyncio.CancelledError:
            raise
        except Exception:
            # The outermost loop: one broken request must not take the server down, nor look like a success.
            LOG.exception("%s %s failed", request.method, request.path_qs)
            answer = Answer(encoded(_INTERNAL_ERROR), status=500)
        plural = target.plural if target is not None else ""
        self.measurements.request(
            verb=verb,
            resource=plural if answer.status != 404 else "",
            code=answer.status,
            seconds=time.perf_counter() - started,
        )
        return _response(request, answer)

    def _authenticate(self, request: web.BaseRequest) -> None:
        if request.path.rstrip("/") in OPEN_PATHS:
            return
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), self._token):
            raise unauthorized()

    async def _call(self, request: web.BaseRequest) -> Call:
        body = b""
        if request.can_read_body:
            try:
                async with asyncio.timeout(BODY_TIMEOUT_S):
                    body = await request.read()
            except web.HTTPRequestEntityTooLarge:
                raise too_large(BODY_BYTES_MAX) from None
        headers = request.headers
        return Call(
            method=request.method,
            path=request.path,
            params=request.query,
            now=self._clock(),
            accept=headers.get("Accept", ""),
            content_type=headers.get("Content-Type", ""),
            user_agent=headers.get("User-Agent", ""),
            body=body,
        )

    def _answer(self, call: Call, target: Target | None) -> Answer:
        if call.method not in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"):
            raise method_not_allowed()
        if target is None:
            return self._plain.answer(call)
        return self._objects.answer(call, target)


_INTERNAL_ERROR = {
    "kind": "Status",
    "apiVersion": "v1",
    "metadata": {},
    "status": "Failure",
    "message": "Internal error occurred: see the server's log",
    "reason": "InternalError",
    "code": 500,
}


def _response(request: web.BaseRequest, answer: Answer) -> web.Response:
    headers = {"Content-Type": answer.content_type, "Cache-Control": "no-cache, private"}
    response = web.Response(status=answer.status, body=answer.body, headers=headers)
    for text in answer.warnings:
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        response.headers.add("Warning", f'299 - "{escaped}"')
    return response


def _make_request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: RequestHandler,
    writer: AbstractStreamWriter,
    task: "asyncio.Task[None]",
) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=BODY_BYTES_MAX)


@contextlib.asynccontextmanager
async def serving(
    store: ObjectStore,
    *,
    sockets: Sequence[socket.socket],
    token: str,
    tls: ssl.SSLContext | None = None,
    clock: Clock = time.time,
) -> AsyncIterator[Face]:
    """Serves a store on listening sockets while the block runs; then ends every connection."""
    face = Face(store, token=token, clock=clock)
    # A watch whose reader left must end at once, not at its next event: hence the cancellation.
    server = web.Server(
        face.handle, request_factory=_make_request, handler_cancellation=True, access_log=None
    )
    runner = web.ServerRunner(server, shutdown_timeout=SHUTDOWN_TIMEOUT_S)
    await runner.setup()
    sweeping: asyncio.Task[None] | None = None
    try:
        for one in sockets:
            await web.SockSite(runner, one, ssl_context=tls).start()
        sweeping = asyncio.create_task(_sweep(store, clock))
        yield face
    finally:
        if sweeping is not None:
            sweeping.cancel()
        await runner.cleanup()


async def _sweep(store: ObjectStore, clock: Clock) -> None:
    """Keeps events from filling the memory of a server that runs for days."""
    while True:
        await asyncio.sleep(SWEEP_INTERVAL_S)
        store.forget_old_events(now=clock())


async def serve(
    store: ObjectStore,
    *,
    sockets: Sequence[socket.socket],
    token: str,
    tls: ssl.SSLContext | None = None,
    clock: Clock = time.time,
    until: asyncio.Event | None = None,
) -> None:
    """Serves a store on listening sockets until `until` is set (or the task is cancelled)."""
    async with serving(store, sockets=sockets, token=token, tls=tls, clock=clock):
        await (until or asyncio.Event()).wait()
