"""A management controller per host, as servers have them: Redfish over HTTPS, which the image's own fence_redfish speaks.

One listener in the services namespace stands for all of them, by the path of the system. Like the sandbox's power switch, Off answers
only when nothing of the host is left, and On as soon as it has power. Requests are bounded in size and time.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import logging
import secrets
import socket
import ssl
from collections.abc import Mapping
from typing import Any

from backstay_sandbox.hosts import Host, Power

PORT = 8443
USER = "backstay"
HEAD_BYTES_MAX, BODY_BYTES_MAX = 16 << 10, 4 << 10
REQUEST_TIMEOUT_S = 30.0
SYSTEMS = "/redfish/v1/Systems"
LOG = logging.getLogger(__name__)

Answer = tuple[int, dict[str, Any]]


class ManagementControllers:
    """Serves on a socket made by the caller, inside the services namespace."""

    def __init__(self, hosts: Mapping[str, Host]) -> None:
        self.password = secrets.token_urlsafe(12)
        self.log: list[tuple[str, str]] = []
        """What was asked for and done: (node, reset type)."""
        self._hosts = hosts
        self._server: asyncio.Server | None = None
        self._booting: dict[str, asyncio.Task[None]] = {}

    async def start(self, listening: socket.socket, context: ssl.SSLContext) -> None:
        self._server = await asyncio.start_server(
            self._serve, sock=listening, ssl=context, limit=HEAD_BYTES_MAX
        )

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for booting in list(self._booting.values()):
            booting.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                status, content = await self._answer(reader)
                body = json.dumps(content).encode()
                head = f"HTTP/1.1 {status} Answer\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
                writer.write(f"{head}Connection: close\r\n\r\n".encode() + body)
                await writer.drain()
        except (TimeoutError, OSError, ValueError, asyncio.IncompleteReadError) as error:
            LOG.info("management controller: dropped a connection: %s", error)
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader) -> Answer:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        request, *lines = head.split("\r\n")
        method, path, _ = request.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", "0"))
        if length > BODY_BYTES_MAX:
            return 413, {}
        body = await reader.readexactly(length)
        allowed = "Basic " + base64.b64encode(f"{USER}:{self.password}".encode()).decode()
        if not hmac.compare_digest(headers.get("authorization", ""), allowed):
            return 401, {"error": "wrong user or password"}
        return await self._carry_out(method, path.rstrip("/"), json.loads(body) if body else {})

    async def _carry_out(self, method: str, path: str, body: dict[str, Any]) -> Answer:
        if path == "/redfish/v1":
            return 200, {"RedfishVersion": "1.0.0", "Systems": {"@odata.id": SYSTEMS}}
        if path == SYSTEMS:
            return 200, {"Members": [{"@odata.id": f"{SYSTEMS}/{node}"} for node in self._hosts]}
        node, _, action = path.removeprefix(f"{SYSTEMS}/").partition("/")
        if not path.startswith(f"{SYSTEMS}/") or node not in self._hosts:
            return 404, {"error": f"no such system: {path}"}
        reset = f"{SYSTEMS}/{node}/Actions/ComputerSystem.Reset"
        if not action:
            actions = {"#ComputerSystem.Reset": {"target": reset}}
            return 200, {"Id": node, "PowerState": self._state(node), "Actions": actions}
        if path != reset or method != "POST":
            return 404, {"error": f"no such action: {path}"}
        return await self._reset(node, str(body.get("ResetType")))

    async def _reset(self, node: str, kind: str) -> Answer:
        host = self._hosts[node]
        self.log.append((node, kind))
        if kind in ("ForceOff", "ForceRestart"):
            await host.crash()
        if kind in ("On", "ForceRestart") and node not in self._booting and host.power is Power.OFF:
            self._booting[node] = asyncio.create_task(self._boot(host))
        return 200, {"PowerState": self._state(node)}

    async def _boot(self, host: Host) -> None:
        try:
            await host.boot()
        finally:
            del self._booting[host.node]

    def _state(self, node: str) -> str:
        return "On" if node in self._booting or self._hosts[node].power is Power.ON else "Off"
