"""What is counted and shown: moves with their causes, phases of a failover, the names that ha_cluster_exporter's users know, and
nothing of what is gone. The cluster is the model of harness.model_cluster; the text is what a scraper gets."""

from __future__ import annotations

import re

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from backstay.api import FenceDevice, HACluster, HAResource, ResourceGroup
from backstay.coordinator import Orders, StoryItem, Tale
from backstay.state.assemble import Objects
from backstay_operator.exposition import SceneCollector, Shown
from backstay_operator.metrics import Metrics
from backstay_operator.statuses import Scene
from harness.model_cluster import ModelCluster
from harness.model_node import ModelNode

SAMPLE = re.compile(r"^(?P<name>[a-z_]+)(\{(?P<labels>.*)\})? (?P<value>\S+)$")
LABEL = re.compile(r'(\w+)="([^"]*)"')


def resource(name: str, **meta: object) -> HAResource:
    operations = [{"name": "monitor", "interval": "10s"}]
    spec = {"agent": "ocf:heartbeat:Dummy", "params": {"state": name}, "operations": operations, "meta": meta}
    return HAResource.parse({"metadata": {"name": name, "namespace": "default"}, "spec": spec})


def group(name: str, *members: str) -> ResourceGroup:
    spec = {"members": [{"resource": member} for member in members]}
    return ResourceGroup.parse({"metadata": {"name": name, "namespace": "default"}, "spec": spec})


class Measured:
    """A model cluster whose steps are counted as the operator counts them."""

    def __init__(self, *names: str, **properties: object) -> None:
        spec = {"properties": properties, "resourceDefaults": {"resourceStickiness": 1}}
        parsed = HACluster.parse({"metadata": {"name": "c", "uid": "c", "generation": 1}, "spec": spec})
        self.model = ModelCluster(*names, cluster=parsed)
        self.metrics, self.scenes = Metrics(CollectorRegistry()), SceneCollector()
        self.metrics.registry.register(self.scenes)
        self.metrics.elected("c")
        self.model.watchers.append(self._step)

    def _step(self, objects: Objects, orders: Orders) -> None:
        index = orders.picture.assembly.index
        for item in orders.story:
            lost = self.model.tracker.ages(self.model.now).get(str(item.facts.get("node")))
            about = index.group_of.get(str(item.facts.get("resource", "")), "")
            self.metrics.told(
                "c", item, group=about, lost_after_s=lost if item.tale is Tale.NODE_LOST else None
            )
        self.metrics.stepped("c", orders, 0.002)
        self.metrics.tidy("c", resources=index.objects, nodes=orders.picture.membership.nodes)
        scene = Scene(
            picture=orders.picture,
            objects=objects,
            problems=orders.picture.assembly.problems,
            acks={},
            why={},
            epoch=1,
            number=1,
            dc="n1",
            dc_since=0.0,
            operators=("n1",),
            dc_node="n1",
            now=self.model.wall,
        )
        ages = self.model.tracker.ages(self.model.now)
        shown = Shown(
            scene=scene,
            lease_ages=lambda: ages,
            agent_present=lambda node: node != "n3",
            queues=lambda: {"events": 3},
        )
        self.scenes.show("c", shown)

    def scrape(self, name: str, **wanted: str) -> list[tuple[dict[str, str], float]]:
        """Samples of `name` that have these labels."""
        found = []
        for line in generate_latest(self.metrics.registry).decode().splitlines():
            match = SAMPLE.match(line)
            if match is not None and match["name"] == name:
                labels = dict(LABEL.findall(match["labels"] or ""))
                if wanted.items() <= labels.items():
                    found.append((labels, float(match["value"])))
        return found

    def value(self, name: str, **wanted: str) -> float:
        found = self.scrape(name, **wanted)
        assert len(found) == 1, found
        return found[0][1]


@pytest.fixture
def trio() -> Measured:
    made = Measured("n1", "n2", "n3")
    pdu = {"metadata": {"name": "pdu"}, "spec": {"cluster": "c", "agent": "stonith:fence_sandbox"}}
    made.model.add(FenceDevice.parse(pdu))
    return made


def test_move_after_a_lost_node_is_counted_with_group_places_and_cause(trio: Measured) -> None:
    trio.model.add(resource("fs"), resource("web"), group("app", "fs", "web"))
    trio.model.run(5)
    (home,) = trio.model.where("web")
    assert trio.scrape("backstay_resource_moves_total") == []
    trio.model.crash(home)
    trio.model.run(8)
    (new,) = trio.model.where("web")
    labels = {"cluster": "c", "from": home, "to": new, "reason": "node_lost"}
    assert trio.value("backstay_resource_moves_total", resource="web", group="app", **labels) == 1
    assert trio.value("backstay_resource_moves_total", resource="app", group="", **labels) == 1
    assert trio.value("backstay_nodes_lost_total", node=home) == 1
    assert trio.value("backstay_fencings_total", node=home, result="success") == 1
    assert trio.value("backstay_fencings_total", node=new, result="success") == 0


