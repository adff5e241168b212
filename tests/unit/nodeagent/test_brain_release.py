"""Cut off: what stops, in which order, until when, and what happens after."""

from __future__ import annotations

from backstay_nodeagent import events as ev
from backstay_nodeagent.operation import Operation
from unit.nodeagent.brain_driver import Driver, order


def group_of_two(requires: str = "quorum") -> Driver:
    """A group (fs, vip) and a single resource, all started, renewed for the last time at the present moment."""
    driver = Driver().online()
    driver.plan(
        order("1-1-1", "start", "fs", group="g", requires=requires),
        order("1-1-2", "start", "vip", group="g", requires=requires, after=("1-1-1",)),
        order("1-1-3", "monitor", "vip", group="g", requires=requires, after=("1-1-2",), interval_ms=10_000),
        order("1-1-4", "start", "web", requires=requires),
    )
    driver.run(1.0)
    driver.renew()
    return driver


def stops(driver: Driver) -> list[str]:
    return [line for line in driver.begun() if line.startswith(("stop", "demote"))]


def test_release_begins_a_margin_before_the_lease_expires() -> None:
    driver = group_of_two()
    driver.run(1.99, renewing=False)
    assert stops(driver) == []
    driver.run(0.02, renewing=False)
    assert stops(driver) == ["stop vip", "stop web"]


def test_groups_stop_newest_first_and_side_by_side() -> None:
    driver = group_of_two()
    driver.run(2.9, renewing=False)
    assert stops(driver) == ["stop vip", "stop web", "stop fs"]
    assert driver.story.index("ended stop vip rc=0") < driver.story.index("begins stop fs")
    assert driver.status["released"]
    reasons = {one["reason"] for one in driver.status["history"] if one["operation"] == "stop"}
    assert reasons == {"released: the node was cut off"}


def test_what_waits_for_fencing_runs_on() -> None:
    driver = group_of_two("fencing")
    driver.run(60.0, renewing=False)
    assert stops(driver) == []
    assert driver.begun().count("monitor vip every 10000") == 7, "and is watched"


def test_promoted_resource_is_demoted_before_it_is_stopped() -> None:
    driver = Driver().online()
    driver.plan(
        order("1-1-1", "start", requires="nothing"),
        order("1-1-2", "promote", requires="nothing", after=("1-1-1",)),
    )
    driver.run(1.0)
    driver.run(5.0, renewing=False)
    assert stops(driver) == ["demote vip", "stop vip"]


def test_start_in_flight_is_ended_and_stopped() -> None:
    driver = Driver(script=lambda op: (60.0, 0) if op.order.verb.value == "start" else (0.1, 0)).online()
    driver.plan(order("1-1-1", "start", requires="quorum"))
    driver.run(2.5, renewing=False)
    assert driver.story.index("killed start vip") < driver.story.index("begins stop vip")
    assert driver.results == {"1-1-1": "Cancelled"}
    assert driver.status["released"]


def test_orders_not_begun_are_void_once_cut_off() -> None:
    driver = Driver(script=lambda _op: (2.5, 0)).online()
    driver.plan(order("1-1-1", "start", "a"), order("1-1-2", "start", "b", after=("1-1-1",)))
    driver.run(4.0, renewing=False)
    driver.renew()
    driver.post(ev.OrdersSeen(driver.brain.book.orders, driver.now))  # type: ignore[arg-type]
    driver.run(5.0)
    assert driver.begun() == ["start a"]
    assert driver.results == {"1-1-1": "Done", "1-1-2": "Cancelled"}


def test_orders_begin_only_after_a_read_that_was_sent_after_the_renewal() -> None:
    driver = group_of_two()
    driver.run(5.0, renewing=False)
    driver.renew()
    assert driver.reads >= 1, "the brain asks for a fresh read"
    driver.plan(order("1-2-1", "start", "web"), fresh=False)
    driver.run(0.5)
    assert driver.begun()[-1] != "start web", "an event of a watch may be old"
    driver.see(driver.brain.book.orders, fresh=True)  # type: ignore[arg-type]
    driver.run(0.1)
    assert driver.begun()[-1] == "start web"


def test_renewal_in_time_breaks_the_release_off() -> None:
    driver = Driver(script=lambda op: (0.5, 0)).online()
    driver.plan(
        order("1-1-1", "start", "fs", group="g", requires="quorum"),
        order("1-1-2", "start", "vip", group="g", requires="quorum", after=("1-1-1",)),
    )
    driver.run(2.0)
    driver.run(2.1, renewing=False)
    assert stops(driver) == ["stop vip"]
    driver.renew()
    driver.run(5.0)
    assert stops(driver) == ["stop vip"]
    assert not driver.status["released"]


