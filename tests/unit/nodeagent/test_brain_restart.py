"""Another agent in the same boot: what it takes over, what it ends, what it never repeats."""

from __future__ import annotations

from backstay_nodeagent import events as ev
from backstay_nodeagent.operation import Operation, Process
from backstay_nodeagent.orders import Orders, Timings
from unit.nodeagent.brain_driver import Driver, order


def started(requires: str = "fencing") -> Driver:
    driver = Driver().online()
    driver.plan(
        order("1-1-1", "start", requires=requires),
        order("1-1-2", "monitor", interval_ms=10_000, after=("1-1-1",), requires=requires),
    )
    driver.run(1.0)
    return driver


def resumed(old: Driver) -> Driver:
    """The next agent, with the plan as it is."""
    new = old.restart()
    new.boot(renewal=ev.Renewal(new.now, 3.0))
    new.renew()
    assert old.brain.book.orders is not None
    new.see(old.brain.book.orders)
    return new


def test_restart_touches_nothing_and_repeats_nothing() -> None:
    old = started()
    new = resumed(old)
    new.run(5.0)
    assert [line for line in new.begun() if not line.startswith("monitor vip every")] == []
    assert new.results == old.results
    assert new.status["history"] == old.status["history"]


def test_recurring_monitors_go_on_after_a_restart() -> None:
    new = resumed(started())
    new.run(26.0)
    assert new.begun().count("monitor vip every 10000") == 3


def test_timings_of_the_heartbeat_outlive_the_agent() -> None:
    old = Driver().online()
    fast = Timings(renew_interval_s=0.1, lease_duration_s=0.5, stop_margin_s=0.2)
    old.generation += 1
    old.see(Orders(uid="u1", generation=old.generation, cluster="c", epoch=1, timings=fast))
    new = old.restart().boot(renewal=ev.Renewal(old.now, 0.5))
    assert new.brain.guard.timings == fast


def test_call_ids_go_on_rising() -> None:
    old = started()
    new = resumed(old)
    new.plan(order("1-2-1", "start", "other"))
    new.run(1.0)
    newest = max(one["callId"] for one in new.status["history"])
    assert newest > max(one["callId"] for one in old.status["history"])


def interrupted(verb: str, requires: str = "fencing") -> tuple[Driver, Driver]:
    """An agent that vanished in the middle of an operation, and its successor."""
    old = Driver(script=lambda op: (60.0, 0)).online()
    old.plan(order("1-1-1", verb, requires=requires))
    (call_id,) = old.flights
    old.post(ev.OperationSpawned(call_id, Process(pid=4711, start_ticks=99, deadline=old.now + 20.0)))
    new = old.restart()
    new.script = lambda _op: (0.1, 0)
    new.boot(renewal=ev.Renewal(new.now, 3.0))
    new.renew()
    assert old.brain.book.orders is not None
    new.see(old.brain.book.orders)
    return old, new


def test_interrupted_start_is_waited_for_then_probed_and_reported_without_an_exit_code() -> None:
    _, new = interrupted("start")
    (orphan,) = new.orphans
    assert (orphan.process.pid, orphan.at_once) == (4711, False)  # type: ignore[union-attr]
    assert new.begun() == [], "nothing is begun on a resource with an operation in flight"
    assert [one["actionId"] for one in new.status["pending"]] == ["1-1-1"]
    new.post(ev.OrphanEnded(orphan.call_id))
    assert new.begun() == ["monitor vip"]
    new.run(1.0)
    assert new.results == {"1-1-1": "Failed"}
    (result,) = new.status["results"]
    assert "rc" not in result
    assert "interrupted" in result["message"]
    assert new.status["failures"] == []
    (record,) = new.status["history"]
    assert (record["operation"], record["intervalMs"], record["rc"]) == ("monitor", 0, 0)


def back_while_the_keeper_releases(old: Driver) -> Driver:
    """The next agent, which the keeper tells that it is stopping things in its stead."""
    new = old.restart()
    new.script = lambda op: (0.1, 0)
    new.boot(renewal=ev.Renewal(new.now - 2.1, 3.0))
    for orphan in new.orphans:
        new.post(ev.OrphanEnded(orphan.call_id))
    return new


def test_nothing_is_probed_while_the_keeper_may_be_stopping_it() -> None:
    """A probe that began before the stop has ended would find it running, and count as the later of the two."""
    old = Driver(script=lambda op: (60.0, 0)).online()
    old.plan(order("1-1-1", "start", requires="quorum"))
    new = back_while_the_keeper_releases(old)
    assert new.begun() == [], "the keeper has not spoken yet"
    assert any(key.startswith("pending/") for key in new.journal), (
        "else a third agent would run the order again"
    )
    new.run(0.01, renewing=False)
    new.post(ev.KeeperReleasing())
    new.run(0.5, renewing=False)
    assert new.begun() == []
    new.script = lambda op: (0.1, 7)
    new.post(ev.KeeperReleased((ev.KeeperStop("vip", "stop", 0, False, 1_700_001_000.0, 500),)))
    new.run(0.5, renewing=False)
    assert new.begun() == ["monitor vip"]
    assert new.status["released"]
    assert old.brain.book.orders is not None
    new.see(old.brain.book.orders)
    assert new.results == {"1-1-1": "Failed"}


def test_keeper_that_says_nothing_delays_a_probe_for_a_moment_only() -> None:
    old = Driver(script=lambda op: (60.0, 0)).online()
    old.plan(order("1-1-1", "start", requires="quorum"))
    new = back_while_the_keeper_releases(old)
    new.run(0.3, renewing=False)
    assert new.begun()[0] == "monitor vip"


