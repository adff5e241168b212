"""Members that leave: drained, counted and fenced like any other, and gone only once they are proven to run nothing."""

from __future__ import annotations

from backstay.api import HACluster
from harness.model_cluster import ModelCluster
from unit.coordinator.test_failover import cluster, power_switch, resource

WHY = "its Node was deleted"


def trio(settings: HACluster | None = None) -> ModelCluster:
    made = ModelCluster("n1", "n2", "n3", cluster=settings or cluster())
    made.add(power_switch(), resource("db"))
    made.run(6)
    return made


def condition(made: ModelCluster, name: str) -> str:
    assert made.orders is not None
    return made.orders.picture.membership.nodes[name].verdict.condition.value


def voters(made: ModelCluster) -> int:
    assert made.orders is not None
    return len(made.orders.picture.membership.voters)


def test_healthy_member_is_drained_before_it_leaves_and_nobody_is_fenced() -> None:
    made = trio()
    (home,) = made.where("db")
    seen = len(made.log)
    made.leave(home, WHY)
    made.run(6)
    (new,) = made.where("db")
    assert new != home
    assert made.actions(since=seen) == [f"{home} stop db", f"{new} start db"]
    assert made.left == {home: "it has stopped everything"}
    assert voters(made) == 2
    assert any(line == f"Node {home} has left the cluster" for line in made.story)


def test_member_whose_stop_fails_is_fenced_before_it_leaves() -> None:
    made = trio()
    (home,) = made.where("db")
    made.outcome = lambda node, action: 1 if action.verb == "stop" else action.target_rc
    made.leave(home, WHY)
    made.run(15)
    assert made.fence_log == [f"{made.fence_log[0].split(':')[0]}: pdu reboot {home}"]
    assert made.where("db") != [home]
    assert made.left == {home: "fenced"}


def test_member_that_is_lost_as_it_leaves_is_fenced_before_anything_moves() -> None:
    made = trio()
    (home,) = made.where("db")
    made.leave(home, WHY)
    made.crash(home)
    made.run(12)
    assert [line.split()[-1] for line in made.fence_log] == [home]
    assert made.where("db") not in ([], [home])
    assert made.left == {home: "fenced"}


def test_silent_member_stays_unclean_while_it_cannot_be_fenced() -> None:
    made = trio()
    (home,) = made.where("db")
    made.outcome = lambda node, action: 1 if action.verb == "fence" else action.target_rc
    made.leave(home, WHY)
    made.cut(home)
    made.run(30)
    assert condition(made, home) == "Unclean"
    assert made.where("db") == [home]
    assert made.left == {}
    assert voters(made) == 3


def test_member_that_leaves_counts_for_the_quorum_until_it_has_left() -> None:
    made = trio()
    (home,) = made.where("db")
    made.set_resource("db", isManaged=False)
    made.run(1)
    made.leave(home, WHY)
    made.run(10)
    assert made.left == {}
    assert voters(made) == 3
    assert made.where("db") == [home]


def test_member_stays_when_its_node_comes_back() -> None:
    made = trio()
    (home,) = made.where("db")
    made.set_resource("db", isManaged=False)
    made.leave(home, WHY)
    made.run(5)
    made.stay(home)
    made.set_resource("db", isManaged=True)
    made.run(5)
    assert made.where("db") == [home]
    assert condition(made, home) == "Online"


def test_member_whose_every_object_is_deleted_at_once_is_drained() -> None:
    made = trio()
    (home,) = made.where("db")
    made.delete_all_of(home)
    made.run(8)
    assert made.where("db") not in ([], [home])
    assert home in made.left


def test_member_whose_every_object_is_deleted_and_that_dies_is_fenced_by_name() -> None:
    made = trio()
    (home,) = made.where("db")
    made.delete_all_of(home)
    made.crash(home)
    made.run(12)
    assert [line.split()[-1] for line in made.fence_log] == [home]
    assert made.where("db") not in ([], [home])
    assert made.left == {home: "fenced"}


def test_member_without_an_hanode_goes_on_as_before() -> None:
    made = trio()
    (home,) = made.where("db")
    seen = len(made.log)
    made.hide_hanode(home)
    made.run(10)
    assert made.actions(since=seen) == []
    assert voters(made) == 3
    made.crash(home)
    made.run(10)
    assert [line.split()[-1] for line in made.fence_log] == [home]


def test_standby_is_remembered_while_the_hanode_cannot_be_read() -> None:
    made = trio()
    (home,) = made.where("db")
    other = next(name for name in made.nodes if name != home)
    third = next(name for name in made.nodes if name not in (home, other))
    made.set_node(other, standby=True)
    made.run(3)
    made.hide_hanode(other)
    made.run(3)
    made.crash(home)
    made.run(10)
    assert made.where("db") == [third]


def test_dc_that_takes_over_while_a_member_leaves_goes_on_with_it() -> None:
    made = trio()
    (home,) = made.where("db")
    made.leave(home, WHY)
    made.new_dc(fresh_eyes=True)
    made.run(12)
    assert made.where("db") not in ([], [home])
    assert home in made.left
    assert made.fence_log == []
