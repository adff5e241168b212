"""Orders of the plan: once, in order, and only those of the DC that counts."""

from __future__ import annotations

from backstay_nodeagent.operation import Operation
from backstay_nodeagent.orders import Orders, Verb
from unit.nodeagent.brain_driver import BOOT, Driver, order


def group_start() -> tuple[object, ...]:
    return (
        order("1-1-1", "start", "lvm", group="g"),
        order("1-1-2", "start", "fs", group="g", after=("1-1-1",)),
        order("1-1-3", "start", "vip", group="g", after=("1-1-2",)),
    )


def test_group_starts_in_one_write_member_after_member() -> None:
    driver = Driver().online()
    driver.plan(*group_start())  # type: ignore[arg-type]
    driver.run(1.0)
    assert driver.begun() == ["start lvm", "start fs", "start vip"]
    assert driver.story.index("ended start lvm rc=0") < driver.story.index("begins start fs")
    assert driver.results == {"1-1-1": "Done", "1-1-2": "Done", "1-1-3": "Done"}


def test_independent_orders_run_side_by_side() -> None:
    driver = Driver().online()
    driver.plan(order("1-1-1", "start", "a"), order("1-1-2", "start", "b"))
    assert driver.begun() == ["start a", "start b"]


def test_orders_after_a_failure_are_skipped_through_the_chain() -> None:
    driver = Driver(script=lambda op: (0.1, 1 if op.order.resource == "fs" else 0)).online()
    driver.plan(*group_start())  # type: ignore[arg-type]
    driver.run(1.0)
    assert driver.begun() == ["start lvm", "start fs"]
    assert driver.results == {"1-1-1": "Done", "1-1-2": "Failed", "1-1-3": "Skipped"}


def test_order_after_an_id_nobody_knows_is_skipped() -> None:
    driver = Driver().online()
    driver.plan(order("1-1-2", "start", after=("1-1-1",)))
    assert driver.results == {"1-1-2": "Skipped"}
    assert driver.begun() == []


def test_order_after_a_success_that_left_the_plan_runs() -> None:
    driver = Driver().online()
    driver.plan(order("1-1-1", "start", "lvm"))
    driver.run(0.5)
    driver.plan(order("1-1-2", "start", "fs", after=("1-1-1",)))
    assert driver.begun() == ["start lvm", "start fs"]


def test_order_that_stays_in_the_plan_runs_once() -> None:
    driver = Driver().online()
    one = order("1-1-1", "start")
    driver.plan(one)
    driver.run(0.5)
    driver.plan(one, order("1-2-1", "start", "other"))
    driver.run(0.5)
    assert driver.begun() == ["start vip", "start other"]


def test_order_that_vanished_before_it_started_never_runs() -> None:
    driver = Driver().online()
    driver.plan(*group_start())  # type: ignore[arg-type]
    driver.plan(order("1-1-1", "start", "lvm", group="g"))
    driver.run(1.0)
    assert driver.begun() == ["start lvm"]


def test_old_state_of_the_plan_is_ignored() -> None:
    driver = Driver().online()
    stale = Orders(
        uid="u1", generation=1, cluster="c", epoch=1, boot_id=BOOT, actions=(order("1-0-1", "start"),)
    )
    driver.plan()
    driver.see(stale)
    assert driver.begun() == []
    assert driver.status["observedGeneration"] == driver.generation


def test_spec_of_an_older_epoch_is_refused_and_reported() -> None:
    driver = Driver().online()
    driver.plan(epoch=7)
    driver.plan(order("6-9-1", "start"), epoch=6)
    driver.run(0.5)
    assert driver.begun() == []
    assert driver.results == {"6-9-1": "Refused"}
    assert driver.status["observedEpoch"] == 7
    assert driver.status["observedGeneration"] == driver.generation


def test_epoch_on_the_hosts_disk_outlives_the_boot() -> None:
    driver = Driver(epochs={"c": 9})
    driver.boot()
    driver.renew()
    driver.plan(order("8-1-1", "start"), epoch=8)
    assert driver.begun() == []
    assert driver.results == {"8-1-1": "Refused"}


def test_new_epoch_is_stored() -> None:
    driver = Driver().online()
    driver.plan(epoch=12)
    assert driver.epochs == {"c": 12}
    assert driver.journal["epoch/c"] == 12


