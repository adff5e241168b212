"""Alerts that name what is exposed, each with a page and a test by promtool; a dashboard that asks for nothing that is not there."""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from backstay_cli.arguments import build_parser
from unit.chart.exposed import ROOT, query_names

RULES = ROOT / "charts/backstay/files/alerts.yaml"
DASHBOARD = ROOT / "charts/backstay/files/dashboard.json"
PAGES = ROOT / "docs/runbooks"
TESTS = Path(__file__).with_name("alerts")
BASE = "https://backstay.io/docs/runbooks/"
METRIC = re.compile(r"\b((?:backstay|ha_cluster)_[a-z_]+)\b")


def alerts() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def promtool_tests() -> Iterator[dict[str, Any]]:
    for path in sorted(TESTS.glob("*.yaml")):
        for case in yaml.safe_load(path.read_text())["tests"]:
            yield from case["alert_rule_test"]


@pytest.mark.parametrize("name", sorted(alerts()))
def test_alert_has_a_page_a_severity_and_tests_that_it_fires_and_stays_silent(name: str) -> None:
    rule = alerts()[name]
    assert rule["annotations"]["runbook_url"] == f"{BASE}{name}.md"
    assert rule["labels"]["severity"] in ("warning", "critical")
    page = (PAGES / f"{name}.md").read_text()
    assert page.startswith(f"# {name}\n")
    for heading in ("## What it means", "## What to look at", "## What to do"):
        assert heading in page
    assert "kubectl ha" in page
    expectations = [bool(case["exp_alerts"]) for case in promtool_tests() if case["alertname"] == name]
    assert sorted(set(expectations)) == [False, True]


def test_no_page_is_left_of_an_alert_that_is_gone() -> None:
    assert sorted(path.stem for path in PAGES.glob("*.md")) == sorted(alerts())


def test_alerts_ask_only_for_what_is_exposed() -> None:
    asked = {name for rule in alerts().values() for name in METRIC.findall(rule["expr"])}
    assert asked
    assert asked - query_names() == set()


def test_dashboard_asks_only_for_what_is_exposed() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    expressions += [one["expr"] for one in dashboard["annotations"]["list"]]
    expressions += [
        one["query"]["query"] for one in dashboard["templating"]["list"] if one["type"] == "query"
    ]
    asked = {name for expression in expressions for name in METRIC.findall(expression)}
    assert len(asked) > 15
    assert asked - query_names() == set()
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))


def test_dashboard_is_small_enough_for_a_configmap() -> None:
    assert len(DASHBOARD.read_bytes()) < 256 * 1024


needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed (Debian package prometheus)"
)


@needs_promtool
@pytest.mark.parametrize("name", sorted(path.name for path in TESTS.glob("*.yaml")))
def test_alerts_fire_as_their_tests_say(name: str, tmp_path: Path) -> None:
    shutil.copy(RULES, tmp_path)
    shutil.copy(TESTS / name, tmp_path)
    ran = subprocess.run(
        ["promtool", "test", "rules", name],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


@needs_promtool
def test_every_expression_of_the_dashboard_parses(tmp_path: Path) -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    rules = [{"record": f"panel:{number}", "expr": one} for number, one in enumerate(expressions)]
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    ran = subprocess.run(
        ["promtool", "check", "rules", str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stderr


def commands_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Subcommands by name."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


@pytest.mark.parametrize("path", sorted(PAGES.glob("*.md")), ids=lambda path: path.stem)
def test_pages_speak_of_commands_that_exist(path: Path) -> None:
    for words in re.findall(r"`kubectl ha ([^`]+)`", path.read_text()):
        parser = build_parser()
        for word in words.split():
            below = commands_of(parser)
            if not below:
                break
            assert word in below, f"kubectl ha {words}: there is no {word}"
            parser = below[word]


@pytest.mark.parametrize("path", sorted(PAGES.glob("*.md")), ids=lambda path: path.stem)
def test_pages_link_to_pages_that_exist(path: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", path.read_text()):
        assert (path.parent / target).is_file()
