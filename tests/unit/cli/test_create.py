"""`resource create`: pcs's commands of the tutorial, and what is refused before anything is written."""

from __future__ import annotations

import json

import pytest
import yaml

from backstay.api import HAResource, ResourceGroup
from backstay_kube.errors import ApiInvalid
from unit.cli.cluster import IPADDR2_XML, cluster, group, node, plan, resource, tutorial
from unit.cli.fake_api import FakeApi
from unit.cli.program import run

AGENTS = [f"ocf:heartbeat:{name}" for name in ("Filesystem", "IPaddr2", "LVM", "apache")]


def empty_cluster(**metadata: str) -> FakeApi:
    named = {f"ocf:heartbeat:{name}": xml for name, xml in metadata.items()}
    return FakeApi(
        cluster(),
        node("n1"),
        node("n2"),
        plan("n1", agents=AGENTS, metadata=named),
        plan("n2", agents=AGENTS),
    )


def manifests(text: str) -> list[dict]:
    return list(yaml.safe_load_all(text))


async def test_the_tutorials_address_becomes_its_manifest() -> None:
    line = (
        "resource create ClusterIP ocf:heartbeat:IPaddr2 ip=10.0.0.3 cidr_netmask=24 op monitor interval=30s"
    )
    outcome = await run(empty_cluster(), *line.split(), "--no-default-ops", "--dry-run=client", "-o", "yaml")
    assert manifests(outcome.out) == [
        {
            "apiVersion": "ha.backstay.io/v1alpha1",
            "kind": "HAResource",
            "metadata": {"name": "cluster-ip", "namespace": "default"},
            "spec": {
                "resourceId": "ClusterIP",
                "agent": "ocf:heartbeat:IPaddr2",
                "params": {"ip": "10.0.0.3", "cidr_netmask": "24"},
                "operations": [{"name": "monitor", "interval": "30s"}],
            },
        }
    ]


async def test_the_tutorials_four_commands_build_its_group_in_order() -> None:
    api = empty_cluster()
    for line in (
        "app_lvm LVM volgrpname=app_vg exclusive=true",
        "app_fs Filesystem device=/dev/app_vg/app_lv directory=/var/www fstype=xfs",
        "VIP IPaddr2 ip=10.0.1.100 cidr_netmask=24",
        "Website-Testes apache configfile=/etc/apache2/apache2.conf statusurl=http://127.0.0.1/server-status",
    ):
        outcome = await run(api, "resource", "create", *line.split(), "--group", "appgroup", "--force")
        assert outcome.code == 0, outcome
    made = ResourceGroup.parse(api.object("ResourceGroup", "appgroup", "default"))
    assert [member.resource for member in made.spec.members] == ["app-lvm", "app-fs", "vip", "website-testes"]
    website = HAResource.parse(api.object("HAResource", "website-testes", "default"))
    assert website.resource_id == "Website-Testes"
    assert website.spec.agent == "ocf:heartbeat:apache"
    assert website.spec.params["statusurl"] == "http://127.0.0.1/server-status"
    vip = api.object("HAResource", "vip", "default")["spec"]
    assert vip == {
        "resourceId": "VIP",
        "agent": "ocf:heartbeat:IPaddr2",
        "params": {"ip": "10.0.1.100", "cidr_netmask": "24"},
        "operations": [{"name": "monitor", "interval": "60s"}],
    }


async def test_words_after_an_option_still_count() -> None:
    argv = [
        "resource",
        "create",
        "VIP",
        "IPaddr2",
        "--group",
        "g",
        "ip=10.0.1.100",
        "--force",
        "op",
        "monitor",
        "interval=5s",
    ]
    api = empty_cluster()
    assert (await run(api, *argv)).code == 0
    spec = api.object("HAResource", "vip", "default")["spec"]
    assert (spec["params"], spec["operations"]) == (
        {"ip": "10.0.1.100"},
        [{"name": "monitor", "interval": "5s"}],
    )


async def test_the_agents_advice_completes_the_operations() -> None:
    api = empty_cluster(IPaddr2=IPADDR2_XML)
    assert (
        await run(
            api, *["resource", "create", "VIP", "IPaddr2", "ip=10.0.1.100", "op", "monitor", "interval=3s"]
        )
    ).code == 0
    assert api.object("HAResource", "vip", "default")["spec"]["operations"] == [
        {"name": "monitor", "interval": "3s", "timeout": "20s"},
        {"name": "start", "timeout": "20s"},
        {"name": "stop", "timeout": "20s"},
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("VIP IPaddr2 ipp=1", ["no parameter 'ipp'", "did you mean ip?", "needs the parameter 'ip'"]),
        ("VIP IPaddr2 ip=1 arp_count=many", ["arp_count=many", "integer"]),
        ("VIP IPadr2 ip=1", ["no node has an agent 'IPadr2'", "IPaddr2"]),
        ("VIP ocf:heartbeat:nginx", ["no node has the agent ocf:heartbeat:nginx"]),
        ("VIP ocf:IPaddr2 ip=1", ["ocf:PROVIDER:TYPE"]),
        ("VIP IPaddr2 ip=1 op monitor interval=soon", ["operations[0].interval", "is not a duration"]),
        ("VIP IPaddr2 ip=1 meta requires=luck", ["meta.requires", "luck"]),
        ("VIP IPaddr2 ip=1 --before x", ["--group"]),
        ("VIP IPaddr2 ip=1 clone --group g", ["clone cannot be a member"]),
        ("7up IPaddr2 ip=1", ["not a resource id"]),
    ],
)
async def test_what_is_wrong_is_said_and_nothing_is_written(words: str, said: list[str]) -> None:
    api = empty_cluster(IPaddr2=IPADDR2_XML)
    outcome = await run(api, "resource", "create", *words.split())
    assert outcome.code in (1, 2)
    for part in said:
        assert part in f"{outcome.error} {outcome.hint}"
    assert api.writes == []


