"""kubectl works on custom objects as it does on a real cluster."""

import json
import subprocess
import threading
from pathlib import Path

import pytest

from unit.apiserver.servers import KUBECTL, Server

DEFINITION = Path(__file__).parent / "gizmo.yaml"


def manifest(name: str, *, ip: str = "10.0.0.3", extra: str = "") -> str:
    return f"""
apiVersion: ha.example.io/v1alpha1
kind: Gizmo
metadata: {{name: {name}, labels: {{app: x}}}}
spec:
  agent: ocf:heartbeat:IPaddr2
  params: {{ip: {ip}}}
  members: [{{name: a, v: 1}}, {{name: b, v: "2"}}]
{extra}"""


@pytest.fixture(autouse=True, scope="module")
def _definition(server: Server) -> None:
    server.kubectl("apply", "-f", str(DEFINITION))
    server.kubectl("wait", "--for=condition=Established", "crd/gizmos.ha.example.io", "--timeout=5s")


def test_apply_creates_keeps_and_changes(server: Server) -> None:
    assert "created" in server.kubectl("apply", "-f", "-", given=manifest("one"))
    assert "unchanged" in server.kubectl("apply", "-f", "-", given=manifest("one"))
    assert "configured" in server.kubectl("apply", "-f", "-", given=manifest("one", ip="10.0.0.4"))
    assert server.kubectl("get", "gz", "one", "-o", "jsonpath={.spec.params.ip}") == "10.0.0.4"
    assert "10.0.0.3" in server.kubectl("diff", "-f", "-", given=manifest("one"), fails=True)
    assert "server dry run" in server.kubectl("apply", "--dry-run=server", "-f", "-", given=manifest("one"))
    assert server.kubectl("get", "gz", "one", "-o", "jsonpath={.spec.params.ip}") == "10.0.0.4"


def test_list_is_applied_item_by_item(server: Server) -> None:
    items = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}}
        for name in ("first-of-list", "second-of-list")
    ]
    given = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    assert server.kubectl("apply", "-f", "-", given=given).count("created") == 2
    assert server.kubectl("delete", "-f", "-", given=given).count("deleted") == 2


def test_server_side_apply_names_the_other_owner(server: Server) -> None:
    server.kubectl("apply", "--server-side", "-f", "-", given=manifest("ssa"))
    rival = ("apply", "--server-side", "--field-manager=rival", "-f", "-")
    refused = server.kubectl(*rival, given=manifest("ssa", ip="10.0.0.9"), fails=True)
    assert 'conflict with "kubectl"' in refused
    assert ".spec.params.ip" in refused
    server.kubectl(*rival, "--force-conflicts", given=manifest("ssa", ip="10.0.0.9"))
    assert server.kubectl("get", "gz", "ssa", "-o", "jsonpath={.spec.params.ip}") == "10.0.0.9"


def test_unknown_fields_are_refused_or_warned_of(server: Server) -> None:
    typo = manifest("typo", extra="  agnt: x\n")
    assert 'unknown field "spec.agnt"' in server.kubectl("apply", "-f", "-", given=typo, fails=True)
    assert 'Warning: unknown field "spec.agnt"' in server.kubectl(
        "apply", "--validate=warn", "-f", "-", given=typo
    )
    refused = server.kubectl("apply", "--server-side", "-f", "-", given=typo, fails=True)
    assert ".spec.agnt: field not declared in schema" in refused


def test_tables_show_the_definitions_columns(server: Server) -> None:
    server.kubectl("apply", "-f", "-", given=manifest("shown"))
    status = '{"status":{"conditions":[{"type":"Ready","status":"True"}]}}'
    server.kubectl("patch", "gz", "shown", "--subresource=status", "--type=merge", "-p", status)
    plain = server.kubectl("get", "gz", "shown").splitlines()
    assert plain[0].split() == ["NAME", "AGENT", "READY", "AGE"]
    assert plain[1].split()[:3] == ["shown", "ocf:heartbeat:IPaddr2", "True"]
    assert server.kubectl("get", "gz", "shown", "-o", "wide").splitlines()[0].split()[3] == "PARAMS"
    everywhere = server.kubectl("get", "ha", "-A", "-l", "app=x")
    assert everywhere.splitlines()[0].startswith("NAMESPACE")
    assert server.kubectl("get", "gz", "-l", "app=nothing").startswith("No resources found")


