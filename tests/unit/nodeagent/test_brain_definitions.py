"""What takes a resource down undoes what was done, not what its definition says by then."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from backstay_nodeagent.operation import Operation
from backstay_nodeagent.orders import SecretRef
from unit.nodeagent.brain_driver import Driver, order

OLD, NEW = {"ip": "10.0.0.3"}, {"ip": "10.0.0.44"}


@dataclass
class Seen:
    """A script that notes what each operation was run with."""

    ran: list[tuple[str, str, str]] = field(default_factory=list)
    codes: dict[str, int] = field(default_factory=dict)

    def __call__(self, operation: Operation) -> tuple[float, int]:
        one = operation.order
        self.ran.append((one.verb.value, one.agent, str(one.params.get("ip", ""))))
        return 0.1, self.codes.get(one.verb.value, 0)


def run(*orders: tuple[str, str, dict[str, Any]], seen: Seen | None = None) -> Seen:
    """One order after the other, each in a plan of its own."""
    seen = seen or Seen()
    driver = Driver(script=seen).online()
    for id_, verb, more in orders:
        driver.plan(order(id_, verb, **more))
        driver.run(0.5)
    return seen


def test_changed_address_is_taken_away_as_it_was_and_comes_back_as_it_is() -> None:
    seen = run(
        ("1-1-1", "start", {"params": OLD}),
        ("1-2-1", "stop", {"params": NEW}),
        ("1-2-2", "start", {"params": NEW}),
        ("1-3-1", "stop", {"params": NEW}),
    )
    assert [(verb, ip) for verb, _, ip in seen.ran] == [
        ("start", "10.0.0.3"),
        ("stop", "10.0.0.3"),
        ("start", "10.0.0.44"),
        ("stop", "10.0.0.44"),
    ]


def test_what_nobody_defines_any_more_is_stopped_with_what_it_was_started_with() -> None:
    seen = run(("1-1-1", "start", {"params": OLD}), ("1-2-1", "stop", {}))
    assert seen.ran[-1] == ("stop", "ocf:heartbeat:Dummy", "10.0.0.3")


def test_another_agent_does_not_stop_what_the_old_one_started() -> None:
    seen = run(
        ("1-1-1", "start", {"agent": "ocf:heartbeat:IPaddr", "params": OLD}),
        ("1-2-1", "stop", {"agent": "ocf:heartbeat:IPaddr2", "params": NEW}),
    )
    assert seen.ran[-1] == ("stop", "ocf:heartbeat:IPaddr", "10.0.0.3")


def test_monitor_of_a_new_definition_does_not_change_what_is_stopped() -> None:
    seen = run(
        ("1-1-1", "start", {"params": OLD}),
        ("1-2-1", "monitor", {"params": NEW}),
        ("1-3-1", "demote", {"params": NEW}),
        ("1-3-2", "stop", {"params": NEW}),
    )
    assert [(verb, ip) for verb, _, ip in seen.ran[2:]] == [("demote", "10.0.0.3"), ("stop", "10.0.0.3")]


def test_reload_is_what_it_runs_with_from_then_on() -> None:
    seen = run(
        ("1-1-1", "start", {"params": OLD}),
        ("1-2-1", "reload", {"params": NEW}),
        ("1-3-1", "stop", {"params": NEW}),
    )
    assert seen.ran[-1][2] == "10.0.0.44"


def test_what_a_probe_found_is_stopped_as_it_is_defined() -> None:
    seen = run(("1-1-1", "monitor", {"params": NEW}), ("1-2-1", "stop", {"params": OLD}))
    assert seen.ran[-1][2] == "10.0.0.44", "it was found with these"


def test_what_never_ran_here_is_stopped_as_it_is_defined() -> None:
    assert run(("1-1-1", "stop", {"params": NEW})).ran == [("stop", "ocf:heartbeat:Dummy", "10.0.0.44")]


def test_agent_that_is_restarted_remembers_what_it_has_started() -> None:
    seen = Seen()
    first = Driver(script=seen).online()
    secret = {"password": SecretRef("default", "s", "k")}
    first.plan(order("1-1-1", "start", params=OLD, params_from=secret))
    first.run(0.5)
    second = Driver(script=seen, journal=first.journal).online()
    second.plan(order("1-2-1", "stop", params=NEW))
    second.run(0.5)
    assert seen.ran[-1] == ("stop", "ocf:heartbeat:Dummy", "10.0.0.3")
    state = second.brain.resources.get("vip")
    assert state is not None
    assert not state.active
    assert state.order.params_from == secret
