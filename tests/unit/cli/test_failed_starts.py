"""What failed is named where a person waits for it, and clones are found by the names that Pacemaker gives them."""

from __future__ import annotations

from typing import Any

import pytest

from unit.cli.cluster import cluster, node, plan, resource
from unit.cli.fake_api import FakeApi
from unit.cli.program import run

FAILED: dict[str, Any] = {
    "failures": 1_000_000,
    "failCounts": [{"node": "n2", "operation": "start", "count": "INFINITY", "reason": "not installed"}],
}
QUIET = {"lastTransition": {"number": 4, "phase": "Complete"}}


def api_with(*resources: dict[str, Any]) -> FakeApi:
    nodes = [node("n1"), node("n2")]
    return FakeApi(cluster(**QUIET), *nodes, plan("n1"), plan("n2"), *resources)


async def test_waiting_for_a_resource_ends_when_its_start_has_failed_and_nothing_is_tried() -> None:
    api = api_with(resource("Q", "q", "ocf:heartbeat:Dummy", status=FAILED))
    outcome = await run(api, "resource", "enable", "Q", "--wait=60")
    assert outcome.code != 0
    assert outcome.error == "not running: Q: start failed on n2: not installed"
    assert outcome.hint == "mend the cause, then: kubectl ha resource cleanup Q"


async def test_waiting_goes_on_while_a_transition_is_under_way() -> None:
    api = api_with(resource("Q", "q", "ocf:heartbeat:Dummy", status=FAILED))
    api.status("HACluster", "tutorial", lastTransition={"number": 5, "phase": "Running"})
    outcome = await run(api, "resource", "enable", "Q", "--wait=2")
    assert "not running after 2 s" in outcome.error


async def test_cleanup_tells_of_the_retry_that_failed() -> None:
    api = api_with(resource("Q", "q", "ocf:heartbeat:Dummy", status=FAILED))

    def dc(fake: FakeApi) -> None:
        hook, fake.dc = fake.dc, None
        asked = fake.object("HAResource", "q", "default")["spec"].get("requests") or []
        acks = [{"id": one["id"], "state": "Done", "message": ""} for one in asked]
        if acks:
            fake.status("HAResource", "q", "default", requests=acks)
        fake.dc = hook

    api.dc = dc
    outcome = await run(api, "resource", "cleanup", "Q", "--wait=5")
    assert outcome.code == 1
    said = outcome.out + outcome.err
    assert "Q: cleanup done" in said
    assert "Q: it was tried again, and start failed on n2: not installed" in said


async def test_failures_are_shown_with_the_node_that_had_them() -> None:
    api = api_with(resource("Q", "q", "ocf:heartbeat:Dummy", on="n1", status=FAILED))
    outcome = await run(api, "status")
    assert "Started n1 (failures: INFINITY on n2)" in outcome.out


@pytest.mark.parametrize("word", ["Q", "q", "Q-clone", "q-clone", "Q:1"])
async def test_a_clone_is_found_by_every_name_it_has(word: str) -> None:
    clone = resource("Q", "q", "ocf:heartbeat:Dummy", clone={})
    outcome = await run(api_with(clone), "resource", "disable", word)
    assert outcome.code == 0
    assert outcome.error == ""


async def test_what_is_no_clone_has_no_clone_name() -> None:
    outcome = await run(api_with(resource("Q", "q", "ocf:heartbeat:Dummy")), "resource", "disable", "Q-clone")
    assert "there is no resource or group 'Q-clone'" in outcome.error
