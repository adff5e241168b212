"""Talking to a sandbox's daemon: one JSON object per line over a UNIX socket, one request per connection.

    {"op": "crash", "node": "n2"}   ->   {"ok": true, "result": ...}   or   {"ok": false, "error": "..."}

The socket lies in the sandbox's state directory, mode 0600: who can reach it is root.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

REQUEST_BYTES_MAX = 64 * 1024
REQUEST_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 60.0
LOG = logging.getLogger(__name__)

Handler = Callable[[dict[str, Any]], Awaitable[Any]]
"""Takes a request, returns what can be JSON; raises an error from ``failures`` for a refusal."""


class ControlError(RuntimeError):
    """The daemon is not there, or refused; the message is for the user."""


class ControlServer:
    """The daemon's side.  Errors of the types in ``failures`` become answers, others end the daemon."""

    def __init__(self, handler: Handler, failures: tuple[type[Exception], ...]) -> None:
        self._handler = handler
        self._failures = failures
        self._server: asyncio.Server | None = None

    async def start(self, path: Path) -> None:
        self._server = await asyncio.start_unix_server(self._serve, path=path, limit=REQUEST_BYTES_MAX)
        os.chmod(path, 0o600)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                request = json.loads(await reader.readline())
            answer = await self._answer(request)
            writer.write(json.dumps(answer).encode() + b"\n")
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                await writer.drain()
        except (TimeoutError, ConnectionError, ValueError) as error:
            LOG.info("control: dropped a connection: %s", str(error) or type(error).__name__)
        finally:
            writer.close()

    async def _answer(self, request: object) -> dict[str, Any]:
        if not isinstance(request, dict):
            return {"ok": False, "error": "not an object"}
        try:
            return {"ok": True, "result": await self._handler(request)}
        except self._failures as error:
            return {"ok": False, "error": str(error)}


def call(path: Path, op: str, *, timeout_s: float = ANSWER_TIMEOUT_S, **arguments: object) -> Any:
    """The client's side: one request, its result; raises ControlError."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(timeout_s)
            connection.connect(str(path))
            connection.sendall(json.dumps({"op": op, **arguments}).encode() + b"\n")
            with connection.makefile("rb") as stream:
                line = stream.readline()
    except TimeoutError:
        raise ControlError(
            f"the sandbox did not answer `{op}` in {timeout_s:.0f} s; see its daemon log"
        ) from None
    except OSError:
        raise ControlError("there is no such sandbox running; start one with: backstay-sandbox up") from None
    if not line:
        raise ControlError(f"the sandbox ended while it worked on `{op}`")
    answer = json.loads(line)
    if not answer["ok"]:
        raise ControlError(answer["error"])
    return answer["result"]
