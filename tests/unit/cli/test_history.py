"""`history`: the story of the newest transitions, one in detail, and what cannot be replayed."""

from __future__ import annotations

import json

import pytest

from backstay.api.quantities import timestamp
from unit.cli.cluster import NOW, cluster, made, tutorial
from unit.cli.fake_api import FakeApi
from unit.cli.program import in_utc, run


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> None:
    in_utc(monkeypatch)


def transition(number: int, *, epoch: int = 7, **status: object) -> dict:
    spec = {"cluster": "tutorial", "number": number, "epoch": epoch, "trigger": f"trigger {number}"}
    started = {"phase": "Complete", "started": timestamp(NOW + number), "durationMs": 10 * number}
    return made("HATransition", f"tutorial-{number}", spec=spec, status={**started, **status})


async def test_the_story_of_a_failover() -> None:
    assert (await run(FakeApi(*tutorial()), "history")).out == (
        "Transition 41  Tue Nov 14 22:12:48 2023  Complete in 2.50 s: node n1 is lost\n"
        "    * Fence (reboot) n1 'peer is no longer part of the cluster'\n"
        "    * Move ClusterIP ( n1 -> n3 )\n"
    )


async def test_one_transition_tells_who_noticed_what_and_each_action_in_the_order_of_time() -> None:
    assert (await run(FakeApi(*tutorial()), "history", "41")).out == (
        "Transition 41  Tue Nov 14 22:12:48 2023  Complete in 2.50 s: node n1 is lost\n"
        "  DC: operator-a (epoch 7)\n"
        "  Decided in 2 ms, carried out in 2.50 s\n"
        "\n"
        "Summary:\n"
        "  * Fence (reboot) n1 'peer is no longer part of the cluster'\n"
        "  * Move ClusterIP ( n1 -> n3 )\n"
        "\n"
        "Story:\n"
        "  TIME          AFTER    NODE  WHAT                         TOOK    OUTCOME\n"
        "  22:12:44.900  0.000 s  n1    its last heartbeat was seen\n"
        "  22:12:48.000  3.100 s  n2    stonith-n1-reboot            1.80 s  Done: by power-switch on n2\n"
        "  22:12:49.800  4.900 s  n3    ClusterIP_start_0            660 ms  Done\n"
        "  22:12:50.500  5.600 s        the transition is complete\n"
        "\n"
        "It cannot be replayed: its input was not kept\n"
    )


async def test_the_newest_come_last_and_no_more_than_asked_for() -> None:
    # By name tutorial-10 comes before tutorial-9: numbers must be compared as numbers.
    api = FakeApi(cluster(), *(transition(n) for n in range(1, 13)))
    lines = (await run(api, "history", "-n", "4")).out.splitlines()
    assert [line.split()[1] for line in lines if line.startswith("Transition")] == ["9", "10", "11", "12"]


async def test_failed_actions_are_counted_in_the_title() -> None:
    actions = [
        {"number": 1, "action": "a_start_0", "state": "Failed", "rc": 1},
        {"number": 2, "action": "b", "state": "Skipped"},
    ]
    api = FakeApi(cluster(), transition(3, phase="Failed", actions=actions, abortReason="a_start_0 failed"))
    assert "Failed in 30 ms, 1 action failed: trigger 3" in (await run(api, "history")).out
    detail = (await run(api, "history", "3")).out
    assert "Ended early: a_start_0 failed" in detail
    assert "Failed (rc 1)" in detail


async def test_one_that_is_not_kept_says_which_are() -> None:
    api = FakeApi(cluster(), transition(5), transition(6))
    outcome = await run(api, "history", "4")
    assert (outcome.error, outcome.hint) == ("transition 4 is not kept", "there are 5 to 6")
    assert "no transition" in (await run(FakeApi(cluster()), "history")).out


async def test_json_leaves_the_packed_input_out() -> None:
    packed = transition(5)
    packed["spec"]["input"] = "H4sI"
    outcome = await run(FakeApi(cluster(), packed), "history", "-o", "json")
    assert "input" not in json.loads(outcome.out)[0]["spec"]