def test_orders_for_another_boot_are_refused() -> None:
    driver = Driver().online()
    driver.plan(order("1-1-1", "start"), boot="boot-0")
    assert driver.begun() == []
    assert driver.results == {"1-1-1": "Refused"}


def test_nothing_runs_before_the_first_renewal() -> None:
    driver = Driver().boot()
    driver.plan(order("1-1-1", "start"))
    driver.run(5.0, renewing=False)
    assert driver.begun() == []
    driver.renew()
    driver.plan(order("1-1-1", "start"))
    assert driver.begun() == ["start vip"]


def test_operations_on_one_resource_never_overlap() -> None:
    driver = Driver().online()
    driver.plan(order("1-1-1", "start"), order("1-1-2", "promote"), order("1-1-3", "notify"))
    assert driver.begun() == ["start vip"]
    driver.run(1.0)
    assert driver.begun() == ["start vip", "promote vip", "notify vip"]
    running = 0
    for line in driver.story:
        running += {"begins": 1, "ended": -1}.get(line.split()[0], 0)
        assert running <= 1


def test_node_runs_no_more_operations_than_it_has_slots() -> None:
    driver = Driver(slots=2).online()
    driver.plan(*(order(f"1-1-{n}", "start", f"r{n}") for n in range(5)))
    assert len(driver.flights) == 2
    driver.run(1.0)
    assert driver.begun() == [f"start r{n}" for n in range(5)]


def test_start_delay_is_kept_and_not_counted_as_queueing() -> None:
    driver = Driver().online()
    driver.plan(order("1-1-1", "start", start_delay_ms=2000))
    driver.run(1.9)
    assert driver.begun() == []
    driver.run(0.5)
    assert driver.begun() == ["start vip"]
    assert driver.status["history"][0]["queueMs"] == 0


def test_failed_notification_holds_up_nobody() -> None:
    driver = Driver(script=lambda op: (0.1, 1 if op.order.verb is Verb.NOTIFY else 0)).online()
    driver.plan(order("1-1-1", "notify"), order("1-1-2", "promote", after=("1-1-1",)))
    driver.run(1.0)
    assert driver.results == {"1-1-1": "Done", "1-1-2": "Done"}
    assert driver.status["failures"] == []


def test_probe_that_finds_a_resource_running_skips_its_start() -> None:
    driver = Driver(script=lambda op: (0.1, 0)).online()
    driver.plan(order("1-1-1", "monitor", target_rc=7), order("1-1-2", "start", after=("1-1-1",)))
    driver.run(1.0)
    assert driver.results == {"1-1-1": "Failed", "1-1-2": "Skipped"}
    assert driver.status["failures"] == [], "a probe is no failure"
    assert driver.status["history"][0]["rc"] == 0


def test_meta_data_is_published_by_agent() -> None:
    driver = Driver().online()
    driver.plan(order("1-1-1", "meta-data", ""))
    driver.run(1.0)
    assert [one["agent"] for one in driver.status["metadata"]] == ["ocf:heartbeat:Dummy"]
    assert driver.status["history"] == []


def test_fencing_is_run_beside_resources_and_leaves_no_history() -> None:
    def script(operation: Operation) -> tuple[float, int]:
        return 0.1, 1

    driver = Driver(script=script).online()
    driver.plan(order("1-1-1", "fence", "apc", agent="stonith:fence_apc", target="n2"))
    driver.run(1.0)
    assert driver.results == {"1-1-1": "Failed"}
    assert driver.status["history"] == []


def test_plan_that_is_gone_runs_nothing_more() -> None:
    from backstay_nodeagent import events as ev

    driver = Driver().online()
    driver.plan(*group_start())  # type: ignore[arg-type]
    driver.post(ev.OrdersGone(driver.now))
    driver.run(1.0)
    assert driver.begun() == ["start lvm"]


def deleted_group(driver: Driver, *, stop_rc: int = 0) -> Driver:
    """A group of three runs, and is to be stopped by orders that know nothing of the group any more."""
    driver.script = lambda operation: (0.1, stop_rc if operation.order.verb is Verb.STOP else 0)
    members = ("fs", "ip", "www")
    driver.plan(*(order(f"1-1-{number}", "start", one, group="web") for number, one in enumerate(members)))
    driver.run(1.0)
    driver.story.clear()
    driver.plan(*(order(f"1-2-{number}", "stop", one) for number, one in enumerate(members)))
    driver.run(1.0)
    return driver


