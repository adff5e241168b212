"""Requests to the DC: written without losing others', answered, taken back, pruned; and the commands that stand on them."""

from __future__ import annotations

import pytest

from backstay_cli.build.requests import LIMIT, OWN_PREFIX, with_request
from backstay_cli.errors import CliError
from backstay_kube.errors import ApiConflict
from unit.cli.cluster import cluster, made, node, plan, resource, tutorial
from unit.cli.fake_api import FakeApi
from unit.cli.program import run


def answering(state: str = "Done", message: str = "", **moved: str) -> object:
    """A DC that acknowledges every request at once, and moves ClusterIP where `node` says."""

    def dc(fake: FakeApi) -> None:
        hook, fake.dc = fake.dc, None
        for (kind, space, name), obj in list(fake.objects.items()):
            asked = obj["spec"].get("requests") or []
            if asked:
                acks = [{"id": entry["id"], "state": state, "message": message} for entry in asked]
                fake.status(kind, name, space, requests=acks)
        if moved:
            fake.status("HAResource", "cluster-ip", "default", node=moved["node"], role="Started",
                        active=[{"node": moved["node"], "role": "Started"}])  # fmt: skip
        fake.dc = hook

    return dc


def obj_with(requests: list[dict], acks: list[dict]) -> dict:
    return {"metadata": {"name": "x"}, "spec": {"requests": requests}, "status": {"requests": acks}}


def test_own_finished_requests_are_pruned_and_others_kept() -> None:
    asked = [
        {"id": OWN_PREFIX + "1"},
        {"id": OWN_PREFIX + "2"},
        {"id": "somebody-1"},
        {"id": OWN_PREFIX + "3"},
    ]
    acks = [
        {"id": OWN_PREFIX + "1", "state": "Done"},
        {"id": OWN_PREFIX + "2", "state": "Accepted"},
        {"id": "somebody-1", "state": "Done"},
    ]
    patch = with_request(obj_with(asked, acks), {"id": "new", "type": "move"})
    assert [r["id"] for r in patch["spec"]["requests"]] == [
        OWN_PREFIX + "2",
        "somebody-1",
        OWN_PREFIX + "3",
        "new",
    ]


def test_a_list_full_of_unanswered_requests_is_said() -> None:
    with pytest.raises(CliError, match="16 requests that no DC has answered"):
        with_request(obj_with([{"id": str(n)} for n in range(LIMIT)], []), {"id": "new"})


async def test_a_move_is_asked_for_and_leaves_no_constraint() -> None:
    api = FakeApi(*tutorial())
    api.dc = answering(node="n2")
    outcome = await run(api, "resource", "move", "ClusterIP", "n2")
    assert outcome.code == 0, outcome
    assert "ClusterIP is Started on n2" in outcome.err
    assert api.writes[0][3]["spec"]["requests"] == [{"id": OWN_PREFIX + "0001", "type": "move", "node": "n2"}]
    assert not [key for key in api.objects if key[0] == "HAConstraint"]
    assert api.object("HAResource", "cluster-ip", "default")["spec"]["requests"] == []


@pytest.mark.parametrize(
    ("stickiness", "location", "said"),
    [
        (0, None, "resource-stickiness is 0: it may move again"),
        (100, None, "it stays there (resource-stickiness 100)"),
        (100, ("n3", 500), "prefers n3 with 500, and resource-stickiness is 100, so it will go back there"),
        (100, ("n1", "INFINITY"), "will go there once n1 is online"),
        (1000, ("n3", 500), "it stays there"),
    ],
)
async def test_a_move_says_what_will_pull_it_back(stickiness: int, location: tuple | None, said: str) -> None:
    constraints = []
    if location:
        spec = {"location": {"resource": "ClusterIP", "node": location[0], "score": location[1]}}
        constraints.append(made("HAConstraint", "likes", namespace="default", spec=spec))
    api = FakeApi(*tutorial(), *constraints)
    named = api.object("HACluster", "tutorial")
    api.put({**named, "spec": {"resourceDefaults": {"resourceStickiness": stickiness}}})
    api.dc = answering(node="n2")
    outcome = await run(api, "resource", "move", "ClusterIP", "n2")
    assert said in outcome.err


async def test_a_member_moves_with_its_whole_group() -> None:
    api = FakeApi(*tutorial())
    api.dc = answering()
    outcome = await run(api, "resource", "move", "VIP", "n3")
    assert outcome.code == 0, outcome
    assert "the whole group moves" in outcome.err
    assert api.writes[0][1:3] == ("ResourceGroup", "appgroup")


async def test_a_move_that_nobody_answers_is_taken_back() -> None:
    api = FakeApi(*tutorial())
    outcome = await run(api, "resource", "move", "ClusterIP", "n2", "--wait=0.2")
    assert outcome.code == 1
    assert "taken back" in outcome.error
    assert api.object("HAResource", "cluster-ip", "default")["spec"]["requests"] == []


async def test_a_move_under_way_is_not_taken_back() -> None:
    api = FakeApi(*tutorial())
    api.dc = answering("Accepted", "stopping on n3")
    outcome = await run(api, "resource", "move", "ClusterIP", "n2", "--wait=0.2")
    assert "the DC is at it, but was not done after 0.2 s: stopping on n3" in outcome.error
    assert len(api.object("HAResource", "cluster-ip", "default")["spec"]["requests"]) == 1


