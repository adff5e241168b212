"""Which epoch a DC must be above."""

from __future__ import annotations

from typing import Any

from backstay_operator.dc import highest_epoch


def plan(cluster: str, *, spec: int = 0, observed: int | None = None) -> dict[str, Any]:
    status = {} if observed is None else {"observedEpoch": observed}
    return {"spec": {"cluster": cluster, "epoch": spec}, "status": status}


def test_what_an_agent_remembers_counts_as_much_as_what_a_plan_carries() -> None:
    assert highest_epoch([plan("c", spec=3), plan("c", spec=1, observed=9), {"metadata": {}}]) == 9
    assert highest_epoch([plan("c", spec=4, observed=2)]) == 4
    assert highest_epoch([]) == 0


def test_what_another_cluster_had_does_not_count_within_a_term() -> None:
    assert highest_epoch([plan("c", spec=3), plan("other", observed=9)], of_cluster="c") == 3
