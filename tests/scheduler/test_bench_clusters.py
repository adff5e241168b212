"""The clusters that the benchmark schedules are what it says of them."""

from pathlib import Path

import pytest

from backstay.cib import parse_cib
from backstay.scheduler import Verb, schedule

from ..bench.scheduler import clusters

pytestmark = pytest.mark.skipif(clusters.generator() is None, reason="the suite is not here (PACEMAKER_CTS)")


@pytest.mark.parametrize(
    ("situation", "verbs"),
    [
        ("first", {Verb.START}),
        ("lost", {Verb.START}),
        ("failed", {Verb.RECOVER, Verb.RESTART}),
        ("steady", set()),
    ],
)
def test_situation_asks_for_what_its_name_says(tmp_path: Path, situation: str, verbs: set[Verb]) -> None:
    clusters.write(tmp_path / "cib.xml", resources=16, nodes=4, situation=situation)
    transition = schedule(parse_cib((tmp_path / "cib.xml").read_bytes()))
    assert {change.verb for change in transition.changes} == verbs
