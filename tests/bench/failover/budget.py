"""Where the time of a power cut goes, hop by hop, read from the agents' logs.

All hosts share one machine's clock, so times of different logs compare.  Hops of one sample:

    last answer -> order     the lease runs out, the DC judges and schedules, the plan is written, the agent reads it
    order -> served          the resource agent works until the client gets an answer
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bench.failover.measure import Sample, Series, Trial

BEGINS = re.compile(r"^(\S+) info +operation begins call=\d+ verb=(\w+) resource=(\S+)")
SLACK_S = 0.02


@dataclass(frozen=True, slots=True)
class Hops:
    """Seconds of one sample."""

    until_order_s: float
    until_served_s: float


def hops_of(sample: Sample, logs_dir: Path) -> Hops | None:
    """None when the logs do not show it."""
    silent_wall = sample.served_wall - sample.seconds
    ordered = [
        wall
        for path in sorted(logs_dir.glob("*.agent.log"))
        for wall in starts_in(path)
        if silent_wall < wall < sample.served_wall + SLACK_S
    ]
    if not ordered:
        return None
    first = min(ordered)
    return Hops(until_order_s=first - silent_wall, until_served_s=sample.served_wall - first)


def starts_in(path: Path) -> Iterable[float]:
    """When the agent began to start something, in epoch seconds."""
    for line in path.read_text(errors="replace").splitlines():
        found = BEGINS.match(line)
        if found and found[2] == "start":
            yield datetime.fromisoformat(found[1]).timestamp()


def budget_table(all_series: Iterable[Series], logs_dir: Path) -> str:
    """Medians, for the contenders whose logs can be read; empty when there is none."""
    rows = []
    for series in all_series:
        if series.trial is Trial.PLANNED:
            continue
        hops = [one for sample in series.samples if (one := hops_of(sample, logs_dir)) is not None]
        if hops and series.contender.startswith("backstay"):
            order = statistics.median(one.until_order_s for one in hops)
            served = statistics.median(one.until_served_s for one in hops)
            name = f"{series.contender}, {series.trial.value}"
            rows.append(f"| {name} | {order:.3f} s | {served:.3f} s |")
    if not rows:
        return ""
    head = [
        "### Where the time goes (medians)",
        "",
        "| | last answer until the first start is begun | from there until the client is served |",
        "|---|---|---|",
    ]
    return "\n".join([*head, *rows]) + "\n"
