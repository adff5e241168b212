"""A real API server under test: kubectl as its administrator, clients with any token, and Backstay's own objects on it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from backstay.api import LEASE_NAMESPACE
from backstay_kube import kinds
from backstay_kube.client import KubeClient
from backstay_kube.errors import ApiForbidden
from backstay_sandbox import installation, objects
from backstay_sandbox.controlplane.plane import ControlPlane
from backstay_sandbox.kubeconfig import Kubeconfig, kubeconfig_of
from unit.apiserver.servers import kubectl_environment, kubectl_process, run_kubectl


@dataclass(frozen=True, slots=True)
class RealServer:
    """`plane` is None where the server is somebody else's (BACKSTAY_TEST_KUBECONFIG)."""

    directory: Path
    plane: ControlPlane | None

    @property
    def kubeconfig(self) -> Path:
        return self.directory / "kubeconfig"

    @property
    def url(self) -> str:
        return self.access.server

    @property
    def access(self) -> Kubeconfig:
        return kubeconfig_of(str(self.kubeconfig))

    def environment(self) -> dict[str, str]:
        return kubectl_environment(self.directory)

    def kubectl(self, *arguments: str, given: str = "", fails: bool = False, **environment: str) -> str:
        """Runs kubectl; returns what it printed. `fails` says which outcome is right."""
        return run_kubectl(arguments, environment=self.environment() | environment, given=given, fails=fails)

    def kubectl_status(self, *arguments: str, given: str = "") -> int:
        """Only whether it worked."""
        return kubectl_process(arguments, environment=self.environment(), given=given).returncode

    def kubeconfig_with(self, token: str, *, name: str) -> Path:
        """A kubeconfig file for whoever has this token."""
        path = self.directory / f"{name}.kubeconfig"
        path.touch(mode=0o600)
        access = self.access
        path.write_text(
            Kubeconfig(
                server=access.server,
                token=token,
                authority=access.authority,
                tls_server_name=access.tls_server_name,
                skip_verify=access.skip_verify,
            ).render()
        )
        return path

    @contextlib.asynccontextmanager
    async def client(self, *, field_manager: str = "backstay-tests") -> AsyncIterator[KubeClient]:
        """As the administrator."""
        async with await KubeClient.connect(str(self.kubeconfig), field_manager=field_manager) as client:
            yield client

    @contextlib.asynccontextmanager
    async def client_with(self, token: str, *, name: str) -> AsyncIterator[KubeClient]:
        async with await KubeClient.connect(str(self.kubeconfig_with(token, name=name))) as client:
            yield client


def install(server: RealServer) -> None:
    """Definitions, namespace, accounts, rights and policies; returns when they are in force."""
    asyncio.run(_install(server))


async def _install(server: RealServer) -> None:
    async with server.client() as client:
        for manifest in (*objects.definitions(), objects.system_namespace()):
            await objects.apply(client, manifest)
        await installation.install_security(client)
        await _policies_are_in_force(server, client)


async def _policies_are_in_force(server: RealServer, client: KubeClient) -> None:
    """The API server learns of policies by a watch of its own: ask until the last of them refuses, ten seconds at most."""
    token = await installation.bound_token(client, account=installation.OPERATOR, pod=None)
    metadata = {"name": "probe-of-policies", "namespace": LEASE_NAMESPACE}
    async with server.client_with(token, name="probe") as operator:
        for _ in range(100):
            try:
                await operator.create(kinds.ROLE, {"metadata": metadata, "rules": []}, LEASE_NAMESPACE)
            except ApiForbidden as error:
                if "backstay-nodeagent-secrets only" in str(error):
                    return
            else:
                await client.delete(kinds.ROLE, metadata["name"], LEASE_NAMESPACE)
            await asyncio.sleep(0.1)
    raise AssertionError("the admission policies are not in force after ten seconds")
