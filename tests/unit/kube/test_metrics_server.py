"""/metrics against real sockets: silent ones by the hundred, slow ones, and those who may not read it."""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import ssl
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from backstay.ocf.exitcode import OpStatus
from backstay_kube.errors import ApiError
from backstay_kube.metrics_options import add_metrics_options, complaint_of
from backstay_kube.metrics_server import CONNECTIONS_MAX, Admission, Endpoint, MetricsServer
from backstay_kube.token_review import KEPT_MAX, TokenReviewer
from unit.nodeagent.little_agents import Host

TEXT = b"backstay_up 1\n"


@pytest.fixture
def server() -> Iterator[MetricsServer]:
    made = MetricsServer(lambda: TEXT, Endpoint(port=0, address="127.0.0.1"))
    made.start()
    yield made
    made.close()


def get(server: MetricsServer, path: str = "/metrics", **headers: str) -> tuple[int, bytes]:
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def connected(server: MetricsServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=5)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_metrics_and_health_are_served_and_nothing_else(server: MetricsServer) -> None:
    assert get(server) == (200, TEXT)
    assert get(server, "/metrics?name[]=x") == (200, TEXT)
    assert get(server, "/healthz") == (200, b"ok\n")
    assert get(server, "/")[0] == 404
    with closing(connected(server)) as sock:
        sock.sendall(b"POST /metrics HTTP/1.1\r\n\r\n")
        assert sock.recv(100).startswith(b"HTTP/1.1 405")
    with closing(connected(server)) as sock:
        sock.sendall(b"\x16\x03\x01\r\n\r\n")
        assert sock.recv(100).startswith(b"HTTP/1.1 400")


def test_hundreds_of_silent_connections_take_few_descriptors_and_no_scrape_fails(
    server: MetricsServer,
) -> None:
    before, threads = descriptors(), threading.active_count()
    silent: list[socket.socket] = []
    try:
        for number in range(400):
            silent.append(connected(server))
            if number % 50 == 0:
                assert get(server) == (200, TEXT)
        held = descriptors() - before - len(silent)
        assert server.connections <= CONNECTIONS_MAX
        assert held <= CONNECTIONS_MAX + 4
        assert threading.active_count() <= threads + 1
        assert get(server) == (200, TEXT)
    finally:
        for sock in silent:
            sock.close()


def test_slow_and_endless_heads_are_cut_off() -> None:
    server = MetricsServer(lambda: TEXT, Endpoint(port=0, address="127.0.0.1", connection_s=0.5))
    server.start()
    with closing(connected(server)) as drip, closing(connected(server)) as flood:
        flood.sendall(b"GET /metrics HTTP/1.1\r\n" + b"X: y\r\n" * 4000)
        ended = 0
        for _ in range(100):
            try:
                drip.sendall(b"G")
                drip.settimeout(0.05)
                if drip.recv(1) == b"":
                    ended = 1
                    break
            except TimeoutError:
                continue
            except OSError:
                ended = 1
                break
        assert ended, "a byte now and then kept the connection alive"
        flood.settimeout(5)
        assert flood_ended(flood)
    assert get(server) == (200, TEXT)
    server.close()


def flood_ended(sock: socket.socket) -> bool:
    try:
        return sock.recv(1) == b""
    except OSError:
        return True


async def test_operations_go_on_while_hundreds_hold_connections(
    server: MetricsServer, tmp_path: Path
) -> None:
    host = Host(tmp_path)
    host.agent("exit 0")
    silent = [connected(server) for _ in range(300)]
    try:
        outcomes = await asyncio.gather(*(host.run("start") for _ in range(20)))
        assert {outcome.status for outcome in outcomes} == {OpStatus.DONE}
        assert await asyncio.to_thread(get, server) == (200, TEXT)
    finally:
        for sock in silent:
            sock.close()


