"""A DC whose API went back in time: what it refuses, and whom it counts."""

from __future__ import annotations

from backstay.api.node import FencedStatus
from backstay.api.plan import OperationRecord
from backstay.coordinator import Coordinator
from harness.model_cluster import ModelCluster
from unit.coordinator.test_failover import cluster, group, power_switch, resource
from unit.coordinator.test_vouching import model
from unit.coordinator.test_watchdog import trio as guarded


def rewound(made: ModelCluster) -> None:
    """As the operator does it: ages begin anew, a new term begins."""
    made.tracker.begin_anew(made.now)
    made.epoch += 1
    status = made.cluster.status.model_copy(update={"rewound_epoch": made.epoch})
    made.cluster = made.cluster.model_copy(update={"status": status})
    made.dc = Coordinator(
        cluster="c", epoch=made.epoch, number=0, tracker=made.tracker, homes={}, term="b", rewound=True
    )


def trio() -> ModelCluster:
    made = ModelCluster("n1", "n2", "n3", cluster=cluster())
    made.add(power_switch(), resource("db"))
    made.run(6)
    return made


def test_requests_that_stand_in_the_past_are_not_carried_out_again() -> None:
    made = trio()
    home = made.where("db")
    made.request_node("n2", {"id": "dead", "type": "confirm"})
    made.request_node("n3", {"id": "off", "type": "fence"})
    rewound(made)
    made.run(10)
    assert made.fence_log == []
    assert made.where("db") == home
    assert [one.state for name in ("n2", "n3") for one in made.node_acks(name)] == ["Refused", "Refused"]


def test_request_made_after_the_past_is_carried_out() -> None:
    made = trio()
    rewound(made)
    made.run(10)
    made.request_node("n3", {"id": "again", "type": "fence"})
    made.run(5)
    assert made.fence_log[0].endswith("reboot n3")


def test_nothing_moves_and_nobody_is_fenced_because_the_api_went_back() -> None:
    made = trio()
    seen = len(made.log)
    rewound(made)
    made.run(20)
    assert made.actions(since=seen) == []
    assert sum(line.startswith("The API's history went back") for line in made.story) == 1


def test_node_that_demands_a_newer_epoch_has_not_answered() -> None:
    made = trio()
    plan = made.nodes["n2"].plan
    assert plan is not None
    made.new_dc()
    plan.status.required_epoch = made.epoch + 1
    made.run(3)
    assert made.orders is not None
    assert not made.orders.picture.membership.nodes["n2"].usable


def test_administrator_cannot_confirm_a_node_dead_that_was_not_watched_for_a_lease() -> None:
    made = trio()
    made.tracker.begin_anew(made.now)
    made.cut("n2")
    made.request_node("n2", {"id": "dead", "type": "confirm"})
    made.run(1)
    assert [one.state for one in made.node_acks("n2")] == ["Refused"]


def test_renewal_of_a_node_that_obeys_another_dc_is_no_answer_to_this_ones_challenge() -> None:
    made = model("n1", "n2", "n3")
    (home,) = made.where("ip")
    others = [name for name in made.nodes if name != home]
    made.crash(home)
    made.run(2.9)
    assert made.dc is not None
    judge = made.dc._members.judge
    judge.obeyed_by = frozenset()
    assert not judge.may_take(home, others, made.now)
    judge.obeyed_by = frozenset(others)
    assert judge.may_take(home, others, made.now)


def forgotten(made: ModelCluster, name: str) -> None:
    """The backup is from before the node was given anything to run, or peers to ask."""
    plan = made.nodes[name].plan
    assert plan is not None
    gone = {"history": [], "results": [], "pending": [], "absences": []}
    made.nodes[name].plan = plan.model_copy(
        update={
            "spec": plan.spec.model_copy(update={"vouching": None, "actions": []}),
            "status": plan.status.model_copy(update=gone),
        }
    )


def test_what_a_silent_node_was_given_since_the_backup_starts_nowhere_else_while_it_lives_by_promises() -> (
    None
):
    """Seed 424 of the simulation: by the restored history nothing ran on the node, so the address was started elsewhere at once."""
    made = model("n1", "n2", "n3")
    (home,) = made.where("ip")
    peer = next(name for name in made.nodes if name != home)
    made.cut(home)
    made.nodes[home].vouched = made.nodes[peer].promised = True
    forgotten(made, home)
    rewound(made)
    made.run(10)
    assert made.where("ip") == [home]
    assert made.orders is not None
    assert made.orders.picture.held == {"ip": "HistoryWentBack"}
    made.nodes[home].vouched = made.nodes[peer].promised = False
    made.run(6)
    assert made.where("ip") not in ([], [home])