def test_wait_sees_conditions_and_paths(server: Server) -> None:
    server.kubectl("apply", "-f", "-", given=manifest("awaited"))
    status = '{"status":{"conditions":[{"type":"Ready","status":"True"}]}}'
    timer = threading.Timer(
        0.5, server.kubectl, ("patch", "gz", "awaited", "--subresource=status", "--type=merge", "-p", status)
    )
    timer.start()
    assert "condition met" in server.kubectl("wait", "--for=condition=Ready", "gz/awaited", "--timeout=10s")
    timer.join()
    server.kubectl("wait", "--for=jsonpath={.spec.epoch}=3", "gz/awaited", "--timeout=5s")
    assert "timed out" in server.kubectl(
        "wait", "--for=condition=No", "gz/awaited", "--timeout=1s", fails=True
    )


def test_edit_patch_label_annotate_and_replace(server: Server) -> None:
    server.kubectl("apply", "-f", "-", given=manifest("edited"))
    server.kubectl("edit", "gz", "edited", KUBE_EDITOR="sed -i s/10.0.0.3/10.0.0.7/")
    server.kubectl("label", "gz", "edited", "tier=web")
    server.kubectl("annotate", "gz", "edited", "note=hello")
    server.kubectl("patch", "gz", "edited", "--type=merge", "-p", '{"spec":{"epoch":5}}')
    stored = json.loads(server.kubectl("get", "gz", "edited", "-o", "json"))
    assert stored["spec"]["params"]["ip"] == "10.0.0.7"
    assert stored["metadata"]["labels"]["tier"] == "web"
    assert stored["metadata"]["annotations"]["note"] == "hello"
    back = server.kubectl("patch", "gz", "edited", "--type=merge", "-p", '{"spec":{"epoch":4}}', fails=True)
    assert "epoch never goes back" in back
    operations = '[{"op":"replace","path":"/spec/agent","value":"not an agent"}]'
    wrong = server.kubectl("patch", "gz", "edited", "--type=json", "-p", operations, fails=True)
    assert "spec.agent in body should match" in wrong


def test_watch_prints_each_change(server: Server) -> None:
    server.kubectl("get", "gz")  # skips where there is no kubectl, and fills the discovery cache
    command = [
        KUBECTL,
        "get",
        "gz",
        "-w",
        "--output-watch-events",
        "-o",
        "wide",
        "--field-selector=metadata.name=seen",
    ]
    with subprocess.Popen(command, env=server.environment(), stdout=subprocess.PIPE, text=True) as watching:
        guard = threading.Timer(20, watching.kill)
        guard.start()
        try:
            assert watching.stdout is not None
            server.kubectl("apply", "--server-side", "-f", "-", given=manifest("seen"))
            seen = [watching.stdout.readline().split()[:2] for _ in range(2)]
            server.kubectl("label", "gz", "seen", "a=b")
            server.kubectl("delete", "gz", "seen")
            seen += [watching.stdout.readline().split()[:2] for _ in range(2)]
        finally:
            guard.cancel()
            watching.kill()
    assert seen == [["EVENT", "NAME"], ["ADDED", "seen"], ["MODIFIED", "seen"], ["DELETED", "seen"]]


