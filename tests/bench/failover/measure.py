"""One procedure for every contender: disturb, wait until the client is served again, make the cluster whole, and again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from bench.failover.backstay import Backstay
from bench.failover.bed import Bed, BenchError
from bench.failover.contender import GROUP_ADDRESS, GROUP_URL, VIP, Contender
from bench.failover.watch import Watch

OUTAGE_TIMEOUT_S = 40.0
CALM_S = 1.0


class Trial(Enum):
    """What is done to the cluster, and which figure it gives."""

    POWER_CUT = "outage_s"
    DC_POWER_CUT = "outage_s, of the DC's own host"
    PLANNED = "planned_s"
    GROUP = "group_http_s"


@dataclass(frozen=True, slots=True)
class Sample:
    """One disturbance. `cut_at` is CLOCK_MONOTONIC, `cut_wall` epoch seconds, for whoever reads logs."""

    seconds: float
    node: str
    cut_at: float
    cut_wall: float
    served_wall: float


@dataclass(slots=True)
class Series:
    """All samples of one trial of one contender; `problem` says why there are fewer than asked for."""

    contender: str
    trial: Trial
    samples: list[Sample] = field(default_factory=list)
    problem: str = ""


def measure(bed: Bed, contender: Contender, trial: Trial, *, runs: int) -> Series:
    """Needs the contender brought up; leaves it whole.  What goes wrong ends the series, not the bench."""
    series = Series(contender.name, trial)
    kind, target = ("page", GROUP_URL) if trial is Trial.GROUP else ("ping", VIP)
    try:
        with Watch(bed.layout, kind=kind, target=target) as watch:
            for _ in range(runs):
                series.samples.append(_once(bed, contender, trial, watch))
                print(f"  {contender.name}, {trial.value}: {series.samples[-1].seconds:.3f} s", flush=True)
    except BenchError as error:
        series.problem = str(error)
        print(f"  {contender.name}, {trial.value}: {error}", flush=True)
    return series


def _once(bed: Bed, contender: Contender, trial: Trial, watch: Watch) -> Sample:
    if isinstance(contender, Backstay) and trial in (Trial.POWER_CUT, Trial.DC_POWER_CUT):
        contender.put_vip(on_dc=trial is Trial.DC_POWER_CUT)
    if not watch.await_up(timeout_s=OUTAGE_TIMEOUT_S):
        raise BenchError("the client is not served before the disturbance")
    # At any point of everybody's heartbeat.
    time.sleep(CALM_S + random.random())
    address = GROUP_ADDRESS if trial is Trial.GROUP else VIP
    node = bed.holder(address)
    if not node:
        raise BenchError(f"{address} is on {', '.join(bed.holders(address)) or 'no host'}")
    disturb: Callable[[str], None] = contender.leave if trial is Trial.PLANNED else bed.crash
    cut_at, cut_wall = time.monotonic(), time.time()
    disturb(node)
    _await_moved(bed, watch, cut_at, away_from=node, address=address)
    gaps = watch.gaps(since=cut_at)
    served_wall = cut_wall + (gaps[-1].end - cut_at) if gaps else cut_wall
    sample = Sample(watch.outage(since=cut_at), node, cut_at, cut_wall, served_wall)
    if trial is Trial.PLANNED:
        contender.come_back(node)
    else:
        bed.boot(node)
        contender.join(node)
    return sample


def _await_moved(bed: Bed, watch: Watch, cut_at: float, *, away_from: str, address: str) -> None:
    """Until the client is served steadily, and by another host."""
    deadline = cut_at + OUTAGE_TIMEOUT_S
    while bed.holder(address) in ("", away_from):
        if time.monotonic() >= deadline:
            raise BenchError(f"{address} did not move away from {away_from} in {OUTAGE_TIMEOUT_S:.0f} s")
        time.sleep(0.05)
    if not watch.await_outage_over(since=cut_at, timeout_s=OUTAGE_TIMEOUT_S):
        raise BenchError("the client was not served again")
