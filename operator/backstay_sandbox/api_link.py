"""Which Kubernetes API the sandbox uses, and how its hosts reach it.

Embedded: a process of its own serves the object store on two sockets, one on loopback of the root namespace and one
inside the services namespace.  The daemon opens both and keeps them, so that a restart of the API changes no
address and refuses no connection.

Real: a control plane of processes on loopback, as tests have it (`backstay_sandbox.controlplane`), behind the same forwarder.

External: the user's API server stays where it is; the hosts have no way out, so the daemon listens in the services
namespace and forwards byte for byte (TLS is end to end, checked for the server's own name).
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import secrets
import shutil
import socket
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from backstay_sandbox import network
from backstay_sandbox.apiserver.certificates import Certificate, CertificateError, make_certificate
from backstay_sandbox.controlplane.binaries import Binaries
from backstay_sandbox.controlplane.plane import ControlPlane, ControlPlaneError
from backstay_sandbox.kubeconfig import Kubeconfig
from backstay_sandbox.layout import SERVICES_ADDRESS, SERVICES_API_PORT, Layout
from backstay_sandbox.process_record import forget, record

READY_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0
SUPERVISE_INTERVAL_S = 0.5
FORWARDED_MAX = 256
CHUNK_BYTES = 64 * 1024
LOOPBACK = "127.0.0.1"
HOSTS_VIEW = (SERVICES_ADDRESS, SERVICES_API_PORT)
LOG = logging.getLogger(__name__)


class ApiLinkError(RuntimeError):
    """The API did not come up, or cannot do what was asked; the message is for the user."""


class ApiLink(Protocol):
    """An API that hosts can reach."""

    @property
    def for_root(self) -> Kubeconfig:
        """The way in from the root namespace."""

    @property
    def for_hosts(self) -> Kubeconfig:
        """The way in from the hosts."""

    async def start(self) -> None: ...

    async def pause(self) -> None:
        """Make an outage: end the server, keep its address and objects; ApiLinkError where it is not ours."""

    async def resume(self) -> None:
        """End the outage; does nothing when there is none."""

    async def backup(self) -> None:
        """Keep what is stored now, in place of the backup before; ApiLinkError where it is not ours."""

    async def restore(self) -> None:
        """Go back to the backup; ApiLinkError where there is none."""

    async def stop(self) -> None: ...


class EmbeddedApi:
    """The sandbox's own API server, as a supervised child process."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._certificate: Certificate | None = None
        self._token = secrets.token_urlsafe(24)
        self._sockets: list[socket.socket] = []
        self._process: asyncio.subprocess.Process | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._changing = asyncio.Lock()
        self._paused = False

    @property
    def for_root(self) -> Kubeconfig:
        address, port = self._sockets[0].getsockname()
        return self._seen_at(f"{address}:{port}")

    @property
    def for_hosts(self) -> Kubeconfig:
        return self._seen_at(f"{HOSTS_VIEW[0]}:{HOSTS_VIEW[1]}")

    def _seen_at(self, location: str) -> Kubeconfig:
        assert self._certificate is not None, "not started"
        # kubectl sends a token over TLS only.
        authority = self._certificate.authority_pem().decode()
        return Kubeconfig(server=f"https://{location}", token=self._token, authority=authority)

    async def start(self) -> None:
        try:
            self._certificate = await asyncio.to_thread(
                make_certificate, self._layout.state_dir, addresses=[LOOPBACK, SERVICES_ADDRESS]
            )
        except CertificateError as error:
            raise ApiLinkError(str(error)) from None
        self._sockets = [
            socket.create_server((LOOPBACK, 0), backlog=128),
            network.listen_inside(self._layout, "services", HOSTS_VIEW),
        ]
        await self._launch()
        self._supervisor = asyncio.create_task(self._supervise())

    async def pause(self) -> None:
        """Connections go on being accepted by the kernel, and get no answer: what a hung API server looks like."""
        async with self._changing:
            self._paused = True
            await self._end()

    async def resume(self) -> None:
        async with self._changing:
            if self._paused:
                await self._launch()
                self._paused = False

    async def backup(self) -> None:
        store = self._layout.api_state
        await self._while_paused(lambda: shutil.copyfile(store, _backup_of(store)))

    async def restore(self) -> None:
        store = self._layout.api_state
        if not _backup_of(store).exists():
            raise ApiLinkError("there is no backup to restore; make one with backup-api")
        await self._while_paused(lambda: shutil.copyfile(_backup_of(store), store))

    async def _while_paused(self, act: Callable[[], object]) -> None:
        await self.pause()
        try:
            await asyncio.to_thread(act)
        finally:
            await self.resume()

    async def stop(self) -> None:
        if self._supervisor is not None:
            self._supervisor.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._supervisor
        async with self._changing:
            await self._end()
        for one in self._sockets:
            one.close()

    async def _launch(self) -> None:
        assert self._certificate is not None
        descriptors = [one.fileno() for one in self._sockets]
        with (self._layout.logs_dir / "api.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "backstay_sandbox.api_process"),
                *("--state", str(self._layout.api_state)),
                *("--certificate", str(self._certificate.certificate), "--key", str(self._certificate.key)),
                *(f"--socket={descriptor}" for descriptor in descriptors),
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=descriptors,
                start_new_session=True,
            )
        record(self._layout.processes_dir, "api", self._process.pid)
        assert self._process.stdin is not None
        # Not on the command line, where every user of the machine could read it.
        self._process.stdin.write(self._token.encode() + b"\n")
        self._process.stdin.close()
        await self._await_ready(self._process)

    async def _await_ready(self, process: asyncio.subprocess.Process) -> None:
        ended = asyncio.create_task(process.wait())
        asked = asyncio.create_task(self._ask_ready())
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                await asyncio.wait((ended, asked), return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            raise ApiLinkError(f"the API was not ready in {READY_TIMEOUT_S:.0f} s; see its log") from None
        finally:
            ended.cancel()
            asked.cancel()
        if process.returncode is not None:
            raise ApiLinkError(f"the API ended with status {process.returncode}; see its log")
        try:
            asked.result()
        except OSError as error:
            raise ApiLinkError(f"the API does not answer: {error}") from None

    async def _ask_ready(self) -> None:
        """Ask once: the listening socket exists already, so the answer comes when the server is up."""
        context = ssl.create_default_context(cadata=self.for_root.authority)
        reader, writer = await asyncio.open_connection(*self._sockets[0].getsockname(), ssl=context)
        head = f"GET /readyz HTTP/1.0\r\nHost: localhost\r\nAuthorization: Bearer {self._token}\r\n\r\n"
        writer.write(head.encode())
        status = await reader.readline()
        writer.close()
        if b" 200 " not in status:
            raise ApiLinkError(f"the API says it is not ready: {status.decode(errors='replace').strip()}")

    async def _end(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await process.wait()
        except TimeoutError:
            LOG.warning("the API did not end when told to; killing it")
            process.kill()
            await process.wait()
        forget(self._layout.processes_dir, "api")

    async def _supervise(self) -> None:
        """Start the API again when it dies by itself; a sandbox without its API is of no use."""
        while True:
            await asyncio.sleep(SUPERVISE_INTERVAL_S)
            async with self._changing:
                assert self._process is not None
                if self._paused or self._process.returncode is None:
                    continue
                LOG.error("the API ended with status %s; starting it again", self._process.returncode)
                try:
                    await self._launch()
                except ApiLinkError as error:
                    LOG.error("%s", error)


class ExternalApi:
    """Somebody else's API server, with a forwarder for the hosts."""

    def __init__(self, layout: Layout, kubeconfig: Kubeconfig) -> None:
        self._layout = layout
        self._kubeconfig = kubeconfig
        self._server: asyncio.Server | None = None
        self._forwarded = 0

    @property
    def for_root(self) -> Kubeconfig:
        return self._kubeconfig

    @property
    def for_hosts(self) -> Kubeconfig:
        return self._kubeconfig.seen_through(HOSTS_VIEW)

    async def start(self) -> None:
        listening = network.listen_inside(self._layout, "services", HOSTS_VIEW)
        self._server = await asyncio.start_server(self._forward, sock=listening)

    async def pause(self) -> None:
        raise ApiLinkError("this sandbox uses an API server that is not its own; stop it yourself")

    async def resume(self) -> None:
        await self.pause()

    async def backup(self) -> None:
        await self.pause()

    async def restore(self) -> None:
        await self.pause()

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._forwarded >= FORWARDED_MAX:
            writer.close()
            return
        self._forwarded += 1
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._kubeconfig.address)
            await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        except OSError as error:
            LOG.info("forwarder: %s", error)
        finally:
            self._forwarded -= 1
            writer.close()


class RealApi:
    """A real control plane of the sandbox's own; hosts reach it through the forwarder, by an address in its certificate."""

    def __init__(self, layout: Layout, binaries: Binaries) -> None:
        self._plane = ControlPlane(
            layout.state_dir / "controlplane",
            binaries,
            addresses=(LOOPBACK, SERVICES_ADDRESS),
            logs=layout.logs_dir,
            processes=layout.processes_dir,
            audit=True,
        )
        self._layout = layout
        self._forwarder: ExternalApi | None = None

    @property
    def for_root(self) -> Kubeconfig:
        return self._plane.admin()

    @property
    def for_hosts(self) -> Kubeconfig:
        """Without any right: a daemon's token is put into it."""
        return dataclasses.replace(
            self.for_root, server=f"https://{HOSTS_VIEW[0]}:{HOSTS_VIEW[1]}", token=None
        )

    async def start(self) -> None:
        (self._layout.logs_dir / "api.log").symlink_to("apiserver.log")
        try:
            await asyncio.to_thread(self._plane.start)
        except (ControlPlaneError, CertificateError) as error:
            raise ApiLinkError(str(error)) from None
        self._forwarder = ExternalApi(self._layout, self._plane.admin())
        await self._forwarder.start()

    async def pause(self) -> None:
        """Connections are refused, or closed at once: what a stopped API server looks like."""
        await asyncio.to_thread(self._plane.stop_apiserver)

    async def resume(self) -> None:
        await self._do(self._plane.start_apiserver)

    async def backup(self) -> None:
        await self._do(self._plane.backup)

    async def restore(self) -> None:
        await self._do(self._plane.restore)

    async def _do(self, act: Callable[[], None]) -> None:
        try:
            await asyncio.to_thread(act)
        except ControlPlaneError as error:
            raise ApiLinkError(str(error)) from None

    async def stop(self) -> None:
        if self._forwarder is not None:
            await self._forwarder.stop()
        await asyncio.to_thread(self._plane.stop)


def _backup_of(store: Path) -> Path:
    return store.with_name(f"{store.name}.backup")


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while chunk := await source.read(CHUNK_BYTES):
            sink.write(chunk)
            await sink.drain()
    finally:
        sink.close()
