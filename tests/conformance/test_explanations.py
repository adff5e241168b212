"""Nothing that waits is without a reason, on random clusters too."""

import pytest

from backstay.cib import parse_cib
from backstay.explain import explain_actions
from backstay.explain.waiting import ONE_FOLLOWS
from backstay.scheduler.observe import observe
from backstay.scheduler.schedule import schedule_situation

from .random_cibs import random_cib
from .random_themes import THEMES, themed

NOW = 1_700_000_000.0


def _explained(cib: str) -> list[str]:
    return [
        f"{action.action}: {sentence}"
        for action in explain_actions(parse_cib(cib, now=NOW)).actions
        for sentence in action.after
    ]


@pytest.mark.parametrize("seed", range(40))
def test_every_wait_has_a_reason_that_says_something(seed: int) -> None:
    assert [one for one in _explained(random_cib(seed)) if ONE_FOLLOWS in one] == []


@pytest.mark.parametrize("theme", sorted(THEMES))
def test_every_wait_has_a_reason_that_says_something_on_every_theme(theme: str) -> None:
    waits = [one for seed in range(10) for one in _explained(themed(theme, seed))]
    assert waits
    assert [one for one in waits if ONE_FOLLOWS in one] == []


@pytest.mark.parametrize("seed", range(20))
def test_every_edge_of_the_graph_has_a_cause(seed: int) -> None:
    transition = schedule_situation(*observe(parse_cib(random_cib(seed), now=NOW)), with_ties=True)
    edges = {(first, action.id) for action in transition.graph.actions for first in action.inputs}
    assert {(tie.first, tie.then) for tie in transition.ties} == edges
    assert all(tie.causes for tie in transition.ties)
