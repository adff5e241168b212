"""A whole sandbox: network, shared disk, API, power switch and hosts, brought up and taken down in order.

Lives in the daemon.  Coming up goes from what others stand on to what stands on it; going down kills the hosts
first, so that nobody sees the rest vanish.  Whatever else is left is the business of ``remnants``.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, assert_never

from backstay.api import LEASE_NAMESPACE
from backstay_kube.errors import ApiError
from backstay_kube.kinds import HACLUSTER, HANODE, LEASE
from backstay_sandbox import installation, network, objects, shared_disk
from backstay_sandbox.api_link import ApiLink, ApiLinkError, EmbeddedApi, ExternalApi, RealApi
from backstay_sandbox.command import CommandError
from backstay_sandbox.controlplane import binaries
from backstay_sandbox.hosts import Host, HostError, HostSoftware, fence_agent_program
from backstay_sandbox.installation import InstallationError
from backstay_sandbox.kubeconfig import KubeconfigError, kubeconfig_of
from backstay_sandbox.kubelets import Kubelets
from backstay_sandbox.layout import SERVICES_ADDRESS, SERVICES_POWER_PORT
from backstay_sandbox.options import DAEMONS, NO_API, OWN_APIS, REAL, HostKind, SandboxOptions
from backstay_sandbox.power_switch import PowerSwitch
from backstay_sandbox.uml.bed import BedError, existing_bed
from backstay_sandbox.uml.bytecode import compile_for_guests
from backstay_sandbox.uml.host import UmlHost
from backstay_sandbox.uml.shared_volume import make_shared_volume

if TYPE_CHECKING:
    from backstay_kube.client import KubeClient

READY_TIMEOUT_S = 90.0
READY_POLL_S = 0.2
TOKEN_LIFETIME_S = 7 * 86400
"""Nobody renews the tokens of a sandbox, as a kubelet would."""
ACCOUNTS = {"agent": installation.AGENT, "operator": installation.OPERATOR}
LOG = logging.getLogger(__name__)

Progress = Callable[[str], None]


class SandboxError(RuntimeError):
    """A request that makes no sense for this sandbox; the message is for the user."""


class NotReadyError(SandboxError):
    """Everything was started and the cluster on it did not become ready; the sandbox stays, for a look at it."""


FAILURES = (
    SandboxError,
    HostError,
    ApiLinkError,
    ApiError,
    CommandError,
    KubeconfigError,
    BedError,
    binaries.BinariesError,
    InstallationError,
)
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
        self._client: KubeClient | None = None
        self._kubelets: Kubelets | None = None

    async def up(self, progress: Progress) -> None:
        """Bring everything up and wait until it is ready."""
        layout = self.layout
        for directory in (layout.logs_dir, layout.processes_dir):
            directory.mkdir(parents=True, exist_ok=True)
        layout.power_password.touch(mode=0o600)
        layout.power_password.write_text(self._password + "\n")
        await network.build_switch(layout)
        disk = await self._make_shared_disk()
        progress("network and shared disk are made")
        await self._start_api(progress)
        software = HostSoftware(
            fence_agent=fence_agent_program(),
            daemons=self.options.daemons if self.api is not None else (),
            disk=disk,
        )
        for node in layout.nodes:
            kubeconfigs = await self._kubeconfigs(node)
            self.hosts[node] = self._make_host(node, dataclasses.replace(software, kubeconfigs=kubeconfigs))
        listening = network.listen_inside(layout, "services", (SERVICES_ADDRESS, SERVICES_POWER_PORT))
        await self._power_switch.start(listening)
        await asyncio.gather(*(host.boot() for host in self.hosts.values()))
        progress(f"hosts {', '.join(layout.nodes)} are up")
        if self._client is not None:
            await self._make_cluster(self._client, progress)

    async def down(self) -> None:
        """Kill the hosts, stop the services; the rest is for ``remnants.remove``."""
        await self._power_switch.stop()
        await asyncio.gather(*(host.crash() for host in self.hosts.values()))
        if self._kubelets is not None:
            await self._kubelets.stop()
        if self._client is not None:
            if self.options.api not in OWN_APIS:
                await self._unmake_cluster(self._client)
            await self._client.close()
        if self.api is not None:
            await self.api.stop()

    def host(self, node: object) -> Host:
        if not isinstance(node, str) or node not in self.hosts:
            raise SandboxError(f"no host {node!r}; there are {', '.join(self.hosts)}")
        return self.hosts[node]

    async def pause_api(self) -> None:
        await self._existing_api().pause()

    async def resume_api(self) -> None:
        await self._existing_api().resume()

    async def backup_api(self) -> None:
        await self._existing_api().backup()

    async def restore_api(self) -> None:
        await self._existing_api().restore()

    def _existing_api(self) -> ApiLink:
        if self.api is None:
            raise SandboxError("this sandbox has no API")
        return self.api

    def status(self) -> dict[str, Any]:
        """Everything `backstay-sandbox status` shows."""
        return {
            "name": self.layout.name,
            "api": None if self.api is None else self.api.for_root.server,
            "kubeconfig": None if self.api is None else str(self.layout.kubeconfig),
            "hosts": [
                {
                    "node": host.node,
                    "kind": host.kind.value,
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

    async def _make_shared_disk(self) -> shared_disk.SharedDisk | None:
        """The disk that hosts share; None where it needs no device of the machine."""
        match self.options.hosts:
            case HostKind.NAMESPACE:
                return await shared_disk.attach(self.layout.shared_image)
            case HostKind.UML:
                made = make_shared_volume(self.layout, existing_bed(), self.options.ownership)
                await asyncio.gather(made, compile_for_guests())
                return None
            case other:
                assert_never(other)

    def _make_host(self, node: str, software: HostSoftware) -> Host:
        match self.options.hosts:
            case HostKind.NAMESPACE:
                return Host(self.layout, node, software)
            case HostKind.UML:
                ownership = self.options.ownership
                return UmlHost(self.layout, node, software, bed=existing_bed(), ownership=ownership)
            case other:
                assert_never(other)

    async def _start_api(self, progress: Progress) -> None:
        if self.options.api == NO_API:
            return
        self.api = self._make_api()
        await self.api.start()
        self.layout.kubeconfig.touch(mode=0o600)
        self.layout.kubeconfig.write_text(self.api.for_root.render())
        self._client = await connect(str(self.layout.kubeconfig))
        for manifest in (*objects.definitions(), objects.system_namespace()):
            await objects.apply(self._client, manifest)
        for node in self.layout.nodes:
            await objects.apply(self._client, objects.node(node))
        if self.options.api == REAL:
            await installation.install_security(self._client)
        progress(f"the API is ready at {self.api.for_root.server}")

    def _make_api(self) -> ApiLink:
        match self.options.api:
            case "embedded":
                return EmbeddedApi(self.layout)
            case "real":
                found = binaries.found()
                if found is None:
                    raise binaries.BinariesError(binaries.why_none())
                return RealApi(self.layout, found)
            case given:
                return ExternalApi(self.layout, kubeconfig_of(given))

    async def _kubeconfigs(self, node: str) -> dict[str, str]:
        """How each daemon of a host gets in: on a real API with the token of a pod on this node, and no other right."""
        if self.api is None or self._client is None:
            return {}
        access = self.api.for_hosts
        if self.options.api != REAL:
            return dict.fromkeys(DAEMONS, access.render())
        found = {}
        for daemon, account in ACCOUNTS.items():
            pod = await installation.ensure_pod(self._client, account=account, node=node)
            token = await installation.bound_token(
                self._client, account=account, pod=pod, lifetime_s=TOKEN_LIFETIME_S
            )
            found[daemon] = dataclasses.replace(access, token=token).render()
        return found

    async def _make_cluster(self, client: KubeClient, progress: Progress) -> None:
        self._kubelets = Kubelets(self.layout, self.hosts, client)
        await self._kubelets.start()
        if not self.options.cluster:
            return
        if "agent" in self.options.daemons:
            # An administrator declares a cluster once its hosts are up.  A node that is part of one and has never
            # been heard of is fenced, and that is what a host would be that is slow to start its agent.
            await self._await(client, self._not_heard_of)
        for manifest in self._cluster_objects():
            await objects.apply(client, manifest)
        if set(self.options.daemons) == set(DAEMONS):
            await self._await(client, self._not_ready)
            progress("the cluster has a DC, and all its nodes are online")

    async def _unmake_cluster(self, client: KubeClient) -> None:
        """Take our objects out of an API that outlives the sandbox; definitions stay, others may use them."""
        manifests = self._cluster_objects() if self.options.cluster else []
        for node in self.layout.nodes:
            manifests += [objects.node(node), *objects.made_by_backstay(node)]
        try:
            for manifest in manifests:
                await objects.delete(client, manifest)
        except ApiError as error:
            LOG.warning("objects are left in the API: %s", error)

    def _cluster_objects(self) -> list[objects.Manifest]:
        return [objects.power_secret(self._password), objects.fence_device(), objects.cluster()]

    async def _await(self, client: KubeClient, lacks: Callable[[KubeClient], Awaitable[str]]) -> None:
        """Wait until ``lacks`` has nothing more to say; NotReadyError with its last words."""
        waiting_for = "an answer"
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                while True:
                    waiting_for = await lacks(client)
                    if not waiting_for:
                        return
                    await asyncio.sleep(READY_POLL_S)
        except TimeoutError:
            hint = f"see `backstay-sandbox logs {self.layout.nodes[0]} --name {self.layout.name}`"
            raise NotReadyError(
                f"not ready after {READY_TIMEOUT_S:.0f} s: waiting for {waiting_for}; {hint}"
            ) from None

    async def _not_heard_of(self, client: KubeClient) -> str:
        """Whose agent has not renewed its Lease yet, in words; empty when all have."""
        leases = (await client.list(LEASE, LEASE_NAMESPACE)).items
        names = {lease["metadata"]["name"] for lease in leases}
        silent = [node for node in self.layout.nodes if objects.lease_name(node) not in names]
        return f"a heartbeat of {', '.join(silent)}" if silent else ""

    async def _not_ready(self, client: KubeClient) -> str:
        """What is still missing, in words; empty when nothing is."""
        cluster = await client.get(HACLUSTER, objects.CLUSTER)
        if not (cluster.get("status") or {}).get("dc"):
            return "a DC"
        items = (await client.list(HANODE)).items
        states = {
            item["metadata"]["name"]: (item.get("status") or {}).get("state", "unknown") for item in items
        }
        return ", ".join(
            f"{node} ({states.get(node, 'unknown')})"
            for node in self.layout.nodes
            if states.get(node) != "Online"
        )


async def connect(kubeconfig: str) -> KubeClient:
    from backstay_kube.client import KubeClient  # half a second, and hosts alone need none

    return await KubeClient.connect(kubeconfig, field_manager="backstay-sandbox")
