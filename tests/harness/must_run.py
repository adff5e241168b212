"""`pytest --must-run`: a run in which not one test ran is an error, with the reasons for the skips, and no success.

For targets that exist to run one tier (`make test-hosts-uml` and its sisters): there a machine that can't run it is a failure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

OPTION = "--must-run"
RAN = ("passed", "failed", "xfailed", "xpassed")


def none_ran(stats: Mapping[str, Sequence[object]]) -> bool:
    """Whether nothing but skips and deselected tests came of it, by pytest's categories."""
    return not any(stats.get(category) for category in RAN)


class MustRun:
    """Registered where the option is given."""

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        assert reporter is not None
        if session.config.option.collectonly or not none_ran(reporter.stats):
            return
        skipped = len(reporter.stats.get("skipped", []))
        reporter.write_line("")
        reporter.write_line(
            f"ERROR: not one test ran ({skipped} were skipped), and {OPTION} was given", red=True
        )
        if session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
