"""A node whose Lease is not there: deleted, or not made yet."""

from __future__ import annotations

from backstay.api import HACluster
from harness.model_cluster import ModelCluster


def made() -> ModelCluster:
    cluster = HACluster.parse({"metadata": {"name": "c", "uid": "c", "generation": 1}, "spec": {}})
    return ModelCluster("n1", "n2", "n3", cluster=cluster)


def test_lease_that_is_away_for_a_moment_makes_nobody_unclean() -> None:
    trio = made()
    trio.run(5)
    trio.nodes["n1"].linked = False
    trio.tracker.forget("n1")
    trio.run(2)
    trio.heal("n1")
    trio.run(3)
    assert not [line for line in trio.story if "n1 is Unclean" in line]
    assert trio.orders is not None
    assert "n1" in trio.orders.picture.membership.online


def test_lease_that_stays_away_is_a_node_lost() -> None:
    trio = made()
    trio.run(5)
    trio.nodes["n1"].linked = False
    trio.tracker.forget("n1")
    trio.run(6)
    assert [line for line in trio.story if "n1 is Unclean" in line]