def test_members_of_a_deleted_group_stop_newest_first() -> None:
    driver = deleted_group(Driver().online())
    assert [line for line in driver.story if " stop " in line] == [
        "begins stop www",
        "ended stop www rc=0",
        "begins stop ip",
        "ended stop ip rc=0",
        "begins stop fs",
        "ended stop fs rc=0",
    ]


def test_what_a_member_of_a_deleted_group_stands_on_is_not_stopped_when_the_member_is_not() -> None:
    driver = deleted_group(Driver().online(), stop_rc=1)
    assert driver.begun() == ["stop www"]
    assert driver.results == {"1-2-0": "Skipped", "1-2-1": "Skipped", "1-2-2": "Failed"}


def test_plan_that_a_fresh_read_shows_again_after_a_newer_one_is_refused_and_what_is_written_next_obeyed() -> (
    None
):
    """An etcd restored from a backup: that order was taken back once, by a plan that nobody but this node remembers."""
    driver = Driver().online()
    restored = Orders(
        uid="u1", generation=2, cluster="c", epoch=1, boot_id=BOOT, actions=(order("1-0-1", "start"),)
    )
    driver.generation = 5
    driver.plan()
    driver.run(1.0)
    driver.see(restored)
    assert driver.begun() == []
    assert driver.results == {"1-0-1": "Refused"}
    assert driver.status["observedGeneration"] == 2
    driver.generation = 2
    driver.plan(order("2-0-1", "start"), epoch=2)
    assert driver.begun() == ["start vip"]


def test_another_plan_under_the_generation_at_hand_is_refused() -> None:
    """Written after a restore, by a DC that did not know what this node knows."""
    driver = Driver().online()
    driver.plan()
    driver.run(1.0)
    driver.generation -= 1
    driver.plan(order("1-0-1", "start"))
    assert driver.begun() == []
    assert driver.results == {"1-0-1": "Refused"}


def test_event_of_a_watch_proves_no_journey_in_time() -> None:
    driver = Driver().online()
    driver.plan()
    driver.run(1.0)
    generation = driver.generation
    driver.generation = 0
    driver.plan(order("1-0-1", "start"), fresh=False)
    assert driver.status["observedGeneration"] == generation
    assert driver.results == {}


def test_stop_and_monitor_do_not_wait_for_the_slots_of_slow_starts() -> None:
    slow = Driver(
        slots=2, script=lambda op: (60.0 if op.order.resource.startswith("slow") else 0.1, 0)
    ).online()
    slow.plan(order("1-1-1", "start", "quick"))
    slow.run(1.0)
    starts = [order(f"1-2-{n}", "start", f"slow{n}") for n in range(2)]
    slow.plan(
        *starts, order("1-2-8", "monitor", "quick", interval_ms=10_000), order("1-2-9", "stop", "quick")
    )
    slow.run(1.0)
    assert "stop quick" in slow.begun()
    assert "monitor quick every 10000" in slow.begun()


def test_start_gets_a_slot_when_slow_ones_have_run_for_a_while() -> None:
    slow = Driver(
        slots=2, script=lambda op: (60.0 if op.order.resource.startswith("slow") else 0.1, 0)
    ).online()
    slow.plan(*(order(f"1-1-{n}", "start", f"slow{n}") for n in range(2)), order("1-1-9", "start", "quick"))
    slow.run(1.0)
    assert "start quick" not in slow.begun()
    slow.run(5.0)
    assert "start quick" in slow.begun()


def test_fence_agent_needs_no_slot() -> None:
    slow = Driver(slots=1, script=lambda op: (60.0, 0)).online()
    slow.plan(
        *(order(f"1-1-{n}", "start", f"slow{n}") for n in range(3)),
        order("1-1-8", "fence", "pdu", target="n2"),
        order("1-1-9", "fence", "pdu2", target="n3"),
    )
    assert {"fence pdu", "fence pdu2"} <= set(slow.begun())
