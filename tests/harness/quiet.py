"""Nothing happened: no resource moved, started or stopped, nobody was fenced, and a client that asked all the time missed nothing.

By the agents' own records, which no DC and no status can embellish.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from harness.hosts_cluster import ADDRESS, GROUP, ClusterUnderTest
from harness.miss_counter import MissWatch

LONGER_THAN_A_LEASE_S = 4.0


def plans(cluster: ClusterUnderTest) -> dict[str, dict[str, Any]]:
    """Each node's own word on itself: the status of its plan."""
    got = cluster.run("kubectl", "get", "hanodeplans", "-o", "json")
    assert got.returncode == 0, got.stderr
    return {one["metadata"]["name"]: one["status"] for one in json.loads(got.stdout)["items"]}


def runs(cluster: ClusterUnderTest) -> dict[tuple[str, str, str], tuple[int, str]]:
    """Every start and stop that the agents remember: when it ran, by its number."""
    return {
        (node, record["resource"], record["operation"]): (record["callId"], record["lastRun"])
        for node, status in plans(cluster).items()
        for record in status.get("history") or []
        if record["operation"] in ("start", "stop")
    }


@contextmanager
def telling_what_happened(cluster: ClusterUnderTest) -> Iterator[None]:
    """When a claim fails, say what the cluster did: its history and Events are gone with the sandbox."""
    try:
        yield
    except BaseException:
        tell_what_happened(cluster)
        raise


def tell_what_happened(cluster: ClusterUnderTest) -> None:
    """The end of its history, Events and logs."""
    print(cluster.run("kubectl-ha", "status").stdout)
    print(cluster.run("kubectl-ha", "history", "-n", "8").stdout)
    print(cluster.run("kubectl", "get", "events", "-A", "--sort-by=.lastTimestamp").stdout[-6000:])
    for log in sorted(cluster.sandbox.layout.logs_dir.iterdir()):
        print(f"--- {log.name}\n{log.read_text(errors='replace')[-3000:]}")


@contextmanager
def nobody_notices(
    cluster: ClusterUnderTest,
    *,
    url: str,
    address: str,
    slow_pages: float = 0.0,
    wait_s: float = LONGER_THAN_A_LEASE_S,
) -> Iterator[None]:
    """Nothing moves, starts, stops, is fenced, or is missed by the client. `slow_pages`: what part of the pages may come too late,
    where the test starves the very host that serves them; `wait_s` is longer than a lease."""
    cluster.settle()
    places = {one: cluster.node_of(one) for one in (GROUP, ADDRESS)}
    boots, before, since = cluster.boots(), runs(cluster), time.monotonic()
    with telling_what_happened(cluster):
        with MissWatch(cluster.sandbox.layout, url=url, address=address) as counted:
            yield
            time.sleep(wait_s)  # what was to be noticed has been noticed
        _assert_quiet(
            cluster, counted, since=since, before=before, places=places, boots=boots, slow_pages=slow_pages
        )


def _assert_quiet(
    cluster: ClusterUnderTest,
    counted: MissWatch,
    *,
    since: float,
    before: dict[tuple[str, str, str], tuple[int, str]],
    places: dict[str, str],
    boots: dict[str, int],
    slow_pages: float,
) -> None:
    cluster.settle()
    assert counted.attempts["page"] > 10 * (time.monotonic() - since) / 3, "the client did ask"
    assert runs(cluster) == before
    assert {one: cluster.node_of(one) for one in (GROUP, ADDRESS)} == places
    assert cluster.boots() == boots
    told = f"missed: {counted.misses} of {counted.attempts}"
    assert counted.misses["address"] == 0, told
    assert counted.misses["page"] <= slow_pages * counted.attempts["page"], told