def test_what_waits_for_fencing_is_probed_whatever_the_keeper_does() -> None:
    old = Driver(script=lambda op: (60.0, 0)).online()
    old.plan(order("1-1-1", "start", requires="fencing"))
    assert back_while_the_keeper_releases(old).begun() == ["monitor vip"]


def test_no_monitor_recurs_while_the_keeper_may_be_stopping_its_resource() -> None:
    new = back_while_the_keeper_releases(started(requires="quorum"))
    new.post(ev.KeeperReleasing())
    new.run(12.0, renewing=False)
    assert new.begun() == []
    new.post(ev.KeeperLost())
    new.run(0.05, renewing=False)
    assert new.begun() == ["stop vip"], "what the keeper left is stopped by its agent"


def test_interrupted_monitor_is_ended_at_once() -> None:
    _, new = interrupted("monitor")
    (orphan,) = new.orphans
    assert orphan.at_once


def test_interrupted_order_is_not_run_again_even_after_a_second_restart() -> None:
    _, new = interrupted("start")
    (orphan,) = new.orphans
    new.post(ev.OrphanEnded(orphan.call_id))
    third = new.restart()  # in the middle of the probe
    third.boot(renewal=ev.Renewal(third.now, 3.0))
    third.renew()
    third.see(new.brain.book.orders)  # type: ignore[arg-type]
    for left in list(third.orphans):
        third.post(ev.OrphanEnded(left.call_id))
    third.run(5.0)
    assert "start vip" not in third.begun()
    assert third.results == {"1-1-1": "Failed"}


def test_order_for_an_interrupted_resource_waits_for_the_probe() -> None:
    old, new = interrupted("start")
    new.generation = old.generation
    new.plan(order("1-1-1", "start"), order("1-2-1", "stop"))
    (orphan,) = new.orphans
    assert new.begun() == []
    new.post(ev.OrphanEnded(orphan.call_id))
    new.run(1.0)
    assert new.begun() == ["monitor vip", "stop vip"]


def test_interrupted_fencing_is_reported_as_failed() -> None:
    old = Driver(script=lambda op: (60.0, 0)).online()
    old.plan(order("1-1-1", "fence", "apc", agent="stonith:fence_apc", target="n2"))
    new = resumed(old)
    (orphan,) = new.orphans
    new.post(ev.OrphanEnded(orphan.call_id))
    assert new.results == {"1-1-1": "Failed"}
    assert new.begun() == []


def test_agent_that_comes_back_to_an_expired_lease_releases_unless_its_keeper_says_that_it_does() -> None:
    old = started("quorum")
    new = old.restart()
    new.now += 10.0
    new.boot(renewal=ev.Renewal(old.now, 3.0))
    assert new.begun() == []
    new.run(0.16, renewing=False)
    assert new.begun() == ["stop vip"]


def test_keeper_that_repeats_an_old_renewal_as_a_greeting_breaks_no_release_off() -> None:
    old = started("quorum")
    new = old.restart()
    new.now += 2.1  # past the time to stop, and the lease is not over yet
    last = ev.Renewal(old.now, 3.0)
    new.boot(renewal=last)
    new.post(ev.LeaseRenewed(last))
    new.run(0.05, renewing=False)
    assert new.begun() == ["stop vip"]


def test_agent_that_comes_back_while_its_keeper_releases_stops_nothing_a_second_time() -> None:
    old = started("quorum")
    new = old.restart()
    new.now += 10.0
    new.boot(renewal=ev.Renewal(old.now, 3.0))
    new.post(ev.KeeperReleasing())
    new.post(ev.Vouched(None))
    new.run(2.0, renewing=False)
    assert new.begun() == []
    stop = ev.KeeperStop(resource="vip", verb="stop", rc=0, timed_out=False, started_wall=1.0, exec_ms=5)
    new.post(ev.KeeperReleased((stop,)))
    new.run(1.0, renewing=False)
    assert new.begun() == []
    assert new.status["released"]


def test_agent_that_knows_of_no_renewal_does_not_trust_its_luck() -> None:
    new = started("quorum").restart().boot()
    new.run(0.16, renewing=False)
    assert new.begun() == ["stop vip"]


def test_release_interrupted_by_a_restart_is_taken_up_again() -> None:
    old = started("quorum")
    old.script = lambda _op: (60.0, 0)
    old.run(4.0, renewing=False)
    assert old.begun()[-1] == "stop vip"
    new = old.restart()
    new.script = lambda _op: (0.1, 0)
    new.boot(renewal=ev.Renewal(new.now - 4.0, 3.0))
    assert new.begun() == [], "the old stop still runs"
    (orphan,) = new.orphans
    new.post(ev.OrphanEnded(orphan.call_id))
    new.run(2.0, renewing=False)
    assert new.begun()[-1] == "stop vip"
    assert new.status["released"]


def test_every_operation_is_in_the_journal_before_it_runs_and_out_of_it_after() -> None:
    seen: list[Operation] = []

    def script(operation: Operation) -> tuple[float, int]:
        seen.append(operation)  # the driver has asserted that its mark is there
        return 0.1, 0

    driver = Driver(script=script).online()
    driver.plan(order("1-1-1", "start"), order("1-1-2", "monitor", interval_ms=1000, after=("1-1-1",)))
    driver.run(1.05)
    assert len(seen) >= 2
    driver.run(0.2)
    assert [key for key in driver.journal if key.startswith("pending/")] == [
        f"pending/{call_id}" for call_id in driver.flights
    ]