async def test_a_refusal_is_an_error_with_the_dcs_reason() -> None:
    api = FakeApi(*tutorial())
    api.dc = answering("Refused", "n2 is banned by constraint ban-1")
    outcome = await run(api, "resource", "move", "ClusterIP", "n2")
    assert (outcome.code, outcome.error) == (
        1,
        "move of cluster-ip: Refused: n2 is banned by constraint ban-1",
    )


@pytest.mark.parametrize(
    ("target", "said"),
    [("n1", "n1 is Offline (fenced by pdu)"), ("n9", "no node 'n9'")],
)
async def test_a_move_to_where_it_cannot_run_is_refused_here(target: str, said: str) -> None:
    api = FakeApi(*tutorial())
    outcome = await run(api, "resource", "move", "ClusterIP", target)
    assert said in outcome.error
    assert api.writes == []


async def test_a_conflict_is_retried_and_the_other_writers_request_survives() -> None:
    api = FakeApi(*tutorial())

    def somebody(fake: FakeApi, kind: str, name: str) -> None:
        obj = fake.object("HAResource", "cluster-ip", "default")
        fake.put({**obj, "spec": {**obj["spec"], "requests": [{"id": "theirs", "type": "cleanup"}]}})

    api.before_patch = somebody
    await run(api, "resource", "move", "ClusterIP", "n2", "--no-wait")
    asked = api.object("HAResource", "cluster-ip", "default")["spec"]["requests"]
    assert [r["id"] for r in asked] == ["theirs", OWN_PREFIX + "0001"]


async def test_conflicts_without_end_end() -> None:
    api = FakeApi(*tutorial())

    def always(fake: FakeApi, kind: str, name: str) -> None:
        fake.put(fake.object("HAResource", "cluster-ip", "default"))
        fake.before_patch = always

    api.before_patch = always
    with pytest.raises(ApiConflict):
        await run(api, "resource", "move", "ClusterIP", "n2", "--no-wait")


async def test_cleanup_without_an_id_asks_for_what_has_failures() -> None:
    api = FakeApi(*tutorial())
    api.dc = answering()
    outcome = await run(api, "resource", "cleanup", "--node", "n1", "--operation", "monitor")
    assert outcome.code == 0, outcome
    asked = [(name, body["spec"]["requests"]) for _, _, name, body in api.writes]
    assert asked == [
        (
            "website-testes",
            [{"id": OWN_PREFIX + "0001", "type": "cleanup", "node": "n1", "operation": "monitor"}],
        ),
        ("website-testes", []),
    ]


async def test_cleanup_with_nothing_to_clean_says_so() -> None:
    api = FakeApi(cluster(), node("n1"), resource("a", "a", "ocf:heartbeat:Dummy", "n1"), plan("n1"))
    outcome = await run(api, "resource", "cleanup")
    assert (outcome.code, api.writes) == (0, [])
    assert "nothing to clean up" in outcome.err


async def test_one_refused_cleanup_does_not_hide_the_others() -> None:
    api = FakeApi(*tutorial())
    api.dc = answering("Refused", "busy")
    outcome = await run(api, "resource", "refresh")
    assert outcome.code == 1
    assert outcome.err.count("Refused: busy") == 6


async def test_describe_asks_a_node_that_has_the_agent() -> None:
    from unit.cli.cluster import IPADDR2_XML

    api = FakeApi(*tutorial())

    def dc(fake: FakeApi) -> None:
        fake.dc = None
        asked = fake.object("HANode", "n3")["spec"]["requests"]
        fake.status("HANode", "n3", requests=[{"id": asked[0]["id"], "state": "Done"}])
        published = plan("n3", metadata={"ocf:pacemaker:Dummy": IPADDR2_XML})["status"]
        fake.status("HANodePlan", "n3", **published)

    api.dc = dc
    outcome = await run(api, "resource", "describe", "Dummy")
    assert outcome.code == 0, outcome
    assert "asking n3" in outcome.err
    assert "not installed on n1, n2" in outcome.err
    assert "ip (required, unique): string" in outcome.out


async def test_a_dead_node_is_confirmed_only_in_so_many_words() -> None:
    api = FakeApi(*tutorial())
    api.dc = answering()
    assert "n2 is Online" in (await run(api, "fence", "confirm", "n2", "--yes")).error
    unsure = await run(api, "fence", "confirm", "n1")
    assert (unsure.code, api.writes) == (2, [])
    assert "--yes" in unsure.hint
    assert (await run(api, "fence", "confirm", "n1", "--yes")).code == 0
    assert api.writes[0][3]["spec"]["requests"][0]["type"] == "confirm"


async def test_fencing_by_hand_names_its_action() -> None:
    api = FakeApi(*tutorial())
    api.dc = answering(message="done by pdu")
    outcome = await run(api, "fence", "node", "n1", "--action", "off")
    assert api.writes[0][3]["spec"]["requests"][0] == {
        "id": OWN_PREFIX + "0001",
        "type": "fence",
        "action": "off",
    }
    assert "done by pdu" in outcome.err