def test_renewal_after_expiry_does_not_break_the_release_off() -> None:
    driver = Driver(script=lambda op: (1.5, 0) if op.order.verb.value == "stop" else (0.1, 0)).online()
    driver.plan(
        order("1-1-1", "start", "fs", group="g", requires="quorum"),
        order("1-1-2", "start", "vip", group="g", requires="quorum", after=("1-1-1",)),
    )
    driver.run(1.0)
    driver.renew()
    driver.run(3.2, renewing=False)
    driver.renew()
    driver.plan(order("1-2-1", "start", "vip", group="g", requires="quorum"))
    driver.run(1.0)
    assert "start vip" not in driver.begun()[2:], "nothing is begun while the release goes on"
    driver.run(2.0)
    assert stops(driver) == ["stop vip", "stop fs"]
    assert driver.begun()[-1] == "start vip"


def test_stop_that_fails_does_not_hold_the_chain_and_is_not_called_released() -> None:
    def script(operation: Operation) -> tuple[float, int]:
        return 0.1, 1 if (operation.order.verb.value, operation.order.resource) == ("stop", "vip") else 0

    driver = group_of_two()
    driver.script = script
    driver.run(5.0, renewing=False)
    assert stops(driver) == ["stop vip", "stop web", "stop fs"]
    assert not driver.status["released"]
    assert [one["operation"] for one in driver.status["failures"]] == ["stop"]


def test_released_stays_until_the_dc_wrote_after_it_could_have_read_it() -> None:
    driver = group_of_two()
    driver.run(5.0, renewing=False)
    driver.renew()
    driver.plan()
    assert driver.status["released"], "the DC wrote this without having seen it"
    driver.post(ev.StatusWritten(driver.generation, released=True))
    driver.see(driver.brain.book.orders)  # type: ignore[arg-type]
    assert driver.status["released"]
    driver.plan(order("1-2-1", "start", "web"))
    assert not driver.status["released"]


def test_keeper_that_releases_is_not_interfered_with() -> None:
    driver = group_of_two()
    driver.post(ev.KeeperReleasing())
    driver.run(5.0, renewing=False)
    assert stops(driver) == []
    stop = ev.KeeperStop("vip", "stop", 0, False, 1_700_001_000.0, 200)
    driver.post(ev.KeeperReleased((stop, ev.KeeperStop("fs", "stop", 0, False, 1_700_001_000.3, 200))))
    driver.run(1.0, renewing=False)
    assert stops(driver) == ["stop web"], "what the keeper did not stop is still ours to stop"
    record = next(
        one for one in driver.status["history"] if (one["resource"], one["operation"]) == ("fs", "stop")
    )
    assert "keeper" in record["reason"]


def test_release_broken_off_when_the_keeper_had_done_it_all_is_called_released() -> None:
    """An agent that hung begins its own release as it thaws, hears of a renewal, and only then of the keeper's stops."""
    driver = group_of_two()
    driver.run(2.01, renewing=False)
    assert stops(driver) == ["stop vip", "stop web"]
    driver.renew()
    stopped = ("vip", "web", "fs")
    driver.post(
        ev.KeeperReleased(
            tuple(ev.KeeperStop(name, "stop", 0, False, 1_700_001_000.0, 5) for name in stopped)
        )
    )
    driver.run(1.0)
    assert driver.status["released"], "the DC must hear that nothing runs here"
    assert stops(driver) == ["stop vip", "stop web"]


def test_keeper_lost_in_the_middle_leaves_the_release_to_the_agent() -> None:
    driver = group_of_two()
    driver.post(ev.KeeperReleasing())
    driver.run(2.5, renewing=False)
    driver.post(ev.KeeperLost())
    driver.run(1.0, renewing=False)
    assert stops(driver) == ["stop vip", "stop web", "stop fs"]


def test_resource_that_a_probe_found_running_is_released_too() -> None:
    driver = Driver().online()
    driver.plan(order("1-1-1", "monitor", target_rc=7, requires="quorum"))
    driver.run(1.0)
    driver.run(5.0, renewing=False)
    assert stops(driver) == ["stop vip"]


def test_resource_that_was_stopped_or_never_ran_is_not_touched() -> None:
    def script(operation: Operation) -> tuple[float, int]:
        return 0.1, 7 if operation.order.verb.value == "monitor" else 0

    driver = Driver(script=script).online()
    driver.plan(
        order("1-1-1", "monitor", "a", target_rc=7, requires="quorum"),
        order("1-1-2", "start", "b", requires="quorum"),
        order("1-1-3", "stop", "b", requires="quorum", after=("1-1-2",)),
    )
    driver.run(1.0)
    driver.run(10.0, renewing=False)
    assert stops(driver) == ["stop b"]
    assert driver.status["released"], "nothing that others may take over runs here"
