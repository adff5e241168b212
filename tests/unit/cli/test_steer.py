"""enable, disable, restart, ban, clear, delete, group: what ends up in the objects."""

from __future__ import annotations

import pytest

from backstay.api import HAConstraint
from backstay.api.quantities import timestamp_seconds
from backstay_cli.build.ban import is_expired
from unit.cli.cluster import NOW, group, made, resource, tutorial
from unit.cli.fake_api import FakeApi
from unit.cli.program import in_utc, run


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> None:
    in_utc(monkeypatch)


def obedient(api: FakeApi) -> None:
    """A DC that stops what is disabled and starts what is not, at once."""
    hook, api.dc = api.dc, None
    groups = [obj for (kind, *_), obj in api.objects.items() if kind == "ResourceGroup"]
    for (kind, space, name), obj in list(api.objects.items()):
        if kind != "HAResource":
            continue
        above = [g["spec"] for g in groups if {"resource": name} in g["spec"]["members"]]
        metas = [spec.get("meta") or {} for spec in (obj["spec"], *above)]
        stopped = any(meta.get("targetRole") == "Stopped" for meta in metas)
        active = [] if stopped else [{"node": "n2", "role": "Started"}]
        role = "Stopped" if stopped else "Started"
        api.status(kind, name, space, role=role, node="" if stopped else "n2", active=active)
    for obj in groups:
        stopped = (obj["spec"].get("meta") or {}).get("targetRole") == "Stopped"
        api.status("ResourceGroup", obj["metadata"]["name"], "default", active=[], role="Stopped" if stopped else "Started",
                   node="" if stopped else "n2")  # fmt: skip
    api.dc = hook


def inline_group() -> dict:
    member = {"name": "Fs", "template": {"agent": "ocf:heartbeat:Filesystem", "meta": {"priority": 5}}}
    return made(
        "ResourceGroup",
        "inline",
        namespace="default",
        spec={"members": [member]},
        status={"cluster": "tutorial"},
    )


async def test_disable_and_enable_set_and_remove_the_target_role() -> None:
    api = FakeApi(*tutorial())
    api.dc = obedient
    assert (await run(api, "resource", "disable", "ClusterIP", "--wait")).code == 0
    assert api.object("HAResource", "cluster-ip", "default")["spec"]["meta"] == {"targetRole": "Stopped"}
    outcome = await run(api, "resource", "enable", "ClusterIP", "--wait")
    assert "ClusterIP is Started on n2" in outcome.err
    assert api.object("HAResource", "cluster-ip", "default")["spec"]["meta"] == {}


async def test_an_inline_member_is_disabled_inside_its_group() -> None:
    api = FakeApi(*tutorial(), inline_group())
    assert (await run(api, "resource", "disable", "Fs")).code == 0
    member = api.object("ResourceGroup", "inline", "default")["spec"]["members"][0]
    assert member["template"]["meta"] == {"priority": 5, "targetRole": "Stopped"}
    await run(api, "resource", "enable", "Fs")
    member = api.object("ResourceGroup", "inline", "default")["spec"]["members"][0]
    assert member["template"]["meta"] == {"priority": 5}


async def test_enabling_a_member_of_a_disabled_group_says_that_it_will_not_start() -> None:
    api = FakeApi(*tutorial())
    await run(api, "resource", "disable", "appgroup")
    outcome = await run(api, "resource", "enable", "VIP")
    assert "kubectl ha resource enable appgroup" in outcome.err


async def test_a_resource_is_found_by_id_or_by_object_name_and_else_the_nearest_is_named() -> None:
    api = FakeApi(*tutorial())
    assert (await run(api, "resource", "disable", "website-testes")).code == 0
    outcome = await run(api, "resource", "disable", "Website-Test")
    assert outcome.code == 1
    assert "did you mean Website-Testes" in outcome.hint


