"""Clusters with enableStartupProbes: false: nobody looks at what runs, so nothing that says what runs may be forgotten."""

from __future__ import annotations

from backstay.api import HACluster
from harness.model_cluster import ModelCluster
from unit.coordinator.test_failover import power_switch, resource


def cluster_without_probes() -> ModelCluster:
    spec = {"properties": {"stonithEnabled": True, "enableStartupProbes": False}}
    metadata = {"name": "c", "uid": "c", "generation": 1}
    made = ModelCluster("n1", "n2", "n3", cluster=HACluster.parse({"metadata": metadata, "spec": spec}))
    made.add(power_switch(), resource("R"))
    return made


def test_what_runs_is_not_started_elsewhere_when_it_is_refreshed() -> None:
    """Seeds 101 to 106 of the simulation without probes: each refresh was a second copy."""
    made = cluster_without_probes()
    made.run(5)
    home = made.where("R")
    assert len(home) == 1
    made.request("R", {"id": "x", "type": "refresh"})
    made.run(10)
    assert made.where("R") == home
    assert len([line for line in made.log if "start R" in line]) == 1, made.log
    assert [one.state for one in made.acks("R")] == ["Done"]
