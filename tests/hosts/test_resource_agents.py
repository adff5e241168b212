"""The tutorial's resource agents, run by hand: what Backstay's own agent relies on."""

from __future__ import annotations

import pytest

from backstay_sandbox.layout import SHARED_DISK_IN_HOST
from harness.hosts import SandboxUnderTest

pytestmark = pytest.mark.hosts
OCF_SUCCESS, OCF_NOT_RUNNING = 0, 7

ADDRESS = {"ip": "10.0.0.3", "cidr_netmask": "24", "arp_count": "1"}
DISK = {"device": SHARED_DISK_IN_HOST, "directory": "/var/www", "fstype": "xfs"}
WEB = {"configfile": "/etc/apache2/apache2.conf", "statusurl": "http://127.0.0.1/server-status"}
STACK = (("Filesystem", DISK), ("IPaddr2", ADDRESS), ("apache", WEB))


def test_ipaddr2_starts_monitors_and_stops(sandbox: SandboxUnderTest) -> None:
    assert sandbox.agent("n1", "IPaddr2", "monitor", **ADDRESS).returncode == OCF_NOT_RUNNING
    assert sandbox.agent("n1", "IPaddr2", "start", **ADDRESS).returncode == OCF_SUCCESS
    assert sandbox.agent("n1", "IPaddr2", "monitor", **ADDRESS).returncode == OCF_SUCCESS
    assert sandbox.reaches("10.0.0.3")
    assert sandbox.agent("n1", "IPaddr2", "stop", **ADDRESS).returncode == OCF_SUCCESS
    assert not sandbox.reaches("10.0.0.3")


def test_ipaddr2_on_another_host_takes_the_address_over(sandbox: SandboxUnderTest) -> None:
    assert sandbox.agent("n1", "IPaddr2", "start", **ADDRESS).returncode == OCF_SUCCESS
    assert sandbox.reaches("10.0.0.3")
    sandbox.ask("crash", node="n1")
    assert sandbox.agent("n2", "IPaddr2", "start", **ADDRESS).returncode == OCF_SUCCESS
    # The client had n1's card in its table: the gratuitous ARP must have replaced it.
    assert sandbox.reaches("10.0.0.3")


def test_web_server_on_the_shared_disk_moves_to_another_host_after_a_power_cut(
    sandbox: SandboxUnderTest,
) -> None:
    for agent, parameters in STACK:
        started = sandbox.agent("n1", agent, "start", **parameters)
        assert started.returncode == OCF_SUCCESS, started.stderr
    assert "Website-Testes" in sandbox.client("curl", "-sS", "-m", "5", "http://10.0.0.3/").stdout
    sandbox.ask("crash", node="n1")
    for agent, parameters in STACK:
        assert sandbox.agent("n2", agent, "monitor", **parameters).returncode != OCF_SUCCESS
        started = sandbox.agent("n2", agent, "start", **parameters)
        assert started.returncode == OCF_SUCCESS, started.stderr
        assert sandbox.agent("n2", agent, "monitor", **parameters).returncode == OCF_SUCCESS
    assert "Website-Testes" in sandbox.client("curl", "-sS", "-m", "5", "http://10.0.0.3/").stdout
    for agent, parameters in reversed(STACK):
        stopped = sandbox.agent("n2", agent, "stop", **parameters)
        assert stopped.returncode == OCF_SUCCESS, stopped.stderr