async def test_a_restart_gives_back_the_target_role_it_found() -> None:
    api = FakeApi(*tutorial())
    api.dc = obedient
    outcome = await run(api, "resource", "restart", "ClusterIP")
    assert outcome.code == 0, outcome
    assert api.object("HAResource", "cluster-ip", "default")["spec"]["meta"] == {}
    roles = [body["spec"]["meta"]["targetRole"] for _, _, _, body in api.writes]
    assert roles == ["Stopped", None]


async def test_a_restart_that_cannot_stop_gives_the_target_role_back_all_the_same() -> None:
    api = FakeApi(*tutorial())
    outcome = await run(api, "resource", "restart", "ClusterIP", "--wait=0.2")
    assert outcome.code == 1
    assert "not stopped after 0.2 s: ClusterIP is Started on n3" in outcome.error
    assert api.object("HAResource", "cluster-ip", "default")["spec"]["meta"] == {}


async def test_a_ban_is_a_labelled_constraint_that_clear_finds_again() -> None:
    api = FakeApi(*tutorial())
    theirs = made("HAConstraint", "theirs", namespace="default",
                  spec={"location": {"resource": "ClusterIP", "node": "n3", "score": -5}})  # fmt: skip
    api.put(theirs)
    outcome = await run(api, "resource", "ban", "ClusterIP")
    assert "banned from n3 for good" in outcome.err
    made_ban = HAConstraint.parse(api.object("HAConstraint", "cli-ban-cluster-ip-on-n3", "default"))
    assert made_ban.spec.location is not None
    assert (made_ban.spec.location.resource, made_ban.spec.location.node, made_ban.spec.location.score) == (
        "cluster-ip",
        "n3",
        "-INFINITY",
    )
    listed = (await run(api, "constraint", "list")).out
    assert "cluster-ip avoids n3 with INFINITY  (id: cli-ban-cluster-ip-on-n3)" in listed
    await run(api, "resource", "clear", "ClusterIP")
    assert [key[2] for key in api.objects if key[0] == "HAConstraint"] == ["theirs"]


async def test_a_ban_with_a_lifetime_is_a_date_rule_that_ends() -> None:
    api = FakeApi(*tutorial())
    await run(api, "resource", "ban", "ClusterIP", "n2", "--lifetime", "30min")
    banned = HAConstraint.parse(api.object("HAConstraint", "cli-ban-cluster-ip-on-n2", "default"))
    assert banned.spec.location is not None
    assert banned.spec.location.rules is not None
    node, date = banned.spec.location.rules[0].expressions
    assert (node.attribute, node.operation, node.value) == ("#uname", "eq", "n2")
    assert date.operation == "lt"
    assert timestamp_seconds(date.end or "") == NOW + 1800
    assert not is_expired(banned, NOW + 1799)
    assert is_expired(banned, NOW + 1800)
    kept = await run(api, "resource", "clear", "ClusterIP", "--expired")
    assert "no ban" in kept.err


@pytest.mark.parametrize("lifetime", ["soon", "0", "0s"])
async def test_a_wrong_lifetime_is_refused(lifetime: str) -> None:
    api = FakeApi(*tutorial())
    outcome = await run(api, "resource", "ban", "ClusterIP", "n2", "--lifetime", lifetime)
    assert (outcome.code, api.writes) == (2, [])


async def test_a_second_ban_replaces_the_lifetime() -> None:
    api = FakeApi(*tutorial())
    await run(api, "resource", "ban", "ClusterIP", "n2", "--lifetime", "30min")
    await run(api, "resource", "ban", "ClusterIP", "n2")
    spec = api.object("HAConstraint", "cli-ban-cluster-ip-on-n2", "default")["spec"]
    assert spec == {"location": {"resource": "cluster-ip", "node": "n2", "score": "-INFINITY"}}


async def test_delete_stops_first_and_then_leaves_the_group() -> None:
    api = FakeApi(*tutorial())
    api.dc = obedient
    outcome = await run(api, "resource", "delete", "VIP")
    assert outcome.code == 0, outcome
    assert [(verb, kind) for verb, kind, *_ in api.writes] == [
        ("patch", "HAResource"),
        ("patch", "ResourceGroup"),
        ("delete", "HAResource"),
    ]
    members = api.object("ResourceGroup", "appgroup", "default")["spec"]["members"]
    assert [m["resource"] for m in members] == ["app-lvm", "app-fs", "website-testes"]


