"""A few seeds of the simulation, and what makes the others worth running: a seed repeats itself to the letter."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

from backstay.api.cluster import Watchdog
from simulation.setting import Dog, draw

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


def test_every_kind_of_cluster_is_drawn_among_a_hundred_seeds() -> None:
    drawn = [draw(random.Random(f"{seed}/setting")) for seed in range(100)]
    assert {one.hosts for one in drawn} == {2, 3, 4, 5}
    assert {one.policy for one in drawn} == {"stop", "freeze", "demote", "fence", "ignore"}
    assert {(one.fencing, one.dog is not None) for one in drawn} == {
        ("switch", False), ("pair", False), ("levels", False), ("none", False), ("none", True), ("switch", True),
    }  # fmt: skip


def test_watchdogs_that_are_drawn_wait_no_longer_than_the_rule_demands() -> None:
    for deadline_ms, timeout_s in ((3000, 1), (4000, 2)):
        dog = Dog(deadline_ms, timeout_s)
        Watchdog.model_validate({"device": "/dev/watchdog", **dog.spec})
        bound_ms = (deadline_ms + 3000 * timeout_s + 500) * 1010 / 990
        assert bound_ms <= dog.takeover_ms < bound_ms + 1


def test_member_whose_history_was_forgotten_on_request_has_not_left_before_it_was_probed_again() -> None:
    """A refresh, while the DC was slow to schedule again: the empty history was taken for a proof, and there were two copies."""
    assert json.loads(simulate("--seed", "226")[-1])["violations"] == 0


def test_last_guard_lets_the_cluster_recover_beside_an_object_that_breaks_the_step() -> None:
    """The program is broken for odd objects: each is found, kept out and told, and whatever else there is goes on."""
    summary = json.loads(simulate(module="simulation.guarded")[-1])
    assert summary["good"] == summary["seeds"] == 3
    assert summary["nonsense"] > 0


def test_checkers_catch_what_is_broken_on_purpose() -> None:
    names = ("no wait for death", "group started in parallel", "nothing released", "one device is enough")
    chosen = [word for name in names for word in ("--only", name)]
    summary = json.loads(simulate(*chosen, module="simulation.mutants")[-1])
    assert summary == {"mutants": 4, "caught": 4}
