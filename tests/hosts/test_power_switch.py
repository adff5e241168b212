"""The power switch and its fence agent, as a cluster would use them."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from harness.hosts import SandboxUnderTest, wait_for

pytestmark = pytest.mark.hosts
OK, FAILED, OFF = 0, 1, 2


def test_off_returns_only_when_the_host_is_dead(sandbox: SandboxUnderTest) -> None:
    assert sandbox.fence("n1", action="off", plug="n2").returncode == OK
    assert sandbox.host_status("n2") == {**sandbox.host_status("n2"), "power": "off", "pid": None}
    assert sandbox.fence("n1", action="status", plug="n2").returncode == OFF


def test_on_boots_and_status_says_so(sandbox: SandboxUnderTest) -> None:
    sandbox.ask("crash", node="n2")
    booted = sandbox.host_status("n2")["boots"] + 1
    assert sandbox.fence("n1", action="on", plug="n2").returncode == OK
    assert sandbox.fence("n1", action="status", plug="n2").returncode == OK
    wait_for(lambda: sandbox.host_status("n2")["boots"] == booted, timeout_s=5.0, what="n2 has booted")
    assert sandbox.on_host("n2", "hostname").stdout == "n2\n"


def test_reboot_ends_one_boot_and_begins_another(sandbox: SandboxUnderTest) -> None:
    before = sandbox.host_status("n2")
    assert sandbox.fence("n1", action="reboot", plug="n2").returncode == OK
    assert sandbox.fence("n1", action="status", plug="n2").returncode == OK, "it has power, booted or not"
    booted = before["boots"] + 1
    wait_for(lambda: sandbox.host_status("n2")["boots"] == booted, timeout_s=5.0, what="n2 has booted")
    assert sandbox.host_status("n2")["pid"] != before["pid"]


def test_a_cut_off_host_cannot_fence(sandbox: SandboxUnderTest) -> None:
    sandbox.ask("cut", node="n1")
    refused = sandbox.fence("n1", action="off", plug="n2", timeout="1")
    assert refused.returncode == FAILED
    assert "no answer from the power switch" in refused.stderr
    assert sandbox.host_status("n2")["power"] == "on"


def test_wrong_password_switches_nothing(sandbox: SandboxUnderTest) -> None:
    refused = sandbox.fence("n1", action="off", plug="n2", password="guess")
    assert refused.returncode == FAILED
    assert "wrong password" in refused.stderr
    assert sandbox.host_status("n2")["power"] == "on"


def test_a_host_can_fence_itself_and_is_gone(sandbox: SandboxUnderTest) -> None:
    assert sandbox.fence("n1", action="off", plug="n1").returncode != OK
    wait_for(lambda: sandbox.host_status("n1")["power"] == "off", timeout_s=5.0, what="n1 is off")


def test_a_host_with_two_supplies_is_off_only_when_both_are(sandbox: SandboxUnderTest) -> None:
    boots = sandbox.host_status("n2")["boots"]
    assert sandbox.fence("n1", action="off", plug="n2.a").returncode == OK
    assert sandbox.fence("n1", action="reboot", plug="n2.b").returncode == OK
    assert sandbox.host_status("n2")["power"] == "on"
    assert sandbox.fence("n1", action="off", plug="n2.b").returncode == OK
    assert sandbox.host_status("n2")["power"] == "off"
    assert sandbox.fence("n1", action="on", plug="n2.a").returncode == OK
    wait_for(
        lambda: sandbox.host_status("n2")["boots"] == boots + 1, timeout_s=5.0, what="n2 has booted once more"
    )


def test_list_and_monitor_answer(sandbox: SandboxUnderTest) -> None:
    sandbox.ask("crash", node="n3")
    assert sandbox.fence("n1", action="list").stdout.split() == ["n1,on", "n2,on", "n3,off"]
    assert sandbox.fence("n1", action="monitor").returncode == OK


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"action": "off"}, "plug is missing"),
        ({"action": "off", "plug": "n9"}, "no such plug"),
        ({"action": "explode", "plug": "n2"}, "unknown action"),
        ({"action": "off", "plug": "n2", "ipport": "many"}, "not a positive number"),
        ({"action": "off", "plug": "n2", "ipport": "9"}, "no answer"),
        ({"action": "validate-all", "ip": ""}, "ip is missing"),
    ],
)
def test_what_cannot_be_done_fails_in_words(
    sandbox: SandboxUnderTest, parameters: dict[str, str], complaint: str
) -> None:
    refused = sandbox.fence("n1", **{"action": "off", **parameters})
    assert refused.returncode == FAILED
    assert complaint in refused.stderr


def test_older_parameter_names_and_the_nodename_are_understood(sandbox: SandboxUnderTest) -> None:
    assert sandbox.fence("n1", action="status", port="n2").returncode == OK
    assert sandbox.fence("n1", action="status", nodename="n2").returncode == OK
    assert sandbox.fence("n1", action="status", plug="n2", nodename="n9").returncode == OK
    assert sandbox.fence("n1", action="status", nodename="n9", plug="n2").returncode == OK


def test_metadata_lists_the_standard_parameters_and_actions(sandbox: SandboxUnderTest) -> None:
    document = ElementTree.fromstring(sandbox.fence("n1", action="metadata").stdout)
    assert document.get("name") == "fence_sandbox"
    parameters = {one.get("name"): one for one in document.iter("parameter")}
    assert {"action", "ip", "ipport", "password", "plug"} <= set(parameters)
    assert [name for name, one in parameters.items() if one.get("required") == "1"] == ["ip", "plug"]
    actions = {one.get("name") for one in document.iter("action")}
    assert {"on", "off", "reboot", "status", "monitor", "list", "metadata", "validate-all"} == actions


def test_options_on_the_command_line_work_as_well(sandbox: SandboxUnderTest) -> None:
    password = sandbox.layout.power_password.read_text().strip()
    command = ("fence_sandbox", "--ip", "10.0.0.2", "-p", password, "-o", "status", "--plug=n2")
    answer = sandbox.on_host("n1", *command)
    assert (answer.returncode, answer.stdout) == (OK, "Status: ON\n")
