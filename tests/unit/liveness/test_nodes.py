"""The table in backstay.liveness.nodes, row by row."""

from __future__ import annotations

import pytest

from backstay.liveness import NodeFacts, Pulse, has_quorum, judge_node, storm
from backstay.liveness.nodes import NodeCondition

ALIVE = {"pulse": Pulse.FRESH, "lease_boot": "b1", "status_boot": "b1", "synced": True}


@pytest.mark.parametrize(
    ("facts", "condition"),
    [
        (ALIVE, NodeCondition.ONLINE),
        (ALIVE | {"fenced_boot": "b1"}, NodeCondition.UNCLEAN),
        (ALIVE | {"status_boot": "b0"}, NodeCondition.PENDING),
        (ALIVE | {"synced": False}, NodeCondition.PENDING),
        ({"pulse": Pulse.WAITING, "before": NodeCondition.ONLINE}, NodeCondition.ONLINE),
        ({"pulse": Pulse.WAITING, "before": None}, NodeCondition.PENDING),
        ({"pulse": Pulse.WAITING, "before": NodeCondition.UNCLEAN}, NodeCondition.UNCLEAN),
        ({"pulse": Pulse.EXPIRED, "lease_boot": "b1", "fenced_boot": "b1"}, NodeCondition.OFFLINE),
        ({"pulse": Pulse.EXPIRED, "lease_boot": "b1", "may_run": True}, NodeCondition.UNCLEAN),
        ({"pulse": Pulse.EXPIRED, "lease_boot": "b1", "shutdown": True}, NodeCondition.OFFLINE),
        (
            {"pulse": Pulse.EXPIRED, "lease_boot": "b1", "shutdown": True, "may_run": True},
            NodeCondition.UNCLEAN,
        ),
        ({"pulse": Pulse.EXPIRED, "lease_boot": "b1"}, NodeCondition.UNCLEAN),
        ({"pulse": Pulse.ABSENT}, NodeCondition.OFFLINE),
        ({"pulse": Pulse.ABSENT, "status_boot": "b1", "may_run": True}, NodeCondition.UNCLEAN),
    ],
)
def test_judgement_follows_the_table(facts: dict[str, object], condition: NodeCondition) -> None:
    assert judge_node(NodeFacts(**facts)).condition is condition  # type: ignore[arg-type]


def test_without_fencing_a_lost_node_is_offline_only_if_it_released_everything() -> None:
    lost = {"pulse": Pulse.EXPIRED, "lease_boot": "b1", "may_run": True, "fencing_enabled": False}
    assert judge_node(NodeFacts(**lost, only_free=True)).condition is NodeCondition.OFFLINE  # type: ignore[arg-type]
    assert judge_node(NodeFacts(**lost, only_free=False)).condition is NodeCondition.UNCLEAN  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("members", "alive", "quorate"),
    [
        (1, 1, True),
        (2, 1, True),
        (2, 0, False),
        (3, 2, True),
        (3, 1, False),
        (4, 2, True),
        (4, 1, False),
        (5, 3, True),
        (5, 2, False),
        (0, 0, False),
    ],
)
def test_quorum_is_a_majority_with_the_api_as_tie_breaker(members: int, alive: int, quorate: bool) -> None:
    assert has_quorum(members=members, alive=alive) is quorate


@pytest.mark.parametrize(
    ("members", "lost", "brake"), [(3, 1, False), (3, 2, True), (5, 2, False), (5, 3, True), (2, 1, False)]
)
def test_storm_brake_trips_when_most_fall_silent_together(members: int, lost: int, brake: bool) -> None:
    assert storm(members=members, lost_together=lost) is brake
