"""From outcomes to the one line of JSON, and the tables of docs/faults.md."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from typing import Any

from faults.checkers import TWICE
from faults.run import Outcome, Run
from faults.schedule import Kind
from faults.wholeness import TARGETS


def spread(seconds: Iterable[float]) -> dict[str, float]:
    found = sorted(seconds)
    return {"median": round(statistics.median(found), 2), "worst": round(found[-1], 2)}


def by_kind(outcomes: Iterable[Outcome]) -> dict[str, dict[str, Any]]:
    """Of every kind that was tried: how often, and median and worst of what the client missed and of the time until all was whole."""
    outcomes = list(outcomes)
    found: dict[str, dict[str, Any]] = {}
    for kind in Kind:
        mine = [one for one in outcomes if one.fault.kind is kind]
        if mine:
            found[kind.value] = {
                "tried": len(mine),
                **{f"{target}_away_s": spread(one.away_s[target] for one in mine) for target in TARGETS},
                "whole_s": spread(one.whole_s for one in mine),
            }
    return found


def summary(run: Run, *, seed: int, wall_s: float) -> dict[str, Any]:
    """What `make faults` ends with."""
    checkers = run.lookout.checkers
    twice = sum(one.rule == TWICE for one in checkers.violations)
    return {
        "faults": len(run.outcomes),
        "seed": seed,
        "problems": len(run.problems),
        "dual_active_moments": twice,
        "dual_while_frozen_looks": dict(checkers.while_frozen),
        "looks": checkers.looks,
        "arp_questions": [run.arp.asked, run.arp.answered],
        "longest_time_between_looks_s": round(checkers.longest_gap_s, 2),
        "failures_cleaned": run.failures_cleaned,
        "kinds": by_kind(run.outcomes),
        "growth": run.growth.summary(),
        "wall_s": round(wall_s, 1),
    }


def table(kinds: Mapping[str, Mapping[str, Any]]) -> str:
    """Markdown, a row per kind."""
    lines = [
        "| fault | tried | page away: median | worst | single address away: median | worst | whole again: median | worst |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for kind, figures in kinds.items():
        cells = [
            f"{figures[name][part]:.2f} s"
            for name in ("page_away_s", "address_away_s", "whole_s")
            for part in ("median", "worst")
        ]
        lines.append(f"| {kind} | {figures['tried']} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
