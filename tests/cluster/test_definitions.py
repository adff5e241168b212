"""The definitions in crds/ on a real API server, and what it says of good and bad manifests beside what the embedded one says."""

from __future__ import annotations

import json
import ssl
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from backstay.api import KINDS
from backstay_sandbox.kubeconfig import Kubeconfig, kubeconfig_of
from harness.real_server import RealServer
from unit.apiserver.servers import Server, running_server

CRDS = Path(__file__).resolve().parents[2] / "crds"
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
GROUP = "ha.backstay.io/v1alpha1"
TIMEOUT_S = 10.0


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("embedded")) as running:
        running.kubectl("apply", "--server-side", "-f", str(CRDS))
        yield running


def test_definitions_apply_twice_and_change_nothing_the_second_time(real_server: RealServer) -> None:
    def versions() -> str:
        return real_server.kubectl(
            "get",
            "crd",
            "-l",
            "app.kubernetes.io/part-of=backstay",
            "-o",
            "jsonpath={.items[*].metadata.resourceVersion}",
        )

    real_server.kubectl("apply", "--server-side", "-f", str(CRDS), "--force-conflicts")
    before = versions()
    real_server.kubectl("apply", "--server-side", "-f", str(CRDS), "--force-conflicts")
    assert versions() == before
    assert len(before.split()) == len(KINDS)


def test_every_definition_is_structural_and_has_its_names(real_server: RealServer) -> None:
    listed = json.loads(real_server.kubectl("get", "crd", "-o", "json"))["items"]
    for crd in (one for one in listed if one["spec"]["group"] == "ha.backstay.io"):
        conditions = {one["type"]: one for one in crd["status"]["conditions"]}
        assert conditions["Established"]["status"] == "True"
        assert conditions["NamesAccepted"]["status"] == "True"
        assert "NonStructuralSchema" not in conditions, conditions
        assert "Terminating" not in conditions
        assert crd["status"]["storedVersions"] == ["v1alpha1"]


@pytest.mark.parametrize("kind", [kind.info.singular for kind in KINDS])
def test_kinds_explain_themselves(real_server: RealServer, kind: str) -> None:
    text = real_server.kubectl("explain", f"{kind}.spec")
    fields = text.partition("FIELDS:")[2]
    assert text.partition("DESCRIPTION:")[2].partition("FIELDS:")[0].strip()
    assert fields.count("<") >= 2, text


def test_explain_tells_a_field_with_its_choices_and_default(real_server: RealServer) -> None:
    text = real_server.kubectl("explain", "hacluster.spec.properties.noQuorumPolicy")
    assert "What to do with resources when the cluster has no quorum" in text
    assert "ENUM" in text
    assert "ocf:PROVIDER:NAME" in real_server.kubectl("explain", "haresource.spec.agent")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.info.kind)
def test_tables_have_the_columns_of_the_models(real_server: RealServer, embedded: Server, kind: Any) -> None:
    info = kind.info
    sample = next(body for body in good() if body["kind"] == info.kind)
    headings = []
    for one in (real_server, embedded):
        one.kubectl("apply", "--server-side", "-f", "-", given=yaml.safe_dump(sample))
        try:
            headings.append(
                one.kubectl("get", info.plural, sample["metadata"]["name"], "-o", "wide")
                .splitlines()[0]
                .split()
            )
        finally:
            one.kubectl("delete", info.plural, sample["metadata"]["name"])
    wanted = ["NAME", *(column.name.upper() for column in info.columns if not column.priority)]
    assert headings[0] == headings[1]
    assert [one for one in headings[0] if one in wanted] == wanted


@pytest.mark.parametrize("path", sorted(EXAMPLES.rglob("*.yaml")), ids=lambda path: path.name)
def test_examples_are_taken(real_server: RealServer, path: Path) -> None:
    real_server.kubectl("apply", "--server-side", "--dry-run=server", "--force-conflicts", "-f", str(path))


# -- the same words from both servers


def body(kind: str, name: str = "table", *, spaced: bool = True, **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, **({"namespace": "default"} if spaced else {})}
    return {"apiVersion": GROUP, "kind": kind, "metadata": metadata, "spec": spec}


def resource(**spec: Any) -> dict[str, Any]:
    return body("HAResource", **{"agent": "ocf:heartbeat:Dummy", **spec})


def group(*members: Any, **spec: Any) -> dict[str, Any]:
    return body("ResourceGroup", members=list(members), **spec)


def constraint(**spec: Any) -> dict[str, Any]:
    return body("HAConstraint", **spec)


def cluster(**spec: Any) -> dict[str, Any]:
    return body("HACluster", spaced=False, **spec)


def device(**spec: Any) -> dict[str, Any]:
    return body("FenceDevice", spaced=False, **{"cluster": "c", "agent": "stonith:fence_x", **spec})


def good() -> list[dict[str, Any]]:
    return [
        resource(),
        resource(operations=[{"name": "monitor", "interval": "30s"}, {"name": "start", "timeout": 60}]),
        resource(operations=[{"name": "start", "interval": 0}, {"name": "stop", "interval": "0s"}]),
        resource(params={"ip": "10.0.0.3"}),
        resource(meta={"resourceStickiness": "INFINITY", "migrationThreshold": 3, "targetRole": "Stopped"}),
        resource(paramsFrom={"p": {"secretKeyRef": {"name": "s", "key": "k"}}}),
        resource(clone={"max": 2, "promotable": True}),
        group({"resource": "a"}, {"name": "b", "template": {"agent": "systemd:x"}}),
        constraint(location={"resource": "a", "node": "n1", "score": "INFINITY"}),
        cluster(),
        cluster(heartbeat={"leaseDurationMilliseconds": 6000}),
        cluster(allowedAgents=[{"namespaces": ["*"], "agents": ["ocf:heartbeat:*"]}]),
        device(),
        device(paramsFrom={"p": {"secretKeyRef": {"name": "s", "namespace": "x", "key": "k"}}}),
        body("HANode", spaced=False, cluster="c", standby=True),
        body("HANodePlan", spaced=False, epoch=3),
        body("HATransition", spaced=False, cluster="c", number=1),
    ]