async def test_force_creates_what_the_meta_data_refuses() -> None:
    api = empty_cluster(IPaddr2=IPADDR2_XML)
    assert (await run(api, *["resource", "create", "VIP", "IPaddr2", "ipp=1", "--force"])).code == 0
    assert api.object("HAResource", "vip", "default")["spec"]["params"] == {"ipp": "1"}


async def test_an_id_is_taken_once() -> None:
    outcome = await run(FakeApi(*tutorial()), *["resource", "create", "VIP", "IPaddr2", "ip=1"])
    assert "'VIP' is taken" in outcome.error


async def test_a_new_member_goes_where_it_was_told() -> None:
    api = FakeApi(*tutorial())
    argv = "resource create extra ocf:heartbeat:IPaddr2 ip=10.0.0.9 --group appgroup --after app_fs"
    assert (await run(api, *argv.split())).code == 0
    members = api.object("ResourceGroup", "appgroup", "default")["spec"]["members"]
    assert [m["resource"] for m in members] == ["app-lvm", "app-fs", "extra", "vip", "website-testes"]


async def test_the_group_is_written_first_so_that_no_member_runs_alone() -> None:
    api = FakeApi(*tutorial())
    await run(api, *["resource", "create", "extra", "IPaddr2", "ip=10.0.0.9", "--group", "appgroup"])
    assert [(verb, kind) for verb, kind, *_ in api.writes] == [
        ("patch", "ResourceGroup"),
        ("create", "HAResource"),
    ]


@pytest.mark.parametrize("name", ["appgroup", "brandnew"])
async def test_a_refused_resource_leaves_no_trace_in_its_group(name: str) -> None:
    api = FakeApi(*tutorial())
    before = dict(api.objects)
    api_create = api.create

    async def refuse_resources(kind, body, namespace=None):  # type: ignore[no-untyped-def]
        if kind.name == "HAResource":
            raise ApiInvalid("denied by policy", code=422)
        return await api_create(kind, body, namespace)

    api.create = refuse_resources  # type: ignore[method-assign]
    with pytest.raises(ApiInvalid):
        await run(api, *f"resource create extra IPaddr2 ip=10.0.0.9 --group {name}".split())
    assert api.objects.keys() == before.keys()
    members = api.object("ResourceGroup", "appgroup", "default")["spec"]["members"]
    assert [m["resource"] for m in members] == ["app-lvm", "app-fs", "vip", "website-testes"]


async def test_a_group_changed_meanwhile_keeps_the_other_change() -> None:
    api = FakeApi(*tutorial(), resource("late", "late", "ocf:heartbeat:IPaddr2"))

    def somebody_else(fake: FakeApi, kind: str, name: str) -> None:
        fake.put(group("appgroup", ["app-lvm", "app-fs", "vip", "website-testes", "late"], "n2"))

    api.before_patch = somebody_else
    assert (
        await run(api, *["resource", "create", "extra", "IPaddr2", "ip=10.0.0.9", "--group", "appgroup"])
    ).code == 0
    members = api.object("ResourceGroup", "appgroup", "default")["spec"]["members"]
    assert [m["resource"] for m in members][-2:] == ["late", "extra"]


async def test_a_dry_run_writes_nothing_and_shows_the_whole_group() -> None:
    api = FakeApi(*tutorial())
    argv = "resource create extra IPaddr2 ip=10.0.0.9 --group appgroup --before VIP --dry-run=client -o json"
    outcome = await run(api, *argv.split())
    items = json.loads(outcome.out)["items"]
    assert [item["kind"] for item in items] == ["HAResource", "ResourceGroup"]
    assert items[1]["spec"]["members"][2] == {"resource": "extra"}
    assert api.writes == []


async def test_a_dry_run_works_without_any_cluster() -> None:
    api = FakeApi()
    outcome = await run(
        api, *["resource", "create", "VIP", "ocf:heartbeat:IPaddr2", "ip=1", "--dry-run=client", "-o", "yaml"]
    )
    assert outcome.code == 0
    assert "no cluster was asked" in outcome.err
    assert manifests(outcome.out)[0]["spec"]["operations"] == [{"name": "monitor", "interval": "60s"}]
    short = await run(
        api, *["resource", "create", "VIP", "IPaddr2", "ip=1", "--dry-run=client", "-o", "yaml"]
    )
    assert "ocf:heartbeat:IPaddr2" in short.hint


async def test_waiting_says_why_it_does_not_run() -> None:
    api = empty_cluster(IPaddr2=IPADDR2_XML)

    def dc(fake: FakeApi) -> None:
        status = {"cluster": "tutorial", "role": "Stopped", "why": "n1 and n2 are in standby"}
        fake.dc = None
        fake.status("HAResource", "vip", "default", **status)

    api.dc = dc
    outcome = await run(api, *["resource", "create", "VIP", "IPaddr2", "ip=10.0.1.100", "--wait=0.4"])
    assert outcome.code == 1
    assert "VIP is Stopped: n1 and n2 are in standby" in outcome.error
