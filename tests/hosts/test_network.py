"""The network: who reaches whom, and that nobody gets out."""

from __future__ import annotations

import pytest

from harness.hosts import SandboxUnderTest, wait_for

pytestmark = pytest.mark.hosts


def test_client_reaches_both_addresses_of_every_host(sandbox: SandboxUnderTest) -> None:
    for number in (1, 2, 3):
        assert sandbox.reaches(f"10.0.0.1{number}")
        assert sandbox.reaches(f"10.0.1.1{number}")


def test_cut_isolates_and_heal_reconnects_without_a_reboot(sandbox: SandboxUnderTest) -> None:
    boots = sandbox.host_status("n2")["boots"]
    sandbox.ask("cut", node="n2")
    assert not sandbox.reaches("10.0.0.12")
    assert sandbox.on_host("n2", "ping", "-n", "-c", "1", "-W", "1", "10.0.0.2").returncode != 0
    assert sandbox.on_host("n2", "cat", "/sys/class/net/eth0/carrier").stdout.strip() == "0"
    sandbox.ask("heal", node="n2")
    wait_for(lambda: sandbox.reaches("10.0.0.12"), timeout_s=5.0, what="n2 answers again")
    assert sandbox.host_status("n2")["boots"] == boots


def test_a_pulled_cable_stays_pulled_over_a_power_cycle(sandbox: SandboxUnderTest) -> None:
    sandbox.ask("cut", node="n2")
    sandbox.ask("crash", node="n2")
    sandbox.ask("boot", node="n2")
    assert sandbox.host_status("n2")["link"] == "cut"
    assert not sandbox.reaches("10.0.0.12")


def test_no_member_has_a_way_out(sandbox: SandboxUnderTest) -> None:
    for member in ("n1", "client", "services"):
        refused = sandbox.in_namespace(member, "ping", "-n", "-c", "1", "-W", "1", "192.0.2.1")
        assert "unreachable" in refused.stderr
        assert "default" not in sandbox.in_namespace(member, "ip", "route").stdout


def test_an_address_left_by_a_crashed_host_is_silent(sandbox: SandboxUnderTest) -> None:
    assert sandbox.on_host("n1", "ip", "addr", "add", "10.0.0.3/24", "dev", "eth0").returncode == 0
    assert sandbox.reaches("10.0.0.3")
    sandbox.ask("crash", node="n1")
    assert not sandbox.reaches("10.0.0.3")
    sandbox.ask("boot", node="n1")
    assert not sandbox.reaches("10.0.0.3")
