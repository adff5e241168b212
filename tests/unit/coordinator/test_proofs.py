"""A proof of death is on record before anything is decided by it, and a proof that was lost proves nothing to the next DC."""

from __future__ import annotations

from backstay.api.node import HANodeStatus
from harness.model_cluster import ModelCluster
from unit.coordinator.test_failover import cluster, power_switch, resource
from unit.coordinator.test_watchdog import trio as guarded


def trio(**properties: object) -> ModelCluster:
    made = ModelCluster("n1", "n2", "n3", cluster=cluster(**properties))
    made.add(power_switch(), resource("db"))
    made.run(6)
    return made


def targets(made: ModelCluster) -> list[str]:
    return [line.split()[-1] for line in made.fence_log]


def test_nothing_starts_on_a_fencing_that_no_object_tells_of_and_nobody_is_fenced_twice() -> None:
    made = trio()
    (home,) = made.where("db")
    made.records = False
    made.crash(home)
    made.run(20)
    assert targets(made) == [home]
    assert made.where("db") == []
    assert made.orders is not None
    assert [one.node for one in made.orders.fenced] == [home]
    made.records = True
    made.run(3)
    assert len(made.where("db")) == 1
    assert targets(made) == [home]
    assert made.orders.fenced == []


def test_dc_that_follows_a_lost_record_fences_anew_and_stops_nothing() -> None:
    made = trio()
    (home,) = made.where("db")
    made.records = False
    made.crash(home)
    made.run(6)
    assert targets(made) == [home]
    made.records = True
    seen = len(made.log)
    made.new_dc()
    made.run(10)
    (new,) = made.where("db")
    assert targets(made) == [home, home]
    assert made.actions(since=seen)[-1] == f"{new} start db"
    assert not any(" stop " in line for line in made.actions(since=seen))


def test_fencing_that_has_nothing_to_wait_for_is_no_reason_to_wait_elsewhere() -> None:
    made = trio()
    (home,) = made.where("db")
    made.records = False
    made.crash(home)
    made.run(6)
    made.add(resource("web", requires="quorum"))
    made.run(10)
    assert len(made.where("web")) == 1
    assert targets(made) == [home]


def test_record_is_written_again_when_the_hanode_was_made_anew() -> None:
    made = trio()
    (home,) = made.where("db")
    made.crash(home)
    made.run(10)
    assert len(made.where("db")) == 1
    made.hanodes[home] = made.hanodes[home].model_copy(update={"status": HANodeStatus()})
    made.run(1)
    record = made.hanodes[home].status.fenced
    assert record is not None
    assert record.boot_id == made.nodes[home].boot_id
    assert targets(made) == [home]


def test_confirmation_is_answered_when_it_is_on_record() -> None:
    made = trio(stonithEnabled=True)
    made.devices.clear()
    (home,) = made.where("db")
    made.crash(home)
    made.run(6)
    made.records = False
    made.request_node(home, {"id": "dead", "type": "confirm"})
    made.run(3)
    assert [one.state for one in made.node_acks(home)] == ["Accepted"]
    assert made.where("db") == []
    made.records = True
    made.run(3)
    assert [one.state for one in made.node_acks(home)] == ["Done"]
    assert len(made.where("db")) == 1


def test_watchdog_that_has_bitten_is_on_record_first() -> None:
    made = guarded()
    (home,) = made.where("fs")
    made.records = False
    made.crash(home)
    made.run(40)
    assert made.where("fs") == []
    made.records = True
    made.run(3)
    assert len(made.where("fs")) == 1
    assert sum("its own watchdog" in line for line in made.story) == 1


def test_record_of_a_boot_that_another_followed_is_not_waited_for() -> None:
    made = trio()
    (home,) = made.where("db")
    made.records = False
    made.crash(home)
    made.run(6)
    made.boot(home)
    made.run(6)
    assert len(made.where("db")) == 1
    assert made.orders is not None
    assert made.orders.fenced == []
