"""How far agents are believed about epochs: what a real rewind needs, and no more."""

from __future__ import annotations

from typing import Any

import pytest

from backstay.liveness.epochs import (
    EPOCH_STEP_MAX,
    FREE_TERMS,
    PATIENCE_MAX_S,
    PATIENCE_MIN_S,
    ClaimPatience,
    claims_of,
    demand_of,
    epoch_of,
    heed,
    written_epoch,
)

NO_EPOCHS = [None, -1, 2**63, 10**4300, float("nan"), float("inf"), 1e999, "7", "²", True, [], {}]


def plan(
    cluster: str = "c", *, spec: object = 0, observed: object = 0, required: object = 0, node: str = "n1"
) -> dict[str, Any]:
    return {
        "metadata": {"name": node},
        "spec": {"cluster": cluster, "epoch": spec},
        "status": {"observedEpoch": observed, "requiredEpoch": required},
    }


def test_what_plans_carry_counts_whichever_cluster_wrote_it_since_no_plan_goes_back() -> None:
    plans = [plan("c", spec=3), plan("other", spec=9), {"metadata": {}}]
    assert written_epoch(plans) == 9
    assert written_epoch(plans, of_cluster="c") == 3
    assert written_epoch([]) == 0


def test_what_an_agent_has_seen_or_demands_counts_in_its_own_cluster_only() -> None:
    plans = [plan("c", observed=9), plan("c", observed=4, required=11, node="n2"), plan("d", observed=50)]
    assert claims_of(plans, "c") == {"n1": 9, "n2": 11}
    assert heed(plans, "c", known=7).highest == 11
    assert demand_of(plans, "c", known=7) == 11


@pytest.mark.parametrize("claim", [2**63 - 1, EPOCH_STEP_MAX + 8], ids=["the largest", "one too far"])
@pytest.mark.parametrize("kind", ["observed", "required"])
def test_claim_beyond_the_bound_raises_no_epoch_and_is_named(claim: int, kind: str) -> None:
    wild: dict[str, Any] = {kind: claim}
    plans = [plan(**wild), plan(observed=6, node="n2")]
    believed = heed(plans, "c", known=7)
    assert believed.highest == 6
    assert believed.ignored == {"n1": claim}
    assert demand_of(plans, "c", known=7) == 0
    assert not ClaimPatience().may_begin_term(plans, "c", ours=7, now=0.0)


def test_claim_at_the_bound_is_believed_as_after_the_restore_of_an_old_backup() -> None:
    plans = [plan(required=7 + EPOCH_STEP_MAX)]
    assert heed(plans, "c", known=7).highest == 7 + EPOCH_STEP_MAX
    assert ClaimPatience().may_begin_term(plans, "c", ours=7, now=0.0)


@pytest.mark.parametrize(
    "value",
    NO_EPOCHS,
    ids=str.split("null negative 2^63 4301-digits NaN Infinity 1e999 text superscript true list object"),
)
def test_what_is_no_epoch_counts_as_none_and_raises_nothing(value: object) -> None:
    assert epoch_of(value) == 0
    odd = [plan(spec=value, observed=value, required=value)]
    assert written_epoch(odd) == 0
    assert heed(odd, "c", known=3).ignored == {}


@pytest.mark.parametrize(
    "odd", [{"spec": None}, {"spec": []}, {"status": 7}, {"metadata": "x", "spec": {"cluster": "c"}}]
)
def test_plan_of_another_shape_says_nothing(odd: dict[str, Any]) -> None:
    assert heed([odd], "c", known=3).highest == 0


def test_same_node_begins_terms_ever_more_rarely_and_an_honest_one_at_once() -> None:
    patience, ours, now, begun = ClaimPatience(), 5, 0.0, []
    while now < 2 * PATIENCE_MAX_S:
        if patience.may_begin_term([plan(required=ours + 1)], "c", ours=ours, now=now):
            ours += 2
            begun.append(now)
        now += 1.0
    assert len(begun) < FREE_TERMS + 9, "a captured agent asks again at once, every second for two hours"
    assert begun[FREE_TERMS + 1] - begun[FREE_TERMS] >= PATIENCE_MIN_S
    assert patience.may_begin_term([plan(required=ours + 1, node="n2")], "c", ours=ours, now=now)


def test_what_was_met_begins_no_term() -> None:
    assert not ClaimPatience().may_begin_term([plan(observed=5, required=5)], "c", ours=5, now=0.0)
