"""A node that was cut off for so short a time that only it noticed."""

from __future__ import annotations

from backstay.api import HACluster
from backstay.liveness.nodes import NodeCondition
from harness.model_cluster import ModelCluster


def test_node_that_released_unseen_by_the_dc_is_asked_anew_and_comes_online() -> None:
    cluster = HACluster.parse({"metadata": {"name": "c", "uid": "c", "generation": 1}, "spec": {}})
    made = ModelCluster("n1", "n2", "n3", cluster=cluster)
    node = made.nodes["n1"]
    # It says so until it reads a plan that is newer than its word; its Lease never ran out here.
    node.released, node.synced = True, 1
    made.run(5)
    assert not node.released
    assert made.orders is not None
    assert made.orders.picture.membership.nodes["n1"].verdict.condition is NodeCondition.ONLINE