async def test_what_does_not_stop_is_not_deleted() -> None:
    api = FakeApi(*tutorial())
    outcome = await run(api, "resource", "delete", "VIP", "--wait=0.2")
    assert outcome.code == 1
    assert "nothing was deleted" in outcome.error
    assert api.object("HAResource", "vip", "default")["spec"]["meta"] == {"targetRole": "Stopped"}
    assert (await run(api, "resource", "delete", "VIP", "--force")).code == 0


async def test_two_members_and_the_last_one_take_their_group_along() -> None:
    api = FakeApi(
        *tutorial(),
        resource("a", "a", "ocf:heartbeat:Dummy"),
        resource("b", "b", "ocf:heartbeat:Dummy"),
        group("pair", ["a", "b"]),
    )
    outcome = await run(api, "resource", "delete", "a", "b")
    assert outcome.code == 0, outcome
    assert "pair deleted: b was its last member" in outcome.err
    assert ("ResourceGroup", "default", "pair") not in api.objects


async def test_deleting_a_group_deletes_its_members_and_names_what_still_refers_to_it() -> None:
    order = made(
        "HAConstraint",
        "first",
        namespace="default",
        spec={"order": {"first": "appgroup", "then": "ClusterIP"}},
    )
    api = FakeApi(*tutorial(), order)
    api.dc = obedient
    outcome = await run(api, "resource", "delete", "appgroup")
    assert outcome.code == 0, outcome
    assert "the constraint first still names it" in outcome.err
    assert [key[2] for key in sorted(api.objects) if key[0] in ("HAResource", "ResourceGroup")] == [
        "cluster-ip"
    ]


async def test_groups_are_joined_in_the_order_named_and_left_again() -> None:
    api = FakeApi(*tutorial(), *(resource(name, name, "ocf:heartbeat:Dummy") for name in "abc"))
    assert (await run(api, "group", "add", "appgroup", "a", "b", "--after", "app_fs")).code == 0
    members = api.object("ResourceGroup", "appgroup", "default")["spec"]["members"]
    assert [m["resource"] for m in members] == ["app-lvm", "app-fs", "a", "b", "vip", "website-testes"]
    assert (await run(api, "group", "add", "NewGroup", "c")).code == 0
    assert api.object("ResourceGroup", "new-group", "default")["spec"]["resourceId"] == "NewGroup"
    assert "c is in the group NewGroup already" in (await run(api, "group", "add", "appgroup", "c")).error
    assert (await run(api, "group", "remove", "appgroup", "a")).code == 0
    assert (await run(api, "group", "list")).out.splitlines()[
        0
    ] == "appgroup: app_lvm app_fs b VIP Website-Testes"
    assert (await run(api, "group", "remove", "NewGroup", "c")).code == 0
    assert ("ResourceGroup", "default", "new-group") not in api.objects


async def test_show_speaks_pacemakers_names_and_never_a_secret() -> None:
    kept = {"password": {"secretKeyRef": {"name": "db", "key": "pw"}}}
    api = FakeApi(
        *tutorial(),
        resource("Db", "db", "ocf:heartbeat:pgsql", "n2", paramsFrom=kept, params={"port": "5432"},
                 meta={"migrationThreshold": 3, "isManaged": False},
                 operations=[{"name": "monitor", "interval": "10s", "onFail": "standby"}],
                 clone={"promotable": True, "promotedMax": 1}),
    )  # fmt: skip
    assert (await run(api, "resource", "show", "Db")).out == (
        "Resource: Db (ocf:heartbeat:pgsql)\n  Attributes:\n    port=5432\n    password=<secret db/pw>\n"
        "  Meta Attributes:\n    migration-threshold=3\n    is-managed=false\n"
        "  Operations:\n    monitor: interval=10s on-fail=standby\n"
        "  Clone:\n    promotable=true\n    promoted-max=1\n  State: Started on n2\n"
    )
