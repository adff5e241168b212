"""A whole sandbox: network, shared disk, API, power switch and hosts, brought up and taken down in order.

Lives in the daemon.  Coming up goes from what others stand on to what stands on it; going down kills the hosts
first, so that nobody sees the rest vanish.  Whatever else is left is the business of ``remnants``.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from typing import Any

from backstay_sandbox import network, objects, shared_disk
from backstay_sandbox.api_link import ApiError, ApiLink, EmbeddedApi, ExternalApi
from backstay_sandbox.command import CommandError
from backstay_sandbox.hosts import Host, HostError, HostSoftware, fence_agent_program
from backstay_sandbox.kubeconfig import KubeconfigError, kubeconfig_of
from backstay_sandbox.kubelets import Kubelets
from backstay_sandbox.layout import SERVICES_ADDRESS, SERVICES_POWER_PORT
from backstay_sandbox.objects import ObjectClient, ObjectError
from backstay_sandbox.options import EMBEDDED, NO_API, SandboxOptions
from backstay_sandbox.power_switch import PowerSwitch

READY_TIMEOUT_S = 90.0
READY_POLL_S = 0.2
SETTLED_NODE_STATES = ("Online", "Standby", "Maintenance")
LOG = logging.getLogger(__name__)

Progress = Callable[[str], None]


class SandboxError(RuntimeError):
    """A request that makes no sense for this sandbox; the message is for the user."""


class NotReadyError(SandboxError):
    """Everything was started and the cluster on it did not become ready; the sandbox stays, for a look at it."""


FAILURES = (SandboxError, HostError, ApiError, ObjectError, CommandError, KubeconfigError)
"""What can go wrong with a request, as opposed to what is wrong with this program."""


class Sandbox:
    """One sandbox; call :meth:`up` once, then any operation, then :meth:`down`."""

    def __init__(self, options: SandboxOptions) -> None:
        self.options = options
        self.layout = options.layout
        self.hosts: dict[str, Host] = {}
        self.api: ApiLink | None = None
        self._password = secrets.token_urlsafe(12)
        self._power_switch = PowerSwitch(self.hosts, self._password)
        self._kubelets: Kubelets | None = None

    async def up(self, progress: Progress) -> None:
        """Bring everything up and wait until it is ready."""
        layout = self.layout
        for directory in (layout.logs_dir, layout.processes_dir):
            directory.mkdir(parents=True, exist_ok=True)
        layout.power_password.touch(mode=0o600)
        layout.power_password.write_text(self._password + "\n")
        await network.build_switch(layout)
        disk = await shared_disk.attach(layout.shared_image)
        progress("network and shared disk are made")
        await self._start_api(progress)
        software = HostSoftware(
            kubeconfig=None if self.api is None else self.api.for_hosts.render(),
            fence_agent=fence_agent_program(),
            daemons=self.options.daemons if self.api is not None else (),
            disk=disk,
        )
        for node in layout.nodes:
            self.hosts[node] = Host(layout, node, software)
        listening = network.listen_inside(layout, "services", (SERVICES_ADDRESS, SERVICES_POWER_PORT))
        await self._power_switch.start(listening)
        await asyncio.gather(*(host.boot() for host in self.hosts.values()))
        progress(f"hosts {', '.join(layout.nodes)} are up")
        if self.api is not None:
            await self._make_cluster(progress)

    async def down(self) -> None:
        """Kill the hosts, stop the services; the rest is for ``remnants.remove``."""
        await self._power_switch.stop()
        await asyncio.gather(*(host.crash() for host in self.hosts.values()))
        if self._kubelets is not None:
            await self._kubelets.stop()
        if self.api is not None:
            if self.options.api != EMBEDDED:
                await self._unmake_cluster()
            await self.api.stop()

    def host(self, node: object) -> Host:
        if not isinstance(node, str) or node not in self.hosts:
            raise SandboxError(f"no host {node!r}; there are {', '.join(self.hosts)}")
        return self.hosts[node]

    async def restart_api(self) -> None:
        if self.api is None:
            raise SandboxError("this sandbox has no API")
        await self.api.restart()

    def status(self) -> dict[str, Any]:
        """Everything `backstay-sandbox status` shows."""
        return {
            "name": self.layout.name,
            "api": None if self.api is None else self.api.for_root.server,
            "kubeconfig": None if self.api is None else str(self.layout.kubeconfig),
            "hosts": [
                {
                    "node": host.node,
                    "power": host.power.value,
                    "link": "cut" if host.link_cut else "up" if host.pid is not None else "down",
                    "pid": host.pid,
                    "boots": host.boots,
                    "addresses": [
                        self.layout.addresses(host.node).cluster,
                        self.layout.addresses(host.node).service,
                    ],
                }
                for host in self.hosts.values()
            ],
        }

    async def _start_api(self, progress: Progress) -> None:
        if self.options.api == NO_API:
            return
        embedded = self.options.api == EMBEDDED
        self.api = (
            EmbeddedApi(self.layout)
            if embedded
            else ExternalApi(self.layout, kubeconfig_of(self.options.api))
        )
        await self.api.start()
        self.layout.kubeconfig.touch(mode=0o600)
        self.layout.kubeconfig.write_text(self.api.for_root.render())
        async with ObjectClient(self.api.for_root) as client:
            for definition in objects.definitions():
                await client.apply(definition)
            await self._apply_when_served(client, objects.system_namespace())
            for node in self.layout.nodes:
                await client.apply(objects.node(self.layout, node))
        progress(f"API is ready at {self.api.for_root.server}")

    async def _make_cluster(self, progress: Progress) -> None:
        assert self.api is not None
        self._kubelets = Kubelets(self.layout, self.hosts, self.api.for_root)
        await self._kubelets.start()
        if not self.options.cluster:
            return
        async with ObjectClient(self.api.for_root) as client:
            await client.apply(objects.power_secret(self._password))
            await self._apply_when_served(client, objects.fence_device())
            await client.apply(objects.cluster(self.layout))
            if set(self.options.daemons) == {"agent", "operator"}:
                await self._await_ready(client)
                progress("the cluster has a DC and all nodes are online")

    async def _unmake_cluster(self) -> None:
        """Take our objects out of an API that outlives the sandbox; definitions stay, others may use them."""
        assert self.api is not None
        manifests = [objects.node(self.layout, node) for node in self.layout.nodes]
        if self.options.cluster:
            manifests += [objects.cluster(self.layout), objects.fence_device(), objects.power_secret("")]
        try:
            async with ObjectClient(self.api.for_root) as client:
                for manifest in manifests:
                    await client.delete(manifest)
        except ObjectError as error:
            LOG.warning("objects are left in the API: %s", error)

    async def _apply_when_served(self, client: ObjectClient, manifest: objects.Manifest) -> None:
        """Apply an object of a kind that was defined a moment ago: a server takes a moment to serve it."""
        deadline = asyncio.get_running_loop().time() + objects.REQUEST_TIMEOUT_S
        while True:
            try:
                return await client.apply(manifest)
            except ObjectError as error:
                if error.status != 404 or asyncio.get_running_loop().time() > deadline:
                    raise
            await asyncio.sleep(READY_POLL_S)

    async def _await_ready(self, client: ObjectClient) -> None:
        waiting_for = "an answer"
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                while True:
                    waiting_for = await self._not_ready(client)
                    if not waiting_for:
                        return
                    await asyncio.sleep(READY_POLL_S)
        except TimeoutError:
            hint = f"see `backstay-sandbox logs {self.layout.nodes[0]} --name {self.layout.name}`"
            raise NotReadyError(
                f"not ready after {READY_TIMEOUT_S:.0f} s: waiting for {waiting_for}; {hint}"
            ) from None

    async def _not_ready(self, client: ObjectClient) -> str:
        """What is still missing, in words; empty when nothing is."""
        status = (await client.get(objects.CLUSTER_PATH)).get("status") or {}
        if not status.get("dc"):
            return "a DC"
        items = (await client.get(objects.HANODES_PATH))["items"]
        states = {
            item["metadata"]["name"]: (item.get("status") or {}).get("state", "unknown") for item in items
        }
        missing = [
            f"{node} ({states.get(node, 'unknown')})"
            for node in self.layout.nodes
            if states.get(node) not in SETTLED_NODE_STATES
        ]
        return ", ".join(missing)
