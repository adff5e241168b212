"""`explain` and `verify`: live, on a saved input, a CIB, manifests."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path

import pytest

from backstay.state.codec import dump_state
from backstay_cli.__main__ import main
from unit.cli.cluster import cluster, made, tutorial
from unit.cli.fake_api import FakeApi
from unit.cli.program import run
from unit.cli.test_simulate import live
from unit.explain.cluster import primitive, running, state

CIB = Path(__file__).parent.parent / "cib" / "everything.xml"


async def test_a_live_resource_is_explained_by_id_or_by_name() -> None:
    by_id = await run(live(), "explain", "ClusterIP")
    assert by_id.code == 0
    assert by_id.out.startswith("ClusterIP runs on n1, and that is its place (ocf:heartbeat:IPaddr2).")
    assert "resource-stickiness 1" in by_id.out
    assert (await run(live(), "explain", "cluster-ip")).out == by_id.out


async def test_why_not_asks_about_one_node() -> None:
    outcome = await run(live(), "explain", "ClusterIP", "--why-not", "n3")
    assert "ClusterIP does not run on n3" in outcome.out
    assert "n2" not in outcome.out
    wrong = await run(live(), "explain", "ClusterIP", "--why-not", "n33")
    assert (wrong.code, wrong.error) == (1, "there is no node 'n33' in this cluster")


async def test_nothing_is_written_by_looking() -> None:
    api = live()
    await run(api, "explain", "ClusterIP")
    await run(api, "verify")
    assert api.writes == []


async def test_an_unknown_resource_is_named_with_the_nearest() -> None:
    outcome = await run(live(), "explain", "ClusterPI")
    assert outcome.code == 1
    assert "ClusterIP" in outcome.hint


def saved() -> FakeApi:
    moving = state(
        resources=primitive("A"),
        histories={"n1": running("A", "Dummy")},
        node_attributes={"n1": '<nvpair id="s" name="standby" value="on"/>'},
    )
    packed = base64.b64encode(gzip.compress(dump_state(moving).encode())).decode()
    spec = {"cluster": "tutorial", "number": 41, "input": packed}
    return FakeApi(cluster(), made("HATransition", "tutorial-41", spec=spec))


async def test_a_number_is_a_transition_and_each_action_says_why() -> None:
    outcome = await run(saved(), "explain", "41")
    assert outcome.out.splitlines()[0] == "Move A (n1 -> n2)"
    assert "start A on n2 (Move A (n1 -> n2))" in outcome.out
    assert "it never runs twice" in outcome.out


async def test_a_resource_is_explained_as_it_was_in_a_transition() -> None:
    outcome = await run(saved(), "explain", "A", "--transition", "41", "-o", "json")
    (found,) = json.loads(outcome.out)
    assert (found["active"], found["chosen"]) == (["n1"], "n2")


def test_a_cib_and_manifests_are_explained_alike(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "app_group", "--why-not", "n3", "-x", str(CIB)]) == 0
    assert "location constraint loc-pattern avoids this node" in capsys.readouterr().out
    assert main(["import", str(CIB)]) == 0
    manifests = tmp_path / "all.yaml"
    manifests.write_text(capsys.readouterr().out)
    assert main(["explain", "app-group", "--why-not", "n3", "-f", str(manifests)]) == 0
    assert "location constraint loc-pattern avoids this node" in capsys.readouterr().out
    assert main(["explain", "-f", str(manifests)]) == 0
    assert "Start app_fs (n1)" in capsys.readouterr().out
    assert main(["simulate", "--filename", str(manifests)]) == 0
    assert "Start      app_fs" in capsys.readouterr().out


async def test_the_live_cluster_is_verified_with_object_and_field() -> None:
    api = FakeApi(*tutorial())
    api.put(
        made(
            "HAConstraint",
            "never",
            namespace="default",
            spec={
                "location": {
                    "resource": "ClusterIP",
                    "rules": [{"score": 5, "expressions": [{"attribute": "rack", "operation": "defined"}]}],
                }
            },
        )
    )
    outcome = await run(api, "verify", "-o", "json")
    assert outcome.code == 1
    found = {(one["object"], one["code"]): one for one in json.loads(outcome.out)}
    never = found["HAConstraint default/never", "NeverMatches"]
    assert (never["field"], never["severity"]) == ("spec.location.rules", "warning")
    assert found["HACluster tutorial", "NoFenceDevice"]["severity"] == "error"


def test_a_sound_cib_has_no_problems_and_warnings_fail_only_when_strict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = """<cib><configuration><crm_config><cluster_property_set id="c"><nvpair id="s" name="stonith-enabled" value="false"/>
    </cluster_property_set></crm_config><nodes><node id="1" uname="n1"/></nodes><resources>
    <primitive id="A" class="ocf" provider="heartbeat" type="Dummy">{}</primitive></resources><constraints/>
    </configuration></cib>"""
    sound, unwatched = tmp_path / "sound.xml", tmp_path / "unwatched.xml"
    sound.write_text(text.format('<operations><op id="m" name="monitor" interval="9s"/></operations>'))
    unwatched.write_text(text.format(""))
    assert main(["verify", "-x", str(sound)]) == 0
    assert capsys.readouterr().out == "no problems found\n"
    assert main(["verify", "-x", str(unwatched)]) == 0
    assert "warning: resource A, operations: it has no recurring monitor" in capsys.readouterr().out
    assert main(["verify", "-x", str(unwatched), "--strict"]) == 1


def test_manifests_without_nodes_are_judged_with_those_that_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(
        """
apiVersion: ha.backstay.io/v1alpha1
kind: HAResource
metadata: {name: a}
spec: {agent: 'ocf:heartbeat:Dummy'}
---
apiVersion: ha.backstay.io/v1alpha1
kind: HAConstraint
metadata: {name: never-n1}
spec: {location: {resource: a, node: n1, score: -INFINITY}}
"""
    )
    assert main(["verify", "-f", str(path)]) == 1
    shown = capsys.readouterr()
    assert "assuming n1" in shown.err
    assert "error: HAResource default/a, spec: it can run nowhere, even with every node up" in shown.out