def test_failed_fencing_is_counted_for_the_node_that_should_have_been_fenced(trio: Measured) -> None:
    trio.model.add(resource("fs"))
    trio.model.run(5)
    (home,) = trio.model.where("fs")
    trio.model.outcome = lambda _node, action: 1 if action.verb == "fence" else action.target_rc
    trio.model.crash(home)
    trio.model.run(8)
    assert trio.value("backstay_fencings_total", node=home, result="failure") >= 1
    others = [node for node in trio.model.nodes if node != home]
    assert [trio.value("backstay_fencings_total", node=node, result="failure") for node in others] == [0, 0]


def test_device_that_does_not_answer_its_check_is_no_failed_fencing(trio: Measured) -> None:
    trio.model.outcome = lambda _node, action: (
        1 if (action.verb, action.fence_action) == ("fence", "monitor") else action.target_rc
    )
    trio.model.run(5)
    assert any("cannot be reached" in line for line in trio.model.story)
    assert not any(
        trio.value("backstay_fencings_total", node=node, result="failure") for node in trio.model.nodes
    )


def test_phases_of_a_failover_are_observed_each_once(trio: Measured) -> None:
    trio.model.add(resource("web"))
    trio.model.run(5)
    (home,) = trio.model.where("web")
    trio.model.crash(home)
    trio.model.run(8)
    counts = {
        labels["phase"]: value
        for labels, value in trio.scrape("backstay_failover_seconds_count", cluster="c")
    }
    assert counts == {"detect": 1, "decide": 1, "fence": 1, "start": 1}
    detect = trio.value("backstay_failover_seconds_sum", phase="detect")
    assert 3.0 <= detect < 4.0, "a lease is 3 s"


def test_clean_move_has_a_stop_and_no_detection(trio: Measured) -> None:
    trio.model.add(resource("web"))
    trio.model.run(5)
    (home,) = trio.model.where("web")
    trio.model.set_node(home, standby=True)
    trio.model.run(5)
    phases = {labels["phase"] for labels, _ in trio.scrape("backstay_failover_seconds_count")}
    assert phases == {"stop", "start"}
    assert trio.value("backstay_resource_moves_total", resource="web", reason="request") == 1


def test_resource_is_shown_as_the_exporter_would(trio: Measured) -> None:
    trio.model.add(resource("fs"), resource("web"), group("app", "fs", "web"))
    trio.model.run(5)
    (home,) = trio.model.where("web")
    shown = trio.scrape("ha_cluster_pacemaker_resources", resource="web")
    assert {labels["status"]: value for labels, value in shown} == {
        "active": 1,
        "orphaned": 0,
        "blocked": 0,
        "failed": 0,
        "failure_ignored": 0,
    }
    assert shown[0][0] == {
        "cluster": "c",
        "node": home,
        "resource": "web",
        "role": "started",
        "managed": "true",
        "status": shown[0][0]["status"],
        "agent": "ocf:heartbeat:Dummy",
        "group": "app",
        "clone": "",
    }


def test_series_of_where_a_resource_was_go_away(trio: Measured) -> None:
    trio.model.add(resource("web"))
    trio.model.run(5)
    (home,) = trio.model.where("web")
    trio.model.set_node(home, standby=True)
    trio.model.run(5)
    nodes = {labels["node"] for labels, _ in trio.scrape("ha_cluster_pacemaker_resources", resource="web")}
    assert nodes == set(trio.model.where("web"))


def test_deleted_resource_takes_all_its_series_along(trio: Measured) -> None:
    trio.model.add(resource("web"), resource("other"))
    trio.model.run(5)
    (home,) = trio.model.where("web")
    trio.model.set_node(home, standby=True)
    trio.model.run(5)
    assert trio.scrape("backstay_resource_moves_total", resource="web")
    del trio.model.resources[0]
    trio.model.set_node(home, standby=False)  # in standby a node keeps what it knows, as Pacemaker's do
    trio.model.run(10)
    text = generate_latest(trio.metrics.registry).decode()
    assert 'resource="other"' in text
    assert 'resource="web"' not in text


