"""A saved state is the same state."""

from __future__ import annotations

import pytest

from backstay.state import (
    Agent,
    ClusterState,
    Colocation,
    FailCount,
    Group,
    Location,
    Node,
    Operation,
    OpRecord,
    Primitive,
    ResourceHistory,
    ResourceMeta,
    Role,
)
from backstay.state.codec import StateFormatError, dump_state, load_state

STATE = ClusterState(
    now=12.5,
    nodes=(Node(name="n1", attributes={"rack": "a"}), Node(name="n2", unclean=True, online=False)),
    resources=(
        Group(
            id="g",
            members=(
                Primitive(
                    id="fs",
                    agent=Agent(standard="ocf", provider="heartbeat", type="Filesystem"),
                    params={"device": "/dev/x"},
                    operations=(Operation(name="monitor", interval_ms=10_000),),
                    meta=ResourceMeta(target_role=Role.STOPPED),
                ),
            ),
        ),
    ),
    constraints=(
        Location(id="l", resource="g", node="n1", score=5),
        Colocation(id="c", dependent="g", primary="g"),
    ),
    histories=(
        ResourceHistory(resource="fs", node="n1", operations=(OpRecord(operation="start", call_id=3),)),
    ),
    fail_counts=(FailCount(resource="fs", node="n1", operation="start", count=2, last_failure=1.5),),
)


def test_state_survives_the_way_through_text() -> None:
    assert load_state(dump_state(STATE)) == STATE


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"$class": "Nothing"}', '{"$class": "Node", "colour": 1}', "null"]
)
def test_garbage_is_refused_with_our_own_error(text: str) -> None:
    with pytest.raises(StateFormatError):
        load_state(text)
