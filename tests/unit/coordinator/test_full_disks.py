"""What the DC does with a node whose disk takes no records: it starts nothing there, leaves what runs, and says so."""

from __future__ import annotations

import pytest

from backstay.api import HACluster, HAResource, ResourceGroup
from backstay.coordinator import StoryItem, Tale
from harness.model_cluster import ModelCluster


def resource(name: str, **meta: object) -> HAResource:
    spec = {
        "agent": "ocf:heartbeat:Dummy",
        "params": {"state": name},
        "operations": [{"name": "monitor", "interval": "10s"}],
        "meta": meta,
    }
    return HAResource.parse({"metadata": {"name": name, "namespace": "default"}, "spec": spec})


def group(name: str, *members: str) -> ResourceGroup:
    spec = {"members": [{"resource": member} for member in members]}
    return ResourceGroup.parse({"metadata": {"name": name, "namespace": "default"}, "spec": spec})


@pytest.fixture
def trio() -> ModelCluster:
    spec = {"properties": {"stonithEnabled": False}, "resourceDefaults": {"resourceStickiness": 1}}
    cluster = HACluster.parse({"metadata": {"name": "c", "uid": "c", "generation": 1}, "spec": spec})
    made = ModelCluster("n1", "n2", "n3", cluster=cluster)
    made.stories = []  # type: ignore[attr-defined]
    made.watchers.append(lambda _objects, orders: made.stories.extend(orders.story))  # type: ignore[attr-defined]
    return made


def told(trio: ModelCluster, tale: Tale) -> list[StoryItem]:
    return [item for item in trio.stories if item.tale is tale]  # type: ignore[attr-defined]


def test_nothing_is_started_on_a_node_whose_disk_is_full(trio: ModelCluster) -> None:
    trio.run(2)
    for name in ("n1", "n2"):
        trio.nodes[name].disk_full = True
    trio.run(1)
    trio.add(*(resource(f"r{number}") for number in range(6)))
    trio.run(5)
    assert {tuple(trio.where(f"r{number}")) for number in range(6)} == {("n3",)}
    assert not [action for action in trio.actions() if " start " in action and not action.startswith("n3")]


def test_what_runs_on_a_full_disk_stays_and_moves_when_it_has_to_be_started_anew(trio: ModelCluster) -> None:
    trio.add(resource("web"))
    trio.run(5)
    (home,) = trio.where("web")
    trio.nodes[home].disk_full = True
    trio.run(5)
    assert trio.where("web") == [home]
    trio.fail_monitor(home, "web")
    trio.run(5)
    (new,) = trio.where("web")
    assert new != home


def test_refused_start_does_not_keep_the_dc_busy(trio: ModelCluster) -> None:
    """Everywhere full: it is written once that nothing can be done, not again and again."""
    trio.run(2)
    for node in trio.nodes.values():
        node.disk_full = True
    trio.run(1)
    trio.add(resource("web"))
    trio.run(10)
    assert trio.where("web") == []
    assert len(told(trio, Tale.ABORTED)) <= 1
    for node in trio.nodes.values():
        node.disk_full = False
    trio.run(5)
    assert len(trio.where("web")) == 1


def test_start_that_was_refused_counts_as_not_run(trio: ModelCluster) -> None:
    """The disk fills up between the order and its record: no failure, no stop, started elsewhere."""
    trio.run(2)
    refusing: list[str] = []
    trio.add(resource("web"))
    # Whoever is chosen refuses its first order, and says why in the same write.
    original = trio._execute

    def execute(node: object, action: object, failed: set[str]) -> tuple[str, int | None]:
        if action.verb == "start" and not refusing:  # type: ignore[attr-defined]
            refusing.append(node.name)  # type: ignore[attr-defined]
            node.disk_full = True  # type: ignore[attr-defined]
        return original(node, action, failed)  # type: ignore[arg-type]

    trio._execute = execute  # type: ignore[method-assign,assignment]
    trio.run(5)
    (home,) = trio.where("web")
    assert home not in refusing
    assert not [action for action in trio.actions() if action.endswith("stop web")]


def test_group_moves_whole_when_a_member_cannot_be_started_again_where_it_is(trio: ModelCluster) -> None:
    trio.add(resource("fs"), resource("web"), group("app", "fs", "web"))
    trio.run(5)
    (home,) = trio.where("web")
    trio.nodes[home].disk_full = True
    trio.run(1)
    trio.fail_monitor(home, "web")
    trio.run(8)
    assert trio.where("fs") == trio.where("web") != [home]
    assert len(trio.where("fs")) == 1


def test_disk_that_takes_no_records_is_an_event_on_the_node_once(trio: ModelCluster) -> None:
    trio.run(2)
    trio.nodes["n2"].disk_full = True
    trio.run(5)
    (item,) = told(trio, Tale.RECORDING)
    assert item.warning
    assert item.subject is not None
    assert (item.subject.kind, item.subject.name) == ("HANode", "n2")
    assert "No space left on device" in item.message
    trio.nodes["n2"].disk_full = False
    trio.run(2)
    assert len(told(trio, Tale.RECORDING_AGAIN)) == 1
