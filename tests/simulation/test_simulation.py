"""A few seeds of the simulation, and what makes the others worth running: a seed repeats itself to the letter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]


def simulate(*arguments: str, hash_seed: str = "0", module: str = "simulation") -> list[str]:
    """Lines of what `python -m simulation` prints. Raises CalledProcessError where a checker found something."""
    environment = {**os.environ, "PYTHONPATH": str(TESTS), "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    return done.stdout.splitlines()


def test_no_checker_finds_anything_in_a_few_seeds() -> None:
    summary = json.loads(simulate("--seeds", "5")[-1])
    assert (summary["seeds"], summary["violations"]) == (5, 0)
    assert summary["simulated_hours"] > 0


def test_same_seed_tells_the_same_story_whatever_the_hash_seed() -> None:
    assert (
        simulate("--seed", "7", "--talk", hash_seed="1")[:-1]
        == simulate("--seed", "7", "--talk", hash_seed="2")[:-1]
    )


def test_checkers_catch_what_is_broken_on_purpose() -> None:
    names = ("no wait for death", "group started in parallel", "nothing released")
    chosen = [word for name in names for word in ("--only", name)]
    summary = json.loads(simulate(*chosen, module="simulation.mutants")[-1])
    assert summary == {"mutants": 3, "caught": 3}
