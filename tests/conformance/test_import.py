"""Import and export on every CIB of the suite: what comes back is scheduled as the original is."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from backstay.cib import parse_cib
from backstay.cib.exporting import export_cib
from backstay.cib.importing import import_cib
from backstay.simulate import Report, simulate
from unit.cib.roundtrip import exported, grafted

from .suite import suite_folder

IN_FULL_MIN = 337  # one says stonith-action=poweroff, which is no action any more and is reported
"""CIBs of tiers 1 to 5 that manifests hold in full; raise it when there are more."""
NOW = 1e9

pytestmark = [
    pytest.mark.conformance,
    pytest.mark.skipif(suite_folder() is None, reason="the suite is not here (PACEMAKER_CTS)"),
]


def cases() -> Iterator[tuple[str, str]]:
    folder = suite_folder()
    assert folder is not None
    tiers = json.loads((Path(folder) / "tiers.json").read_text())
    for name in sorted(tiers):
        if tiers[name] <= 5:
            yield name, (Path(folder) / "xml" / f"{name}.xml").read_text()


def answer(xml: str) -> tuple[tuple[str, ...], ...]:
    report: Report = simulate(parse_cib(xml, now=NOW))
    return report.summary, report.executed, report.revised


def test_what_comes_back_is_scheduled_as_before() -> None:
    """From manifests where they hold the whole CIB; else from what was read of it, so that the export is held on all."""
    in_full, wrong = 0, []
    for name, xml in cases():
        found = import_cib(xml, now=NOW)
        if found.complete:
            in_full += 1
            back = exported(found.manifests, now=NOW)
        else:
            back = export_cib(parse_cib(xml, now=NOW))
        if answer(xml) != answer(grafted(back, xml)):
            wrong.append(name)
    assert wrong == []
    assert in_full >= IN_FULL_MIN