def test_node_that_is_heard_and_has_not_answered_may_run_anything() -> None:
    made = trio()
    (home,) = made.where("db")
    forgotten(made, home)
    made.nodes[home].obeys = False
    rewound(made)
    made.run(20)
    assert made.where("db") == [home]
    made.nodes[home].obeys = True
    made.run(5)
    assert made.where("db") == [home]


def test_record_of_a_fencing_from_before_the_history_went_back_proves_nothing() -> None:
    made = trio()
    (home,) = made.where("db")
    made.cut(home)
    forgotten(made, home)
    record = FencedStatus(
        boot_id=made.nodes[home].boot_id, action="reboot", by="pdu", time="2026-01-01T00:00:00Z"
    )
    made.set_status(home, fenced=record)
    rewound(made)
    made.run(8)
    assert [line.split()[-1] for line in made.fence_log] == [home]
    assert made.where("db") not in ([], [home])


def test_node_that_was_fenced_since_is_accounted_for_by_the_next_dc_too() -> None:
    made = trio()
    (home,) = made.where("db")
    made.crash(home)
    rewound(made)
    made.outcome = lambda _node, action: 0 if action.verb == "fence" else action.target_rc
    made.run(8)
    assert len(made.fence_log) == 1
    made.new_dc()
    made.run(8)
    assert made.where("db") not in ([], [home])
    assert len(made.fence_log) == 1


def test_watchdog_that_was_armed_in_the_past_proves_no_death() -> None:
    """It may have been disarmed since the backup."""
    made = guarded()
    (home,) = made.where("fs")
    made.cut(home)
    rewound(made)
    made.run(60)
    assert made.where("fs") == [home]
    assert made.orders is not None
    assert not made.orders.needs_list
    assert "kubectl ha fence confirm" in made.orders.picture.fencing[home][-1].message


def idle_in_the_past(made: ModelCluster, name: str) -> None:
    """The backup is from when it had been asked, and ran nothing."""
    forgotten(made, name)
    plan = made.nodes[name].plan
    assert plan is not None
    plan.status.history = [OperationRecord(resource="db", operation="monitor", rc=7, target_rc=7, call_id=1)]


def test_storm_brake_lets_nothing_start_that_a_braked_node_may_run() -> None:
    """To the scheduler a braked node is online and frozen, so that nothing waits for its fencing."""
    made = ModelCluster("n1", "n2", "n3", cluster=cluster(noQuorumPolicy="ignore"))
    made.add(power_switch(), resource("db"))
    made.run(4)
    (home,) = made.where("db")
    others = [name for name in made.nodes if name != home]
    for name in (home, others[1]):
        made.cut(name)
    idle_in_the_past(made, home)
    rewound(made)
    made.run(10)
    assert made.orders is not None
    assert made.orders.picture.membership.brake.engaged
    assert made.where("db") == [home]
    made.heal(others[1])
    made.run(8)
    assert [line.split()[-1] for line in made.fence_log] == [home]
    assert made.where("db") not in ([], [home])


def test_group_on_nodes_that_answer_moves_while_another_does_not() -> None:
    """Step by step: what has been stopped is not held back on its way."""
    made = ModelCluster("n1", "n2", "n3", cluster=cluster())
    made.add(power_switch(), resource("fs"), resource("web"), group("app", "fs", "web"))
    made.run(5)
    (home,) = made.where("web")
    others = [name for name in made.nodes if name != home]
    made.nodes[others[1]].obeys = False
    made.slow = True
    rewound(made)
    made.run(6)
    made.set_node(home, standby=True)
    made.run(12)
    assert made.where("fs") == made.where("web") == [others[0]]


def test_node_that_the_past_does_not_know_is_waited_for_one_lease() -> None:
    made = trio()
    (home,) = made.where("db")
    made.nodes[home].plan = None
    made.tracker.forget(home)
    made.cut(home)
    rewound(made)
    made.run(2.8)
    assert made.where("db") == [home]
    assert made.orders is not None
    assert made.orders.picture.held == {"db": "HistoryWentBack"}