def test_delete_waits_for_finalizers(server: Server) -> None:
    server.kubectl("apply", "-f", "-", given=manifest("held"))
    server.kubectl(
        "patch", "gz", "held", "--type=merge", "-p", '{"metadata":{"finalizers":["example.com/hold"]}}'
    )
    release = ("patch", "gz", "held", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    timer = threading.Timer(0.7, server.kubectl, release)
    timer.start()
    assert "deleted" in server.kubectl("delete", "gz", "held", "--timeout=10s")
    timer.join()
    assert "NotFound" in server.kubectl("get", "gz", "held", fails=True)


def test_explain_reads_the_definition(server: Server) -> None:
    text = server.kubectl("explain", "gizmo.spec")
    assert "What is wanted." in text
    assert "agent\t<string> -required-" in text
    assert "lastTransitionTime" not in text
    assert "conditions\t<[]Object>" in server.kubectl("explain", "gizmos", "--recursive")


def test_describe_and_events_find_what_happened(server: Server) -> None:
    server.kubectl("apply", "-f", "-", given=manifest("told"))
    uid = server.kubectl("get", "gz", "told", "-o", "jsonpath={.metadata.uid}")
    event = f"""
apiVersion: v1
kind: Event
metadata: {{generateName: told., namespace: default}}
involvedObject: {{apiVersion: ha.example.io/v1alpha1, kind: Gizmo, name: told, namespace: default, uid: {uid}}}
reason: Moved
message: it moved
type: Warning
source: {{component: tester}}
firstTimestamp: "2026-01-01T00:00:00Z"
lastTimestamp: "2026-01-01T00:00:00Z"
count: 3
"""
    server.kubectl("create", "-f", "-", given=event)
    assert "it moved" in server.kubectl("describe", "gz", "told")
    assert "it moved" in server.kubectl("events", "--for", "gizmo/told")
    columns = server.kubectl("get", "events", "--field-selector", "involvedObject.name=told").splitlines()
    assert columns[0].split() == ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    assert columns[1].split()[-3:] == ["gizmo/told", "it", "moved"]


def test_built_in_kinds_can_be_created_from_the_command_line(server: Server) -> None:
    server.kubectl("create", "namespace", "team")
    server.kubectl("create", "configmap", "c", "--from-literal=a=b", "-n", "team")
    server.kubectl("create", "secret", "generic", "s", "--from-literal=p=q", "-n", "team")
    server.kubectl("create", "serviceaccount", "sa", "-n", "team")
    server.kubectl("create", "role", "r", "--verb=get,list", "--resource=pods", "-n", "team")
    server.kubectl("create", "rolebinding", "rb", "--role=r", "--serviceaccount=team:sa", "-n", "team")
    rule = json.loads(server.kubectl("get", "role", "r", "-n", "team", "-o", "json"))["rules"][0]
    assert rule == {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}
    assert server.kubectl("get", "secret", "s", "-n", "team", "-o", "jsonpath={.data.p}") == "cQ=="
    server.kubectl("delete", "namespace", "team", "--timeout=10s")
    assert "No resources found" in server.kubectl("get", "configmaps", "-n", "team")


def test_strategic_patch_of_a_built_in_kind_merges_containers(server: Server) -> None:
    def deployment(containers: str) -> str:
        return f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: d}}
spec:
  selector: {{matchLabels: {{a: b}}}}
  template: {{metadata: {{labels: {{a: b}}}}, spec: {{containers: {containers}}}}}
"""

    server.kubectl("apply", "-f", "-", given=deployment("[{name: a, image: one}, {name: b, image: one}]"))
    server.kubectl("set", "image", "deploy/d", "a=two")
    server.kubectl("apply", "-f", "-", given=deployment("[{name: b, image: three}, {name: c, image: one}]"))
    images = server.kubectl("get", "deploy", "d", "-o", "jsonpath={.spec.template.spec.containers[*].image}")
    assert images == "three one"


def test_discovery_and_permissions_answer(server: Server) -> None:
    resources = server.kubectl("api-resources")
    assert any(
        line.split()[:3] == ["gizmos", "gz", "ha.example.io/v1alpha1"] for line in resources.splitlines()
    )
    assert "ha.example.io/v1alpha1" in server.kubectl("api-versions")
    assert "v1.36" in server.kubectl("version")
    assert server.kubectl("auth", "can-i", "create", "pods").strip() == "yes"
    assert "-admin" in server.kubectl("auth", "whoami")
    server.kubectl("get", "gz", "--chunk-size=1")


def test_node_can_be_cordoned(server: Server) -> None:
    server.kubectl("apply", "-f", "-", given="{apiVersion: v1, kind: Node, metadata: {name: n1}}")
    server.kubectl("cordon", "n1")
    assert "SchedulingDisabled" in server.kubectl("get", "nodes")
