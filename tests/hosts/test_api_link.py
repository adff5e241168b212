"""How hosts, which have no way out, reach an API server that is not the sandbox's own."""

from __future__ import annotations

import asyncio

import pytest

from backstay_sandbox.api_link import ApiLinkError, ExternalApi
from backstay_sandbox.kubeconfig import Kubeconfig
from harness.hosts import SandboxUnderTest

pytestmark = pytest.mark.hosts


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    body = b"x" * 300_000
    writer.write(b"HTTP/1.0 200 OK\r\n\r\n" + body)
    await writer.drain()
    writer.close()


async def ask_from_host(sandbox: SandboxUnderTest, *options: str) -> tuple[int, str]:
    command = (
        "curl",
        "-sS",
        "--max-time",
        "5",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code} %{size_download}",
        *options,
    )
    done = await asyncio.to_thread(sandbox.on_host, "n1", *command)
    return done.returncode, done.stdout


async def test_hosts_reach_an_api_outside_through_the_forwarder(sandbox: SandboxUnderTest) -> None:
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    api = ExternalApi(sandbox.layout, Kubeconfig(server=f"http://127.0.0.1:{port}"))
    await api.start()
    try:
        assert api.for_hosts.server == "http://10.0.0.2:6443"
        assert await ask_from_host(sandbox, api.for_hosts.server) == (0, "200 300000")
        # The way goes over the cable: a cut-off host does not reach the API either.
        await asyncio.to_thread(sandbox.ask, "cut", node="n1")
        status, _ = await ask_from_host(sandbox, "--connect-timeout", "1", api.for_hosts.server)
        assert status != 0
    finally:
        await api.stop()
        server.close()


async def test_an_api_that_is_down_drops_the_connection_and_not_the_forwarder(
    sandbox: SandboxUnderTest,
) -> None:
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    api = ExternalApi(sandbox.layout, Kubeconfig(server=f"http://127.0.0.1:{port}"))
    await api.start()
    try:
        status, _ = await ask_from_host(sandbox, api.for_hosts.server)
        assert status != 0
        server = await asyncio.start_server(answer, "127.0.0.1", port)
        assert await ask_from_host(sandbox, api.for_hosts.server) == (0, "200 300000")
    finally:
        await api.stop()
        server.close()


async def test_somebody_elses_api_is_not_ours_to_stop(sandbox: SandboxUnderTest) -> None:
    api = ExternalApi(sandbox.layout, Kubeconfig(server="http://127.0.0.1:1"))
    with pytest.raises(ApiLinkError, match="not its own"):
        await api.pause()
