"""A proxy before an API server that answers badly when told to: refuses, falls silent, breaks connections, forgets the past."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import urlencode

import aiohttp
from aiohttp import web

from backstay_sandbox.kubeconfig import Kubeconfig

HOP_BY_HOP = ("connection", "transfer-encoding", "content-length", "content-encoding", "host")


@dataclass
class FaultyProxy:
    """`access` leads to the server; clients go to `url`.  Faults hold until they are taken back or used up."""

    access: Kubeconfig
    url: str = ""
    refusals: list[int] = field(default_factory=list)
    """HTTP statuses with which the next requests are refused, first come first served."""
    past: str = ""
    """The next watch asks for this resourceVersion instead of its own."""
    watches: int = 0
    """Begun so far."""
    watch_query: dict[str, str] = field(default_factory=dict)
    """Of the newest watch."""
    requests: int = 0
    _silent: asyncio.Event = field(default_factory=asyncio.Event)
    _open: dict[asyncio.Task[None], web.StreamResponse] = field(default_factory=dict)
    _saying: set[asyncio.Task[None]] = field(default_factory=set)
    _session: aiohttp.ClientSession | None = None

    def fall_silent(self) -> None:
        """Watches stay open and bring nothing any more; new ones are opened and bring nothing."""
        self._silent.set()

    def speak(self) -> None:
        self._silent.clear()

    def break_watches(self) -> None:
        """In the middle of whatever they were saying."""
        for task in list(self._open):
            task.cancel()

    def say(self, event: dict[str, object]) -> None:
        """Put an event of our own into every open watch."""
        for response in list(self._open.values()):
            task = asyncio.create_task(response.write(json.dumps(event).encode() + b"\n"))
            self._saying.add(task)
            task.add_done_callback(self._saying.discard)

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[FaultyProxy]:
        application = web.Application(client_max_size=1 << 24)
        application.router.add_route("*", "/{tail:.*}", self._answer)
        runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=1.0)
        await runner.setup()
        context = ssl.create_default_context(cadata=self.access.authority)
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context, limit=0))
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        assert site._server is not None
        port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{port}"
        try:
            yield self
        finally:
            self.break_watches()
            await runner.cleanup()
            await self._session.close()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        if self.refusals:
            code = self.refusals.pop(0)
            status = {
                "kind": "Status",
                "apiVersion": "v1",
                "status": "Failure",
                "code": code,
                "message": "told to",
            }
            return web.json_response(status, status=code, headers={"Retry-After": "1"} if code == 429 else {})
        query = dict(request.query)
        is_watch = query.get("watch") == "true"
        if is_watch:
            self.watches += 1
            self.watch_query = query
            if self.past:
                query["resourceVersion"], self.past = self.past, ""
        assert self._session is not None
        headers = {key: value for key, value in request.headers.items() if key.lower() not in HOP_BY_HOP}
        target = f"{self.access.server}{request.path}" + (f"?{urlencode(query)}" if query else "")
        async with self._session.request(
            request.method,
            target,
            headers={**headers, "Accept-Encoding": "identity"},
            data=await request.read(),
            timeout=aiohttp.ClientTimeout(total=None),
        ) as upstream:
            response = web.StreamResponse(status=upstream.status)
            response.content_type = upstream.content_type
            await response.prepare(request)
            if is_watch:
                await self._pump(upstream, response, request)
            else:
                await response.write(await upstream.read())
            return response

    async def _pump(
        self, upstream: aiohttp.ClientResponse, response: web.StreamResponse, request: web.Request
    ) -> None:
        async def pump() -> None:
            async for chunk in upstream.content.iter_any():
                if not self._silent.is_set():
                    await response.write(chunk)

        task = asyncio.create_task(pump())
        self._open[task] = response
        try:
            await asyncio.wait((task,))
            if task.cancelled() and request.transport is not None:
                request.transport.abort()
        finally:
            self._open.pop(task, None)
            task.cancel()
