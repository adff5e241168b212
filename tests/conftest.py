"""What holds for every test: on CI, hypothesis draws the same examples each time, so that a run says something about the change.

Elsewhere it draws new ones; what it finds becomes a case of its own beside the property. And what was skipped is said at the end, each
reason once: a tier that this machine cannot run must not look like one that passed. A failed test of a sandbox takes along what its
daemons said last.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator

import pytest
from hypothesis import settings

from harness import must_run
from harness.last_words import last_words

settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("dev", deadline=None, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(must_run.OPTION, action="store_true", help="an error if not one test ran")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption(must_run.OPTION):
        config.pluginmanager.register(must_run.MustRun())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The reasons for skips, with how many tests each cost."""
    reasons = Counter(
        str(report.longrepr[2]).removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple)
    )
    for reason, number in sorted(reasons.items()):
        terminalreporter.write_line(f"SKIPPED {number} tests: {reason}", yellow=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed and isinstance(item, pytest.Function):
        report.sections.extend(last_words(item.funcargs))
    return report
