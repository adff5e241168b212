"""A CIB with everything in it: what becomes of it as manifests, what is said to be lost, and that it comes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backstay.cib import CibError, parse_cib
from backstay.cib.importing import Imported, Weight, import_cib
from backstay.simulate import simulate
from backstay.state.constraint import Location
from backstay.state.resource import Primitive
from unit.cib.roundtrip import NOW, exported, grafted

Obj = dict[str, Any]
EVERYTHING = Path(__file__).with_name("everything.xml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def imported() -> Imported:
    return import_cib(EVERYTHING, now=NOW)


def spec(imported: Imported, kind: str, name: str) -> Obj:
    (found,) = [m for m in imported.manifests if (m["kind"], m["metadata"]["name"]) == (kind, name)]
    return dict(found["spec"])


def lost(imported: Imported) -> dict[str, str]:
    return {item.path: item.message for item in imported.report if item.weight is Weight.LOST}


def test_options_of_either_spelling_become_properties(imported: Imported) -> None:
    assert spec(imported, "HACluster", "harbour")["properties"] == {
        "noQuorumPolicy": "freeze",
        "stonithEnabled": False,
        "nodeHealthStrategy": "progressive",
        "nodeHealthGreen": 10,
        "clusterRecheckInterval": "5min",
        "stonithMaxAttempts": 7,
    }


def test_defaults_keep_their_rules(imported: Imported) -> None:
    cluster = spec(imported, "HACluster", "harbour")
    assert cluster["resourceDefaults"] == {"resourceStickiness": 7}
    assert cluster["conditionalResourceDefaults"] == [
        {
            "score": 2,
            "rule": {"expressions": [{"agent": {"standard": "systemd"}}]},
            "meta": {"migrationThreshold": 2},
        }
    ]
    assert cluster["operationDefaults"] == {"timeout": "45s"}
    assert cluster["conditionalOperationDefaults"] == [
        {"rule": {"expressions": [{"action": {"name": "monitor"}}]}, "defaults": {"onFail": "block"}}
    ]


def test_without_defaults_nothing_is_sticky_as_in_pacemaker() -> None:
    bare = import_cib("<cib><configuration><resources/></configuration></cib>", now=NOW)
    assert spec(bare, "HACluster", "pacemaker")["resourceDefaults"] == {}


def test_nodes_keep_attributes_capacities_and_standby(imported: Imported) -> None:
    assert spec(imported, "HANode", "n1") == {
        "cluster": "harbour",
        "attributes": {"rack": "left"},
        "utilization": {"memory": 4096},
    }
    assert spec(imported, "HANode", "n2") == {"cluster": "harbour", "standby": True}


def test_a_template_is_written_out(imported: Imported) -> None:
    assert spec(imported, "HAResource", "cluster-ip") == {
        "resourceId": "ClusterIP",
        "agent": "ocf:heartbeat:IPaddr2",
        "params": {"ip": "10.0.0.3"},
        "conditionalParams": [
            {
                "rule": {"expressions": [{"operation": "date_spec", "dateSpec": {"hours": "22-23"}}]},
                "params": {"arp_count": "1"},
            }
        ],
        "operations": [{"name": "monitor", "interval": "10s", "timeout": "30s"}],
        "meta": {"priority": "INFINITY"},
        "utilization": {"memory": 64},
    }


def test_a_group_refers_to_its_members(imported: Imported) -> None:
    assert spec(imported, "ResourceGroup", "app-group") == {
        "resourceId": "app_group",
        "members": [{"resource": "app-fs"}, {"resource": "app-web"}],
        "meta": {"resourceStickiness": 100},
    }
    assert spec(imported, "HAResource", "app-fs")["operations"] == [
        {"name": "stop", "timeout": "1min", "onFail": "fence"},
        {"name": "monitor", "interval": "20s", "params": {"OCF_CHECK_LEVEL": "20"}},
    ]


def test_a_clone_keeps_its_own_meta_attributes_apart_from_what_it_clones(imported: Imported) -> None:
    assert spec(imported, "HAResource", "ping")["clone"] == {
        "id": "pings",
        "interleave": True,
        "meta": {"targetRole": "Started"},
    }
    database = spec(imported, "HAResource", "db")
    assert database["clone"] == {"id": "db-set", "promotable": True, "promotedMax": 2, "meta": {}}
    assert database["meta"] == {"isManaged": False}


def test_constraints_keep_rules_sets_and_patterns(imported: Imported) -> None:
    assert spec(imported, "HAConstraint", "loc-rule")["location"] == {
        "resource": "app_group",
        "rules": [
            {
                "score": "-INFINITY",
                "booleanOp": "or",
                "expressions": [{"attribute": "rack", "operation": "eq", "value": "right"}],
                "rules": [
                    {
                        "expressions": [
                            {"attribute": "memory", "operation": "lt", "value": "5", "type": "number"},
                            {"operation": "gt", "start": "2030-01-01T00:00:00.000000Z"},
                        ]
                    }
                ],
            }
        ],
    }
    pattern = {"resourcePattern": "^app_(.*)", "node": "n3", "score": -5}
    assert spec(imported, "HAConstraint", "loc-pattern")["location"] == pattern
    assert spec(imported, "HAConstraint", "ord-set")["order"] == {
        "kind": "Optional",
        "sets": [
            {"id": "ord-set-1", "resources": ["ClusterIP", "pings"], "sequential": False},
            {"id": "ord-set-2", "resources": ["app_group"]},
        ],
    }
    assert spec(imported, "HAConstraint", "tick")["ticket"] == {
        "ticket": "west",
        "resource": "app_group",
        "lossPolicy": "freeze",
    }
    assert spec(imported, "HACluster", "harbour")["tickets"][0]["granted"] is True


def test_a_tag_becomes_one_constraint_for_each_resource(imported: Imported) -> None:
    both = [spec(imported, "HAConstraint", name)["colocation"] for name in ("col-tag", "col-tag-2")]
    assert [one["resource"] for one in both] == ["ClusterIP", "app_group"]


def test_what_has_no_equivalent_is_told_by_its_place(imported: Imported) -> None:
    config = "/cib/configuration"
    options = f"{config}/crm_config/cluster_property_set[@id='cib-bootstrap-options']"
    meta = f"{config}/resources/master[@id='db-set']/primitive[@id='db']/meta_attributes[@id='db-m']"
    assert set(lost(imported)) == {
        f"{options}/nvpair[@name='frobnicate']",
        f"{config}/alerts/alert[@id='mail']",
        f"{config}/resources/bundle[@id='box']",
        f"{meta}/nvpair[@name='flavour']",
    }
    assert not imported.complete
    notes = [item.message for item in imported.report if "password" in item.path]
    assert notes == ["looks like a password: move it into a Secret (paramsFrom)"]


def test_what_was_imported_comes_back_and_means_the_same(imported: Imported) -> None:
    xml = exported(imported.manifests)
    before = simulate(parse_cib(without_bundle(EVERYTHING), now=NOW))
    after = simulate(parse_cib(grafted(xml, EVERYTHING), now=NOW))
    assert before.summary != ()
    assert (before.summary, before.executed, before.revised) == (after.summary, after.executed, after.revised)
    again = import_cib(xml, now=NOW)
    assert again.complete
    assert stripped(again) == stripped(imported)


def without_bundle(xml: str) -> str:
    return xml.replace('<bundle id="box"><docker image="box:1"/></bundle>', "")


def stripped(imported: Imported) -> list[Obj]:
    """Without positions, and without what an export writes out as several: patterns and tags."""
    return [
        {"kind": m["kind"], "name": m["metadata"]["name"], "spec": m["spec"]}
        for m in imported.manifests
        if not m["metadata"]["name"].startswith(("loc-pattern", "col-tag"))
    ]


@pytest.mark.parametrize("text", ["", "<cib", "<cluster/>", "<!DOCTYPE cib><cib/>"])
def test_what_is_no_cib_is_refused(text: str) -> None:
    with pytest.raises(CibError):
        import_cib(text, now=NOW)


def test_two_ids_that_would_get_one_name_get_two() -> None:
    primitive = '<primitive id="{}" class="ocf" provider="heartbeat" type="Dummy"/>'
    resources = "".join(primitive.format(name) for name in ("app_a", "app-a", "App_A"))
    found = import_cib(
        f"<cib><configuration><resources>{resources}</resources></configuration></cib>", now=NOW
    )
    names = [m["metadata"]["name"] for m in found.manifests if m["kind"] == "HAResource"]
    assert names == ["app-a", "app-a-2", "app-a-3"]


def test_a_rule_three_levels_deep_is_lost_and_said_so() -> None:
    rule = '<rule id="a" score="5" boolean-op="and"><rule id="b" boolean-op="or"><expression id="e" attribute="x" operation="defined"/>'
    rule += '<rule id="c" boolean-op="and"><expression id="f" attribute="y" operation="defined"/>'
    rule += '<expression id="g" attribute="z" operation="defined"/></rule></rule>'
    rule += '<expression id="h" attribute="w" operation="defined"/></rule>'
    found = import_cib(
        '<cib><configuration><resources><primitive id="A" class="ocf" provider="heartbeat" type="Dummy"/></resources>'
        f'<constraints><rsc_location id="deep" rsc="A">{rule}</rsc_location></constraints></configuration></cib>',
        now=NOW,
    )
    assert list(lost(found)) == ["/cib/configuration/constraints/rsc_location[@id='deep']"]


FENCED = """<cib><configuration><crm_config/><nodes><node id="1" uname="n1"/><node id="2" uname="n2"/></nodes><resources>
<primitive id="PDU_1" class="stonith" type="fence_apc"><instance_attributes id="i">
<nvpair id="i1" name="ip" value="10.0.0.9"/><nvpair id="i2" name="pcmk_host_map" value="n1:1;n2:2"/>
<nvpair id="i3" name="pcmk_host_list" value="n1,n2"/><nvpair id="i4" name="pcmk_delay_base" value="5s"/></instance_attributes>
<meta_attributes id="m"><nvpair id="m1" name="priority" value="3"/></meta_attributes></primitive></resources>
<constraints><rsc_location id="l" rsc="PDU_1" node="n1" score="-INFINITY"/></constraints>
<fencing-topology><fencing-level id="f" index="1" target="n1" devices="PDU_1"/></fencing-topology></configuration></cib>"""


def test_a_stonith_primitive_becomes_a_fence_device_and_comes_back() -> None:
    found = import_cib(FENCED, now=NOW)
    device = spec(found, "FenceDevice", "pdu-1")
    assert device["agent"] == "stonith:fence_apc"
    assert device["params"] == {"ip": "10.0.0.9"}
    assert device["targets"] == {"nodes": ["n1", "n2"]}
    assert device["hostMap"] == {"n1": "1", "n2": "2"}
    assert (device["delayBase"], device["priority"]) == ("5s", 3)
    assert "/cib/configuration/constraints/rsc_location[@id='l']" in lost(found)
    (primitive,) = parse_cib(exported(found.manifests), now=NOW).resources
    assert isinstance(primitive, Primitive)
    assert primitive.id == "PDU_1"
    assert primitive.meta.priority == 3
    assert primitive.params["pcmk_host_map"] == "n1:1;n2:2"
    assert any(m["kind"] == "HACluster" for m in found.manifests)


def test_plugs_with_spaces_and_separators_survive_the_way_there_and_back() -> None:
    written = r"n1:My\ VM\;1;n2:3,5"
    found = import_cib(FENCED.replace("n1:1;n2:2", written), now=NOW)
    assert spec(found, "FenceDevice", "pdu-1")["hostMap"] == {"n1": "My VM;1", "n2": "3,5"}
    (primitive,) = parse_cib(exported(found.manifests), now=NOW).resources
    assert isinstance(primitive, Primitive)
    assert primitive.params["pcmk_host_map"] == written


def test_host_map_entry_that_is_no_pair_is_lost_with_its_place() -> None:
    found = import_cib(FENCED.replace("n1:1;n2:2", "n1:1 n2"), now=NOW)
    assert spec(found, "FenceDevice", "pdu-1")["hostMap"] == {"n1": "1"}
    assert any("pcmk_host_map: 'n2' is not NODE:VALUE" in message for message in lost(found).values())


def test_a_value_that_is_refused_costs_only_itself() -> None:
    found = import_cib(
        """<cib><configuration><crm_config><cluster_property_set id="c">
        <nvpair id="a" name="stonith-max-attempts" value="0"/><nvpair id="b" name="no-quorum-policy" value="freeze"/>
        </cluster_property_set></crm_config><resources><primitive id="A" class="ocf" provider="heartbeat" type="Dummy">
        <operations><op id="o" name="sing" interval="10s"/><op id="m" name="monitor" interval="10s"/></operations>
        </primitive><primitive id="B" class="heartbeat" type="Dummy"/></resources></configuration></cib>""",
        now=NOW,
    )
    assert spec(found, "HACluster", "pacemaker")["properties"] == {"noQuorumPolicy": "freeze"}
    assert spec(found, "HAResource", "a")["operations"] == [{"name": "monitor", "interval": "10s"}]
    assert [m["metadata"]["name"] for m in found.manifests if m["kind"] == "HAResource"] == ["a"]
    assert any("no agent 'heartbeat:Dummy'" in message for message in lost(found).values())
    assert any("sing" in item.message or "operations.0.name" in item.message for item in found.report)


PATTERNS = """<cib><configuration><crm_config/><nodes><node id="1" uname="n1"/></nodes><resources>
<group id="web"><primitive id="web-ip" class="ocf" provider="heartbeat" type="Dummy"/></group>
<clone id="web-all"><primitive id="web-ping" class="ocf" provider="heartbeat" type="Dummy"/></clone>
<primitive id="web-db" class="ocf" provider="heartbeat" type="Dummy"/></resources>
<constraints><rsc_location id="l" rsc-pattern="^web" node="n1" score="5"/></constraints></configuration></cib>"""


def located(xml: str) -> list[str]:
    return [one.resource for one in parse_cib(xml, now=NOW).constraints if isinstance(one, Location)]


def test_a_pattern_matches_no_member_of_a_group_or_clone() -> None:
    assert located(PATTERNS) == ["web", "web-all", "web-db"]
    assert located(exported(import_cib(PATTERNS, now=NOW).manifests)) == ["web", "web-all", "web-db"]


def test_a_pattern_that_matches_nothing_yet_is_kept_as_it_is_written() -> None:
    found = import_cib(PATTERNS.replace("^web", "^web-ip$"), now=NOW)
    assert spec(found, "HAConstraint", "l")["location"] == {
        "resourcePattern": "^web-ip$",
        "node": "n1",
        "score": 5,
    }
    assert located(exported(found.manifests)) == []


def test_rules_of_a_pattern_keep_their_place_for_what_it_captures() -> None:
    rule = '<rule id="r" score="5"><expression id="e" attribute="at-%1" operation="defined"/></rule>'
    written = f'<rsc_location id="l" rsc-pattern="^web-(.*)">{rule}</rsc_location>'
    old = '<rsc_location id="l" rsc-pattern="^web" node="n1" score="5"/>'
    found = import_cib(PATTERNS.replace(old, written), now=NOW)
    (kept,) = spec(found, "HAConstraint", "l")["location"]["rules"]
    assert kept["expressions"] == [{"attribute": "at-%1", "operation": "defined"}]
