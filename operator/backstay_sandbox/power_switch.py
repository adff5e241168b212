"""The sandbox's power switch: a network device of its own that the hosts' fence agent talks to.

It listens in the services namespace, so whoever wants to fence needs a working cable: a host that is cut off can
fence nobody.  One request per connection, one JSON object on one line:

    {"password": "...", "action": "off", "plug": "n2"}      ->  {"ok": true, "state": "off"}
    {"password": "...", "action": "list"}                   ->  {"ok": true, "plugs": {"n1": "on", ...}}

``off`` answers only after the host's pid 1 is dead and collected; ``on`` as soon as the host has power, as an outlet does, which
knows nothing of booting.  Actions: on, off, reboot, status, list, monitor.
The plugs ``n2.a`` and ``n2.b`` are the two power supplies of n2: it goes off when both are, and a reboot of one alone
does nothing to it, as with real ones.
Requests are bounded in size, time and number; a wrong password is refused before anything else is looked at.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import socket
from collections.abc import Mapping

from backstay_sandbox.command import CommandError
from backstay_sandbox.hosts import Host, HostError, Power

REQUEST_BYTES_MAX = 1024
REQUEST_TIMEOUT_S = 5.0
CONNECTIONS_MAX = 32
SUPPLIES = ("a", "b")
ACTIONS_ON_A_PLUG = ("on", "off", "reboot", "status")
LOG = logging.getLogger(__name__)

Answer = dict[str, object]


class PowerSwitch:
    """Serves on a socket made by the caller, inside the services namespace."""

    def __init__(self, hosts: Mapping[str, Host], password: str) -> None:
        self._hosts = hosts
        self._password = password
        self._dark: dict[str, set[str]] = {}
        self._connections = 0
        self._server: asyncio.Server | None = None
        self._booting: dict[str, asyncio.Task[None]] = {}

    async def start(self, listening: socket.socket) -> None:
        self._server = await asyncio.start_server(self._serve, sock=listening, limit=REQUEST_BYTES_MAX)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for booting in list(self._booting.values()):
            booting.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        try:
            if self._connections > CONNECTIONS_MAX:
                return
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                line = await reader.readline()
            answer = await self.answer(line)
            writer.write(json.dumps(answer).encode() + b"\n")
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                await writer.drain()
        except (TimeoutError, ConnectionError, ValueError) as error:
            LOG.info("power switch: dropped a connection: %s", str(error) or type(error).__name__)
        finally:
            self._connections -= 1
            writer.close()

    async def answer(self, line: bytes) -> Answer:
        """Carry out one request; every refusal and failure is an answer, never an exception."""
        try:
            request = json.loads(line)
        except ValueError:
            return _refused("not JSON")
        if not isinstance(request, dict):
            return _refused("not an object")
        given = str(request.get("password", ""))
        if not hmac.compare_digest(given.encode(), self._password.encode()):
            LOG.warning("power switch: wrong password")
            return _refused("wrong password")
        action, plug = request.get("action"), request.get("plug")
        if action == "monitor":
            return {"ok": True}
        if action == "list":
            return {"ok": True, "plugs": {node: self._state(host) for node, host in self._hosts.items()}}
        if action not in ACTIONS_ON_A_PLUG:
            return _refused(f"no such action: {action}")
        node, _, supply = str(plug).partition(".")
        if node not in self._hosts or supply not in ("", *SUPPLIES):
            return _refused(f"no such plug: {plug}")
        if supply:
            return await self._switch_supply(str(action), self._hosts[node], supply)
        self._dark.pop(node, None)
        return await self._switch(str(action), self._hosts[node])

    async def _switch_supply(self, action: str, host: Host, supply: str) -> Answer:
        dark = self._dark.setdefault(host.node, set())
        if action == "status":
            return {"ok": True, "state": "off" if supply in dark else "on"}
        if action == "off":
            dark.add(supply)
        else:
            dark.discard(supply)
        LOG.info("power switch: %s of supply %s of %s; dark: %s", action, supply, host.node, sorted(dark))
        if dark >= set(SUPPLIES):
            return await self._switch("off", host)
        if action == "on" and self._state(host) == Power.OFF.value:
            return await self._switch("on", host)
        return {"ok": True, "state": "off" if supply in dark else "on"}

    async def _switch(self, action: str, host: Host) -> Answer:
        try:
            if action in ("off", "reboot"):
                await host.crash()
            if action in ("on", "reboot"):
                self._turn_on(host)
        except (HostError, CommandError) as error:
            LOG.error("power switch: %s of %s failed: %s", action, host.node, error)
            return _refused(str(error))
        if action != "status":
            LOG.info("power switch: %s of %s done", action, host.node)
        return {"ok": True, "state": self._state(host)}

    def _state(self, host: Host) -> str:
        return Power.ON.value if host.node in self._booting else host.power.value

    def _turn_on(self, host: Host) -> None:
        """Let the host boot by itself; one that is booting already goes on doing so."""
        if host.node not in self._booting:
            self._booting[host.node] = asyncio.create_task(self._boot(host))

    async def _boot(self, host: Host) -> None:
        try:
            await host.boot()
        except (HostError, CommandError) as error:
            LOG.error("power switch: %s has power and did not boot: %s", host.node, error)
        finally:
            del self._booting[host.node]


def _refused(why: str) -> Answer:
    return {"ok": False, "error": why}
