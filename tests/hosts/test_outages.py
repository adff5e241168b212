"""The demo's measuring instrument: it must see what is there, and nothing else."""

from __future__ import annotations

import time

import pytest

from backstay_sandbox.outages import OutageWatch
from harness.hosts import SandboxUnderTest

pytestmark = pytest.mark.hosts
PAGE_SERVER = (
    "import http.server; H = http.server.BaseHTTPRequestHandler\n"
    "class Page(H):\n"
    "    def do_GET(self): self.send_response(200); self.end_headers(); self.wfile.write(b'<p></p></html>')\n"
    "    def log_message(self, *a): pass\n"
    "http.server.ThreadingHTTPServer(('', 80), Page).serve_forever()\n"
)


def watch_of(sandbox: SandboxUnderTest) -> OutageWatch:
    return OutageWatch(sandbox.layout, url="http://10.0.1.11/", address="10.0.0.11")


def test_a_cable_pulled_for_a_second_is_an_outage_of_a_second(sandbox: SandboxUnderTest) -> None:
    with watch_of(sandbox) as watch:
        assert watch.wait_up("address", timeout_s=5.0)
        time.sleep(0.5)
        since = time.monotonic()
        sandbox.ask("cut", node="n1")
        time.sleep(1.0)
        sandbox.ask("heal", node="n1")
        healed = time.monotonic()
        assert watch.wait_up("address", timeout_s=5.0)
        (outage,) = watch.outages("address", since=since)
    assert outage.start == pytest.approx(since, abs=0.15)
    assert healed - since - 0.3 < outage.seconds < 2.5


def test_quiet_times_hold_no_outage(sandbox: SandboxUnderTest) -> None:
    with watch_of(sandbox) as watch:
        assert watch.wait_up("address", timeout_s=5.0)
        since = time.monotonic()
        assert not watch.wait_outage("address", since=since, timeout_s=1.5)
        assert watch.outages("address", since=0.0) == []


def test_a_page_that_was_never_there_is_not_up(sandbox: SandboxUnderTest) -> None:
    with watch_of(sandbox) as watch:
        assert not watch.wait_up("page", timeout_s=1.0)


def test_a_killed_web_server_is_seen_though_its_address_answers(sandbox: SandboxUnderTest) -> None:
    serve = ["sh", "-c", f'setsid python3 -c "{PAGE_SERVER}" >/dev/null 2>&1 &']
    sandbox.on_host("n1", *serve)
    with watch_of(sandbox) as watch:
        assert watch.wait_up("page", timeout_s=5.0)
        since = time.monotonic()
        assert sandbox.on_host("n1", "pkill", "-9", "-f", "ThreadingHTTPServer").returncode == 0
        assert watch.wait_outage("page", since=since, timeout_s=3.0)
        sandbox.on_host("n1", *serve)
        assert watch.wait_up("page", timeout_s=5.0)
        assert len(watch.outages("page", since=since)) == 1
        assert watch.outages("address", since=since) == []