def test_failures_are_shown_beside_the_threshold_and_move_nothing_below_it(trio: Measured) -> None:
    trio.model.add(resource("web", migrationThreshold=3))
    trio.model.run(5)
    (home,) = trio.model.where("web")
    trio.model.fail_monitor(home, "web")
    trio.model.run(5)
    assert trio.value("ha_cluster_pacemaker_fail_count", node=home, resource="web") == 1
    assert trio.value("ha_cluster_pacemaker_migration_threshold", node=home, resource="web") == 3
    assert trio.scrape("backstay_resource_moves_total") == []


def test_recovery_in_place_is_no_move(trio: Measured) -> None:
    facts = {"resource": "web", "from": "n1", "to": "n1", "reason": "monitor of web failed on n1"}
    trio.metrics.told("c", StoryItem(tale=Tale.RECOVERED, message="", facts=facts), group="app")
    assert trio.value("backstay_resource_recoveries_total", resource="web", group="app", node="n1") == 1
    assert trio.scrape("backstay_resource_moves_total") == []


def test_failed_start_counts_as_infinite(trio: Measured) -> None:
    def start_fails_on_n1(node: ModelNode, action: object) -> int:
        return 1 if node.name == "n1" and getattr(action, "verb", "") == "start" else action.target_rc  # type: ignore[attr-defined]

    trio.model.outcome = start_fails_on_n1
    trio.model.add(resource("a"), resource("b"), resource("d"))
    trio.model.run(10)
    counts = [value for _, value in trio.scrape("ha_cluster_pacemaker_fail_count", node="n1")]
    assert float("inf") in counts


def test_nodes_quorum_and_votes_follow_a_loss(trio: Measured) -> None:
    trio.model.run(5)
    assert trio.value("ha_cluster_corosync_quorum_votes", type="total_votes") == 3
    trio.model.crash("n3")
    trio.model.run(3.5)
    assert trio.value("ha_cluster_pacemaker_nodes", node="n3", status="online") == 0
    assert trio.value("ha_cluster_pacemaker_nodes", node="n1", status="dc") == 1
    assert trio.value("ha_cluster_corosync_quorum_votes", type="total_votes") == 2
    assert trio.value("ha_cluster_corosync_quorum_votes", type="quorum") == 2
    assert trio.value("ha_cluster_corosync_quorate") == 1
    trio.model.crash("n2")
    trio.model.run(5)
    assert trio.value("ha_cluster_corosync_quorate") == 0


def test_keeper_that_misses_its_agent_shows(trio: Measured) -> None:
    trio.model.run(2)
    shown = {labels["node"]: value for labels, value in trio.scrape("backstay_agent_present")}
    assert shown == {"n1": 1, "n2": 1, "n3": 0}


def test_stopped_on_request_is_not_wanted(trio: Measured) -> None:
    trio.model.add(resource("web", targetRole="Stopped"), resource("other"))
    trio.model.run(5)
    assert trio.value("backstay_resource_wanted", resource="web") == 0
    assert trio.value("backstay_resource_wanted", resource="other") == 1
    assert trio.value("backstay_resource_ready", resource="other") == 1
    assert trio.value("ha_cluster_pacemaker_resources", resource="web", status="active", role="stopped") == 0


def test_replica_that_leads_no_more_shows_nothing_of_the_cluster(trio: Measured) -> None:
    trio.model.add(resource("web"))
    trio.model.run(5)
    trio.metrics.stands("c")
    trio.scenes.hide("c")
    assert trio.value("backstay_dc", cluster="c") == 0
    assert trio.scrape("ha_cluster_pacemaker_resources") == []


def test_deleted_cluster_leaves_no_series(trio: Measured) -> None:
    trio.model.add(resource("web"))
    trio.model.run(5)
    trio.scenes.hide("c")
    trio.metrics.forget("c")
    assert 'cluster="c"' not in generate_latest(trio.metrics.registry).decode()


def test_two_clusters_share_one_exposition(trio: Measured) -> None:
    trio.model.run(5)
    trio.scenes.show("d", trio.scenes._shown["c"])
    clusters = {labels["cluster"] for labels, _ in trio.scrape("ha_cluster_corosync_quorate")}
    assert clusters == {"c", "d"}
    text = generate_latest(trio.metrics.registry).decode()
    assert text.count("# TYPE ha_cluster_corosync_quorate gauge") == 1


def test_node_whose_disk_takes_no_records_shows(trio: Measured) -> None:
    trio.model.nodes["n2"].disk_full = True
    trio.model.run(3)
    shown = {labels["node"]: value for labels, value in trio.scrape("backstay_node_recording")}
    assert shown == {"n1": 1, "n2": 0, "n3": 1}
