"""A captured agent harms its own node only; and what holds that, taken away, is noticed by these very tests."""

from __future__ import annotations

import pytest

from backstay.coordinator.former_boots import FormerBoots
from backstay.liveness.epochs import EPOCH_STEP_MAX
from harness.model_cluster import ModelCluster
from harness.model_node import DoubleActive
from unit.coordinator.test_identity import NEWCOMER, trio, usurped, view


@pytest.mark.parametrize("claim", [2**63 - 1, EPOCH_STEP_MAX + 100])
def test_epoch_beyond_belief_costs_its_own_node_and_the_others_go_on(claim: int) -> None:
    made = trio()
    (home,) = made.where("db")
    captured = next(name for name in made.nodes if name != home)
    plan = made.nodes[captured].plan
    assert plan is not None
    made.nodes[captured].obeys = False
    plan.status.required_epoch = claim
    made.new_dc()
    made.run(10)
    assert not view(made, captured).usable
    assert f"claims epoch {claim}" in view(made, captured).verdict.reason
    told = [line for line in made.story if line.startswith(f"Node {captured}: its agent claims epoch")]
    assert len(told) == 1, "once per term"
    made.crash(home)
    made.run(10)
    assert made.where("db") not in ([], [home], [captured]), "a failover does not need the captured node"


def usurpation() -> ModelCluster:
    made = trio()
    usurped(made, NEWCOMER)
    made.run(10)
    return made


def test_mutant_that_ignores_identities_starts_a_second_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    assert usurpation().where("db") == []
    monkeypatch.setattr(FormerBoots, "look", lambda *_: {})
    with pytest.raises(DoubleActive):
        usurpation()
