"""`node ...`: what is set, when the wait is over, and what is said on the way."""

from __future__ import annotations

import pytest

from unit.cli.cluster import node, tutorial
from unit.cli.fake_api import FakeApi
from unit.cli.program import run


def everything_moves_to_n3(api: FakeApi) -> None:
    """The DC's answer to a node that goes: one resource after the other."""
    api.dc = None
    for name in ("app-lvm", "app-fs", "vip", "website-testes"):
        active = [{"node": "n3", "role": "Started"}]
        api.status("HAResource", name, "default", role="Started", node="n3", active=active)


@pytest.mark.parametrize(
    ("command", "field", "state"),
    [("standby", "standby", "Standby"), ("stop", "shutdown", "Stopped")],
)
async def test_a_node_that_goes_is_waited_for_until_nothing_is_left_on_it(
    command: str, field: str, state: str
) -> None:
    api = FakeApi(*tutorial())

    def dc(fake: FakeApi) -> None:
        everything_moves_to_n3(fake)
        fake.status("HANode", "n2", state=state)

    api.dc = dc
    outcome = await run(api, "node", command, "n2")
    assert outcome.code == 0, outcome
    assert api.object("HANode", "n2")["spec"][field] is True
    assert f"n2 is {state}" in outcome.err


async def test_each_move_is_told_once() -> None:
    from backstay_cli.places import Place, changes

    before = {"a": Place("Started", ("n1",)), "b": Place("Started", ("n2",)), "c": Place("Stopped", ())}
    after = {"a": Place("Stopped", ()), "b": Place("Started", ("n2",)), "c": Place("Starting", ("n2",))}
    assert list(changes(before, after)) == ["  a: Started on n1 -> Stopped", "  c: Stopped -> Starting on n2"]


async def test_a_node_that_is_not_left_in_time_is_an_error_that_names_what_stays() -> None:
    api = FakeApi(*tutorial())
    api.dc = lambda fake: (setattr(fake, "dc", None), fake.status("HANode", "n2", state="Standby"))[0]
    outcome = await run(api, "node", "standby", "n2", "--wait=0.3")
    assert outcome.code == 1
    assert "n2 still runs app_lvm, app_fs, VIP, Website-Testes" in outcome.error
    assert api.object("HANode", "n2")["spec"]["standby"] is True


async def test_what_is_unmanaged_may_stay() -> None:
    api = FakeApi(*tutorial())
    for name in ("app-lvm", "app-fs", "vip", "website-testes"):
        obj = api.object("HAResource", name, "default")
        api.put({**obj, "spec": {**obj["spec"], "meta": {"isManaged": False}}})
    api.status("HANode", "n2", state="Standby")
    assert (await run(api, "node", "standby", "n2")).code == 0


@pytest.mark.parametrize(
    ("argv", "field", "value", "state"),
    [
        (["unstandby", "n2"], "standby", False, "Online"),
        (["start", "n2"], "shutdown", False, "Online"),
        (["maintenance", "n2"], "maintenance", True, "Maintenance"),
        (["maintenance", "n2", "--off"], "maintenance", False, "Online"),
    ],
)
async def test_the_other_commands_wait_for_the_state(
    argv: list[str], field: str, value: bool, state: str
) -> None:
    api = FakeApi(*tutorial())
    api.status("HANode", "n2", state="Maintenance" if "--off" in argv else "Standby")
    slow = await run(api, "node", *argv, "--wait=0.1")
    if argv[0] != "start":  # a node in standby has joined
        assert slow.code == 1
    api.dc = lambda fake: (setattr(fake, "dc", None), fake.status("HANode", "n2", state=state))[0]
    outcome = await run(api, "node", *argv)
    assert outcome.code == 0, outcome
    assert api.object("HANode", "n2")["spec"][field] is value


async def test_nothing_is_changed_when_one_name_is_wrong() -> None:
    api = FakeApi(*tutorial(), node("n10"))
    outcome = await run(api, "node", "standby", "n2", "n20")
    assert outcome.code == 1
    assert "'n20'" in outcome.error
    assert "did you mean" in outcome.hint
    assert api.writes == []


async def test_the_list_shows_states_and_reasons() -> None:
    outcome = await run(FakeApi(*tutorial()), "node", "list")
    lines = outcome.out.splitlines()
    assert lines[0].split() == ["NODE", "STATE", "DC", "RESOURCES", "AGENT", "ATTRIBUTES", "REASON"]
    assert lines[1].split() == ["n1", "Offline", "0", "0.1.0", "fenced", "by", "pdu"]
