"""`status`: golden screens, and the promises of its JSON.

To change a screen: BACKSTAY_UPDATE_GOLDEN=1 pytest tests/unit/cli, read the diff, commit what you understand.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from backstay.api.quantities import timestamp
from backstay_cli.gather import EVERYTHING, gather
from backstay_cli.render.paint import Paint
from backstay_cli.render.status_document import status_document
from backstay_cli.render.status_text import status_text
from backstay_cli.watch import without_notice
from unit.cli.cluster import NOW, cluster, group, lease, made, node, plan, resource, tutorial
from unit.cli.fake_api import FakeApi
from unit.cli.program import UTC_PAINT, in_utc, run

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> None:
    in_utc(monkeypatch)


def troubled() -> list[dict[str, Any]]:
    """Everything that can be wrong at once, below a DC that has gone silent."""
    clone_status = {
        "active": [{"node": "n2", "role": "Promoted"}, {"node": "n4", "role": "Unpromoted"}],
        "role": "Promoted",
    }
    not_ready = {
        "type": "Ready",
        "status": "False",
        "reason": "DuplicateId",
        "message": "the id Web is used by default/web: this one is not started",
        "lastTransitionTime": timestamp(NOW - 60),
    }
    named = cluster(
        quorum=False, conditions=[{**not_ready, "reason": "NoQuorum", "message": "1 of 5 nodes is heard"}]
    )
    named["spec"] = {"properties": {"maintenanceMode": True, "stonithEnabled": False}}
    return [
        named,
        node("n1", "Unclean", reason="no heartbeat for 4.1 s; no fence device can reach it"),
        node("n2", "Standby", resources=2),
        node("n3", "Pending", reason="its agent has not answered yet"),
        node("n4", "Maintenance"),
        node("n5", "Stopped"),
        lease("dc-tutorial", holder="operator-a", age_s=95),
        lease("node-n2", alive=False),
        lease("node-n4"),
        resource("A-long-resource-id", "a", "ocf:heartbeat:Dummy", meta={"targetRole": "Stopped"}),
        resource("Web", "web", "systemd:nginx", "n2", meta={"isManaged": False}),
        resource("Web", "web-2", "systemd:nginx", status={"conditions": [not_ready]}),
        resource("db", "db", "ocf:heartbeat:pgsql", "n1", status={"role": "Failed", "blocked": True, "failures": 1000000}),
        resource("lost", "lost", "lsb:lost", status={"why": "n4 is in maintenance, n2 in standby; no other node is online"}),
        resource("new", "new", "ocf:heartbeat:Dummy", status={"cluster": "", "role": ""}),
        resource("twice", "twice", "ocf:heartbeat:Dummy", "", status={
            "role": "Started", "active": [{"node": "n2", "role": "Started"}, {"node": "n4", "role": "Started"}]}),
        resource("ping", "ping", "ocf:pacemaker:ping", clone={}, status={
            "role": "Started", "active": [{"node": "n2", "role": "Started"}]}),
        resource("fresh", "fresh", "ocf:pacemaker:ping", clone={}, status={"cluster": "", "role": ""}),
        resource("drbd", "drbd", "ocf:linbit:drbd", clone={"promotable": True}, status=clone_status),
        resource("in-group", "in-group", "ocf:heartbeat:Dummy", status={"role": "Stopped"}),
        group("stuck", ["in-group", "absent"], meta={"maintenance": True}),
        made("ResourceGroup", "inline", namespace="default",
             spec={"members": [{"name": "fs", "template": {"agent": "ocf:heartbeat:Filesystem"}}]},
             status={"cluster": "tutorial", "role": "Starting", "node": "n2",
                     "members": [{"name": "fs", "agent": "ocf:heartbeat:Filesystem", "role": "Starting", "node": "n2"}]}),
        made("HAResource", "broken", namespace="default", spec={"agent": "no agent at all"}),
        plan("n4"),
    ]  # fmt: skip


SCENARIOS = {
    "tutorial": tutorial,
    "troubled": troubled,
    "empty": lambda: [made("HACluster", "fresh")],
}


@pytest.mark.parametrize("name", sorted(SCENARIOS))
async def test_the_screen_is_the_golden_one(name: str) -> None:
    outcome = await run(FakeApi(*SCENARIOS[name]()), "status")
    assert outcome.code == 0
    file = GOLDEN / f"status-{name}.txt"
    if os.environ.get("BACKSTAY_UPDATE_GOLDEN"):
        file.write_text(outcome.out)
    assert outcome.out == file.read_text()


@pytest.mark.parametrize("name", sorted(SCENARIOS))
async def test_screens_fit_120_columns_and_have_no_trailing_blanks(name: str) -> None:
    outcome = await run(FakeApi(*SCENARIOS[name]()), "status")
    for line in outcome.out.splitlines():
        assert len(line) <= 120, line
        assert line == line.rstrip()


async def test_colour_only_adds_paint() -> None:
    import re

    view = await view_of(troubled())
    plain = status_text(status_document(view), UTC_PAINT)
    painted = status_text(status_document(view), Paint(colour=True, zone=UTC_PAINT.zone))
    assert painted != plain
    assert re.sub(r"\x1b\[[0-9;]*m", "", painted) == plain


async def view_of(objects: list[dict[str, Any]]):  # type: ignore[no-untyped-def]
    import io

    from backstay_cli.session import Session

    api = FakeApi(*objects)
    session = Session(
        api=api,
        out=io.StringIO(),
        err=io.StringIO(),
        clock=lambda: NOW,
        new_id=lambda: "1",
        sleep=api.second_look,
    )
    return await gather(session, EVERYTHING)


async def test_json_says_what_the_screen_says() -> None:
    outcome = await run(FakeApi(*tutorial()), "status", "-o", "json")
    document = json.loads(outcome.out)
    assert document["apiVersion"] == "backstay.io/status.v1"
    assert document["dc"] == {"name": "operator-a", "since": timestamp(NOW - 600), "epoch": 7, "alive": True,
                              "silentSeconds": None}  # fmt: skip
    assert [(n["name"], n["state"]) for n in document["nodes"]] == [
        ("n1", "Offline"),
        ("n2", "Online"),
        ("n3", "Online"),
    ]
    groups = [r for r in document["resources"] if r["kind"] == "group"]
    assert [m["id"] for m in groups[0]["members"]] == ["app_lvm", "app_fs", "VIP", "Website-Testes"]
    assert groups[0]["members"][3]["active"] == [{"node": "n2", "role": "Started"}]
    assert document["failedActions"][0]["intervalMs"] == 30_000
    assert document["counts"] == {"nodes": 3, "resourceInstances": 5, "disabled": 0, "blocked": 0}


async def test_clones_count_once_for_each_node_or_as_often_as_they_may() -> None:
    api = FakeApi(
        cluster(),
        *(node(f"n{i}") for i in range(4)),
        resource("a", "a", "ocf:heartbeat:Dummy", clone={}),
        resource("b", "b", "ocf:heartbeat:Dummy", clone={"max": 2}),
        resource("c", "c", "ocf:heartbeat:Dummy"),
        resource("d", "d", "ocf:heartbeat:Dummy"),
        group("g", ["c", "d"], clone={"max": 3}),
    )
    counts = json.loads((await run(api, "status", "-o", "json")).out)["counts"]
    assert counts["resourceInstances"] == 4 + 2 + 2 * 3


async def test_another_clusters_objects_are_not_shown() -> None:
    other = node("far")
    other["spec"]["cluster"] = other["status"]["cluster"] = "other"
    theirs = resource("Theirs", "theirs", "ocf:heartbeat:Dummy", "far", status={"cluster": "other"})
    api = FakeApi(*tutorial(), made("HACluster", "other"), other, theirs)
    assert "2 clusters: other, tutorial" in (await run(api, "status")).error
    assert "--cluster" in (await run(api, "status")).hint
    shown = (await run(api, "status", "--cluster", "tutorial")).out
    assert "far" not in shown
    assert "Theirs" not in shown
    assert "did you mean tutorial" in (await run(api, "status", "--cluster", "tutoril")).hint


async def test_without_a_cluster_or_its_kinds_the_error_says_what_to_do() -> None:
    assert "kind: HACluster" in (await run(FakeApi(), "status")).hint
    bare = FakeApi()
    bare.unknown = {"haclusters"}
    outcome = await run(bare, "status")
    assert "has no Backstay" in outcome.error
    assert "crds/" in outcome.hint


async def test_what_may_not_be_listed_is_a_problem_and_not_the_end() -> None:
    api = FakeApi(*tutorial())
    api.forbidden = {"leases", "hanodeplans"}
    outcome = await run(api, "status")
    assert outcome.code == 0
    assert "not allowed to list leases in backstay-system: what follows is incomplete" in outcome.out
    assert "Started n3" in outcome.out


async def test_a_namespace_narrows_the_resources() -> None:
    elsewhere = resource("Elsewhere", "elsewhere", "ocf:heartbeat:Dummy", "n2")
    elsewhere["metadata"]["namespace"] = "web"
    api = FakeApi(*tutorial(), elsewhere)
    assert "Elsewhere" in (await run(api, "status")).out
    narrowed = (await run(api, "status", "-n", "web")).out
    assert "Elsewhere" in narrowed
    assert "ClusterIP" not in narrowed


def test_a_notice_of_a_broken_connection_does_not_pile_up() -> None:
    assert without_notice("screen\nmore\n\ncannot read the cluster: gone") == "screen\nmore"
    assert without_notice("screen\nmore") == "screen\nmore"


async def test_a_clock_ahead_of_the_clusters_does_not_make_it_look_dead() -> None:
    names = ("dc-tutorial", "node-n1", "node-n2", "node-n3")
    ages = dict(zip(names, (40.0, 75.0, 40.1, 40.2), strict=True))
    api = FakeApi(*tutorial(), *(lease(name, age_s=ages[name], holder="operator-a") for name in names))

    def renewed(fake: FakeApi) -> None:
        for name in ("dc-tutorial", "node-n2", "node-n3"):
            fake.put(lease(name, age_s=ages[name] - 1.5, holder="operator-a"))

    api.meanwhile = renewed
    shown = (await run(api, "status")).out
    assert "Current DC: operator-a" in shown
    assert "active [ n2 n3 ]" in shown
    assert "no heartbeat for 36 s [ n1 ]" in shown


async def test_a_clock_behind_the_clusters_does_not_make_the_dead_look_alive() -> None:
    fresh = (lease(name, age_s=-50, holder="operator-a") for name in ("dc-tutorial", "node-n2", "node-n3"))
    shown = (await run(FakeApi(*tutorial(), *fresh, lease("node-n1", age_s=-10)), "status")).out
    assert "no heartbeat for 40 s [ n1 ]" in shown
    assert "active [ n2 n3 ]" in shown