# -- HTTPS, and who may


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("certificate")
    files = folder / "tls.crt", folder / "tls.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=localhost", "-out", str(files[0]), "-keyout", str(files[1])]
    subprocess.run([*command, "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    return files


def get_securely(port: int, certificate: Path, token: str = "", path: str = "/metrics") -> int:
    context = ssl.create_default_context(cafile=str(certificate))
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(f"https://127.0.0.1:{port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=5, context=context) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_who_may_is_let_in_who_may_not_is_not_and_health_is_for_everybody(
    certificate: tuple[Path, Path],
) -> None:
    words = {"good": Admission.ALLOWED, "known": Admission.FORBIDDEN, "lost": Admission.UNDECIDED}

    async def admit(token: str) -> Admission:
        return words.get(token, Admission.UNKNOWN)

    endpoint = Endpoint(port=0, address="127.0.0.1", certificate=certificate, admit=admit)
    server = MetricsServer(lambda: TEXT, endpoint)
    server.start()
    try:
        found = {token: get_securely(server.port, certificate[0], token) for token in (*words, "", "other")}
        assert found == {"good": 200, "known": 403, "lost": 503, "": 401, "other": 401}
        assert get_securely(server.port, certificate[0], path="/healthz") == 200
        silent = [connected(server) for _ in range(200)]  # none of them begins a handshake
        assert get_securely(server.port, certificate[0], "good") == 200
        for sock in silent:
            sock.close()
    finally:
        server.close()


class Reviews:
    """A client that answers reviews."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.users = {"t-prometheus": "prometheus", "t-mallory": "mallory"}
        self.down = False

    async def request(self, method: str, path: str, *, body: Any, timeout_s: float) -> dict[str, Any]:
        assert method == "POST"
        assert timeout_s <= 5
        self.asked.append(path.rpartition("/")[2])
        if self.down:
            raise ApiError("gone")
        if path.endswith("tokenreviews"):
            user = self.users.get(body["spec"]["token"])
            if user is None:
                return {"status": {"authenticated": False}}
            return {"status": {"authenticated": True, "user": {"username": user, "groups": ["g"]}}}
        spec = body["spec"]
        assert spec["nonResourceAttributes"] == {"path": "/metrics", "verb": "get"}
        assert spec["groups"] == ["g"]
        return {"status": {"allowed": spec["user"] == "prometheus"}}


async def test_token_is_reviewed_once_a_minute_and_denials_are_kept_shorter() -> None:
    clock, client = [0.0], Reviews()
    reviewer = TokenReviewer(client, now=lambda: clock[0])  # type: ignore[arg-type]
    assert await reviewer.admit("t-prometheus") is Admission.ALLOWED
    assert await reviewer.admit("t-mallory") is Admission.FORBIDDEN
    assert await reviewer.admit("rubbish") is Admission.UNKNOWN
    assert await reviewer.admit("") is Admission.UNKNOWN
    asked = len(client.asked)
    assert await reviewer.admit("t-prometheus") is Admission.ALLOWED
    assert len(client.asked) == asked
    clock[0] = 15.0
    client.users["t-mallory"] = "prometheus"
    assert await reviewer.admit("t-mallory") is Admission.ALLOWED
    clock[0] = 61.0
    client.users.clear()
    assert await reviewer.admit("t-prometheus") is Admission.UNKNOWN


async def test_nobody_is_let_in_while_the_api_cannot_be_asked_and_that_is_not_kept() -> None:
    client = Reviews()
    reviewer = TokenReviewer(client)  # type: ignore[arg-type]
    client.down = True
    assert await reviewer.admit("t-prometheus") is Admission.UNDECIDED
    client.down = False
    assert await reviewer.admit("t-prometheus") is Admission.ALLOWED


async def test_flood_of_tokens_is_kept_within_bounds() -> None:
    reviewer = TokenReviewer(Reviews())  # type: ignore[arg-type]
    for number in range(2 * KEPT_MAX):
        await reviewer.admit(f"t{number}")
    assert len(reviewer._kept) <= KEPT_MAX
    found = await asyncio.gather(*(reviewer.admit(f"u{number}") for number in range(20)))
    assert set(found) <= {Admission.UNKNOWN, Admission.UNDECIDED}


@pytest.mark.parametrize(
    ("words", "good"),
    [
        ([], True),
        (["--metrics-for=reviewed"], False),
        (["--metrics-certificate=c"], False),
        (["--metrics-certificate=c", "--metrics-key=k", "--metrics-for=reviewed"], True),
    ],
)
def test_tokens_are_never_asked_for_in_the_clear(words: list[str], good: bool) -> None:
    parser = argparse.ArgumentParser()
    add_metrics_options(parser)
    assert (complaint_of(parser.parse_args(words)) == "") is good
