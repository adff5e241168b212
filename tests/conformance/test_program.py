"""The program that people run prints what the core answers, to the letter, with the suite's own arguments."""

import json
import time
from pathlib import Path

import pytest

from backstay.cib import parse_cib
from backstay.cib.values import date
from backstay.simulate import simulate
from backstay_cli.__main__ import main

from .suite import suite_folder

pytestmark = [
    pytest.mark.conformance,
    pytest.mark.skipif(suite_folder() is None, reason="the suite is not here (PACEMAKER_CTS)"),
]
EVERY = 12  # of the cases that need no argument


def test_kubectl_ha_simulate_prints_what_the_core_answers(capsys: pytest.CaptureFixture[str]) -> None:
    folder = suite_folder()
    assert folder is not None
    cases = json.loads((Path(folder) / "tests.json").read_text())
    chosen = [case for number, case in enumerate(cases) if case["args"] or number % EVERY == 0]
    assert len(chosen) > 40
    for case in chosen:
        path = Path(folder) / "xml" / f"{case['name']}.xml"
        xml = path.read_bytes()
        arguments: list[str] = case["args"]
        given = date(arguments[arguments.index("-t") + 1]) if "-t" in arguments else None
        original = given is None and b"execution-date" in xml.partition(b">")[0]
        expected = simulate(
            parse_cib(xml, now=time.time(), override_now=given), original_date=original
        ).text()
        assert main(["simulate", "-x", str(path), *arguments]) == 0, case["name"]
        assert capsys.readouterr().out == expected, case["name"]
