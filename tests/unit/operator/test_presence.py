"""Leases of replicas that were killed are removed; nobody else's."""

from __future__ import annotations

from typing import Any

from backstay_operator.presence import AT_ONCE_MAX, DEAD_AFTER_S, Presences


def lease(name: str, version: int) -> dict[str, Any]:
    return {"metadata": {"name": name, "resourceVersion": str(version)}}


def test_presence_that_nobody_renews_is_dead_by_our_own_clock_and_a_renewed_one_is_not() -> None:
    seen = Presences("operator-me")
    assert seen.dead([lease("operator-a", 1), lease("operator-b", 2)], 0.0) == []
    assert seen.dead([lease("operator-a", 1), lease("operator-b", 9)], DEAD_AFTER_S) == [("operator-a", "1")]


def test_our_own_and_nodes_and_dcs_leases_are_left_alone() -> None:
    seen, leases = (
        Presences("operator-me"),
        [lease(name, 1) for name in ("operator-me", "node-n1", "dc-sandbox")],
    )
    seen.dead(leases, 0.0)
    assert seen.dead(leases, 10 * DEAD_AFTER_S) == []


def test_many_dead_are_removed_a_few_at_a_time_and_those_that_are_gone_are_forgotten() -> None:
    seen, leases = Presences("operator-me"), [lease(f"operator-{number:03}", 1) for number in range(50)]
    seen.dead(leases, 0.0)
    assert len(seen.dead(leases, DEAD_AFTER_S)) == AT_ONCE_MAX
    assert seen.dead([], DEAD_AFTER_S) == []
    assert seen.dead(leases, DEAD_AFTER_S) == []