def bad() -> list[dict[str, Any]]:
    return [
        resource(agent="not an agent"),
        resource(agent="stonith:fence_x"),
        resource(agent=7),
        resource(agent=None),
        resource(operations=[{"name": "start", "interval": "10s"}]),
        resource(operations=[{"name": "dance"}]),
        resource(operations=[{"interval": "10s"}]),
        resource(operations=[{"name": "monitor", "interval": "soon"}]),
        resource(operations=[{"name": "monitor"}] * 33),
        resource(meta={"targetRole": "Running"}),
        resource(meta={"resourceStickiness": "a lot"}),
        resource(meta={"isManaged": "yes"}),
        resource(meta=[]),
        resource(params="ip=10.0.0.3"),
        resource(paramsFrom={"p": {}}),
        resource(paramsFrom={"p": {"secretKeyRef": {"name": "s"}}}),
        resource(clone={"max": -1}),
        resource(utilization={"cpu": "1"}),
        resource(resourceId="1 two"),
        resource(resourceId="x" * 129),
        resource(requests=[{"id": "", "type": "move"}]),
        resource(requests=[{"id": "1", "type": "explode"}]),
        group(),
        group({}),
        group({"resource": "a", "name": "b", "template": {"agent": "systemd:x"}}),
        group({"template": {"agent": "systemd:x"}}),
        group({"name": "b", "template": {}}),
        group({"name": "b", "template": {"agent": "nonsense"}}),
        constraint(),
        constraint(location={"resource": "a", "node": "n1", "score": 1}, order={"first": "a", "then": "b"}),
        constraint(location={"resource": "a", "node": "n1", "score": "lots"}),
        cluster(properties={"noQuorumPolicy": "panic"}),
        cluster(properties={"batchLimit": -1}),
        cluster(properties={"stonithEnabled": "true"}),
        cluster(properties={"stonithTimeout": "forever"}),
        cluster(heartbeat={"renewIntervalMilliseconds": 2000}),
        cluster(heartbeat={"renewIntervalMilliseconds": 1}),
        cluster(namespaces=["x"] * 65),
        cluster(allowedAgents=[{"namespaces": ["*"]}]),
        cluster(allowedAgents=[{"namespaces": [], "agents": ["*"]}]),
        cluster(allowedAgents=[{"namespaces": ["Upper"], "agents": ["*"]}]),
        cluster(allowedAgents=[{"namespaces": ["*"], "agents": ["perl"]}]),
        cluster(history={"transitions": 0}),
        device(agent="fence_x"),
        device(level=10),
        device(cluster=None),
        device(action="kill"),
        body("HANode", spaced=False, cluster="c", standby="on"),
        body("HANodePlan", spaced=False, epoch=-1),
        body("HANodePlan", spaced=False, epoch=1, actions=[{"verb": "start"}]),
        body("HANodePlan", spaced=False, epoch=1, actions=[{"id": "1", "verb": "start", "timeoutMs": 0}]),
        {**resource(), "spec": None},
        {"apiVersion": GROUP, "kind": "HAResource", "metadata": {"name": "table", "namespace": "default"}},
    ]


def answer(access: Kubeconfig, obj: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """What a server says to a creation that it is not to carry out."""
    kind = next(kind.info for kind in KINDS if kind.info.kind == obj["kind"])
    space = f"/namespaces/{obj['metadata']['namespace']}" if kind.namespaced else ""
    request = urllib.request.Request(
        f"{access.server}/apis/{GROUP}{space}/{kind.plural}?dryRun=All&fieldValidation=Strict",
        data=json.dumps(obj).encode(),
        headers={"Authorization": f"Bearer {access.token}", "Content-Type": "application/json"},
    )
    context = ssl.create_default_context(cadata=access.authority)
    try:
        with urllib.request.urlopen(request, context=context, timeout=TIMEOUT_S) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def name_of(obj: dict[str, Any]) -> str:
    return f"{obj['kind']} {json.dumps(obj.get('spec'))}"[:70]


@pytest.mark.parametrize("obj", good(), ids=name_of)
def test_both_servers_take_what_is_good_and_fill_in_the_same(
    real_server: RealServer, embedded: Server, obj: dict[str, Any]
) -> None:
    real, ours = (answer(kubeconfig_of(str(one.kubeconfig)), obj) for one in (real_server, embedded))
    assert (real[0], ours[0]) == (201, 201), (real[1].get("message"), ours[1].get("message"))
    assert real[1]["spec"] == ours[1]["spec"]


@pytest.mark.parametrize("obj", bad(), ids=name_of)
def test_both_servers_refuse_what_is_bad_in_the_same_words(
    real_server: RealServer, embedded: Server, obj: dict[str, Any]
) -> None:
    real, ours = (answer(kubeconfig_of(str(one.kubeconfig)), obj) for one in (real_server, embedded))
    assert real[0] >= 400, "this was meant to be bad"
    assert (ours[0], ours[1]["reason"]) == (real[0], real[1]["reason"])
    assert causes(ours[1]) == causes(real[1])
    assert ours[1]["message"] == real[1]["message"]


def causes(status: dict[str, Any]) -> list[tuple[str, str, str]]:
    found = (status.get("details") or {}).get("causes") or []
    return sorted((one.get("field", ""), one.get("reason", ""), one.get("message", "")) for one in found)
