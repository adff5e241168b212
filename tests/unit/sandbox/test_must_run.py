"""A run of a tier in which nothing ran is an error; the plugin is tried in a pytest of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from backstay_sandbox import requirements
from backstay_sandbox.uml.checkout import COVERED, why_unseen

ROOT = Path(__file__).resolve().parents[3]
SKIPPED = "import pytest\n\n@pytest.mark.skip(reason='no ebtables')\ndef test_a():\n    pass\n"
ONE_RUNS = SKIPPED + "\ndef test_b():\n    pass\n"


def run(folder: Path, text: str, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text(text)
    (folder / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null"]
    return subprocess.run(
        [*command, "--rootdir", str(folder), *options, str(folder)],
        env={"PYTHONPATH": str(ROOT / "tests"), "PATH": "/usr/bin:/bin"},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_run_in_which_everything_was_skipped_is_an_error_that_names_the_reasons(tmp_path: Path) -> None:
    ended = run(tmp_path, SKIPPED, "--must-run")
    assert ended.returncode == 1
    assert "not one test ran (1 were skipped)" in ended.stdout
    assert "no ebtables" in ended.stdout


def test_run_in_which_nothing_was_collected_is_an_error(tmp_path: Path) -> None:
    ended = run(tmp_path, "", "--must-run")
    assert ended.returncode != 0
    assert "not one test ran" in ended.stdout


def test_one_test_that_ran_is_enough(tmp_path: Path) -> None:
    assert run(tmp_path, ONE_RUNS, "--must-run").returncode == 0


def test_without_the_option_skips_are_no_error(tmp_path: Path) -> None:
    assert run(tmp_path, SKIPPED).returncode == 0


@pytest.mark.parametrize("folder", COVERED)
def test_checkout_that_guests_cannot_see_is_told_before_anything_runs(folder: str) -> None:
    assert f"/{folder}" in why_unseen(Path("/", folder, "checkout"))
    assert why_unseen(Path("/srv/checkout")) == ""


def test_what_cuts_paths_is_installed_by_every_target_that_needs_it() -> None:
    assert {one.package for one in requirements.TESTS if one.thing == "ebtables"} == {"iptables"}
    makefile = (ROOT / "Makefile").read_text()
    for target in ("test-hosts-uml", "soak", "faults", "bench-faults"):
        recipe = makefile.split(f"\n{target}: venv\n")[1].split("\n\n")[0]
        assert "requirements --install" in recipe, target
        assert "--tests" in recipe, target


def test_every_target_of_one_tier_must_run_something() -> None:
    makefile = (ROOT / "Makefile").read_text()
    lines = [
        line for line in makefile.splitlines() if "$(BIN)/pytest" in line and "PYTHONHASHSEED" not in line
    ]
    assert len(lines) >= 5
    assert all("--must-run" in line for line in lines)
