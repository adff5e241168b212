"""The table for people."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from typing import Any

HEADS = (
    "resources x nodes",
    "lease",
    "first placement",
    "last renewal until the last start is ordered (median of kills)",
    "moved by a kill",
    "writes/s at rest",
    "operator at rest",
    "API server and etcd at rest",
    "operator's memory",
    "largest plan",
)


def markdown(rows: Iterable[dict[str, Any]]) -> str:
    """One row per size."""
    lines = [f"| {' | '.join(HEADS)} |", "|" + "---|" * len(HEADS)]
    lines += [f"| {' | '.join(_cells(row))} |" for row in rows]
    return "\n".join(lines) + "\n"


def _cells(row: dict[str, Any]) -> list[str]:
    rest, failover = row["at_rest"], row["failover"]
    plane = rest["apiserver_cpu_percent"] + rest["etcd_cpu_percent"]
    return [
        f"{row['resources']} x {row['nodes']}",
        f"{row['lease_s']:g} s",
        f"{row['first_placement']['seconds']:.0f} s",
        f"{statistics.median(failover['last_start_s']):.2f} s",
        f"{statistics.median(failover['moved']):.0f}",
        f"{rest['writes_per_s']:.0f}",
        f"{rest['operator_cpu_percent']:.0f} % of a core",
        f"{plane:.0f} %",
        f"{row['memory_mib']['operator']} MiB",
        f"{row['largest_plan_kib']} KiB",
    ]
