"""Who may have a node powered off or declared dead: by a request, and by whatever has the cluster do it later."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from backstay_sandbox import installation
from harness.hosts import wait_for
from harness.real_server import RealServer

SPACE = "fencing-rights"
NODE = "fencing-1"
FENCE = {"name": "monitor", "interval": "10s", "onFail": "fence"}
STANDBY = {"name": "monitor", "interval": "10s", "onFail": "standby"}
RULE = {"expressions": [{"attribute": "x", "operation": "defined"}]}
UNFENCING = {"requires": "unfencing"}
DUMMY: dict[str, Any] = {"agent": "ocf:heartbeat:Dummy"}
WRITERS = ("haresources", "resourcegroups", "haconstraints", "haclusters", "fencedevices")


def obj(kind: str, spec: dict[str, Any], *, name: str = "try") -> dict[str, Any]:
    spaced = kind in ("HAResource", "ResourceGroup", "HAConstraint")
    metadata = {"name": name, **({"namespace": SPACE} if spaced else {})}
    return {"apiVersion": "ha.backstay.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}


def apply(server: RealServer, person: str, *objects: dict[str, Any], fails: bool = False) -> str:
    text = yaml.safe_dump_all(objects)
    return server.kubectl(
        *("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-", "--as", person),
        given=text,
        fails=fails,
    )


def patch(server: RealServer, person: str, what: str, change: object, *, fails: bool = False) -> str:
    return server.kubectl(
        *("patch", *what.split(), "-n", SPACE, "--type=merge", "-p", json.dumps(change), "--as", person),
        fails=fails,
    )


@pytest.fixture(scope="module")
def people(real_server: RealServer) -> Iterator[RealServer]:
    """`writer` may write every kind and `configure` it, and has no verb of fencing; `space` is administrator of one namespace."""
    kubectl = real_server.kubectl
    kubectl("create", "namespace", SPACE)
    rules = [
        {
            "apiGroups": ["ha.backstay.io"],
            "resources": list(WRITERS),
            "verbs": ["get", "create", "update", "patch", "configure"],
        }
    ]
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "test-writer"},
        "rules": rules,
    }
    kubectl("apply", "-f", "-", given=yaml.safe_dump(role))
    bindings = {
        "on-call": ("backstay-operator",),
        "fencer": ("backstay-operator", "backstay-fencing"),
        "writer": ("test-writer",),
        "owner": ("backstay-admin",),
    }
    for person, roles in bindings.items():
        for one in roles:
            name = f"test-fencing-{person}-{one}"
            kubectl("create", "clusterrolebinding", name, f"--clusterrole={one}", f"--user={person}")
    kubectl(*("create", "rolebinding", "space", "--clusterrole=backstay-admin", "--user=space", "-n", SPACE))
    kubectl("apply", "-f", "-", given=yaml.safe_dump(obj("HANode", {"cluster": "x"}, name=NODE)))
    wait_for(
        lambda: (
            real_server.kubectl_status(
                "auth", "can-i", "create", "haresources.ha.backstay.io", "-n", SPACE, "--as", "space"
            )
            == 0
        ),
        timeout_s=10.0,
        what="the bindings are in force",
    )
    wait_for(
        lambda: (
            "takes the verb `fence`"
            in real_server.kubectl(
                *("apply", "--dry-run=server", "-f", "-", "--as", "writer"),
                given=yaml.safe_dump(obj("FenceDevice", {"cluster": "x", "agent": "stonith:fence_x"})),
                fails=True,
            )
        ),
        timeout_s=15.0,
        what="the policy is in force",
    )
    yield real_server
    for person, roles in bindings.items():
        for one in roles:
            kubectl("delete", "clusterrolebinding", f"test-fencing-{person}-{one}")
    kubectl("delete", "clusterrole", "test-writer")
    kubectl("delete", "hanode", NODE)
    kubectl("delete", "namespace", SPACE, "--wait=false")


# -- requests


def asked(*types: str) -> dict[str, Any]:
    requests = [{"id": f"r-{number}-{one}", "type": one} for number, one in enumerate(types)]
    return {"spec": {"requests": requests}}


@pytest.mark.parametrize("kind", ["fence", "confirm"])
def test_on_call_role_has_no_node_fenced_or_declared_dead(people: RealServer, kind: str) -> None:
    refused = patch(people, "on-call", f"hanode {NODE}", asked(kind), fails=True)
    assert f"takes the verb `{kind}` on hanodes" in refused
    refused = patch(people, "on-call", f"hanode {NODE}", asked("describe", kind), fails=True)
    assert f"takes the verb `{kind}` on hanodes" in refused


def test_request_that_is_there_cannot_be_made_a_fencing(people: RealServer) -> None:
    wish = {"id": "1", "type": "describe", "agent": "ocf:heartbeat:Dummy"}
    patch(people, "on-call", f"hanode {NODE}", {"spec": {"requests": [wish]}})
    refused = patch(
        people,
        "on-call",
        f"hanode {NODE}",
        {"spec": {"requests": [{"id": "1", "type": "fence"}]}},
        fails=True,
    )
    assert "takes the verb `fence`" in refused


@pytest.mark.parametrize("person", ["fencer", "owner"])
def test_who_has_the_verbs_fences_and_confirms_and_others_steer_on(people: RealServer, person: str) -> None:
    patch(people, person, f"hanode {NODE}", asked("fence", "confirm"))
    # What somebody else has asked for already is no hindrance to the daily work.
    patch(people, "on-call", f"hanode {NODE}", {"spec": {"standby": True, "maintenance": True}})
    patch(people, "on-call", f"hanode {NODE}", {"spec": {"standby": False, "maintenance": False}})
    patch(people, "on-call", f"hanode {NODE}", {"spec": {"requests": []}})


@pytest.mark.parametrize(
    "change",
    [
        {"spec": {"cluster": "other"}},
        {"spec": {"attributes": {"resource-discovery-enabled": "false"}}},
        {"spec": {"attributes": {"#node-unfenced": "1"}}},
        {"spec": {"utilization": {"cpu": 0}}},
        {"metadata": {"labels": {"ha.backstay.io/cluster": "other"}}},
        {
            "metadata": {
                "ownerReferences": [
                    {
                        "apiVersion": "v1",
                        "kind": "Node",
                        "name": "gone",
                        "uid": "00000000-0000-0000-0000-000000000000",
                    }
                ]
            }
        },
    ],
    ids=json.dumps,
)
def test_on_call_role_changes_nothing_else_of_a_node(people: RealServer, change: dict[str, Any]) -> None:
    refused = patch(people, "on-call", f"hanode {NODE}", change, fails=True)
    assert "takes the verb `configure` on hanodes" in refused


@pytest.mark.parametrize("agent", ["stonith:reboot", "ocf:../x:y", "/bin/sh", "stonith:fence_/x"])
def test_nothing_but_an_agent_is_described(people: RealServer, agent: str) -> None:
    wish = {"id": "d", "type": "describe", "agent": agent}
    assert "spec.requests" in patch(
        people, "owner", f"hanode {NODE}", {"spec": {"requests": [wish]}}, fails=True
    )


# -- policies by which the cluster fences later


def member(template: dict[str, Any]) -> dict[str, Any]:
    return {"members": [{"name": "one", "template": {**DUMMY, **template}}]}


POLICIES = [
    obj("HAResource", {**DUMMY, "operations": [FENCE]}),
    obj("HAResource", {**DUMMY, "operations": [{"name": "start", "onFail": "fence"}]}),
    obj("HAResource", {**DUMMY, "meta": UNFENCING}),
    obj("HAResource", {**DUMMY, "conditionalMeta": [{"rule": RULE, "meta": UNFENCING}]}),
    obj("HAResource", {**DUMMY, "clone": {"meta": UNFENCING}}),
    obj("HAResource", {**DUMMY, "clone": {"conditionalMeta": [{"rule": RULE, "meta": UNFENCING}]}}),
    obj("ResourceGroup", member({"operations": [FENCE]})),
    obj("ResourceGroup", member({"meta": UNFENCING})),
    obj("ResourceGroup", member({"conditionalMeta": [{"rule": RULE, "meta": UNFENCING}]})),
    obj("ResourceGroup", {**member({}), "meta": UNFENCING}),
    obj("ResourceGroup", {**member({}), "clone": {"meta": UNFENCING}}),
    obj("HAConstraint", {"ticket": {"ticket": "t", "resource": "x", "lossPolicy": "fence"}}),
    obj("HACluster", {"properties": {"noQuorumPolicy": "suicide"}}),
    obj("HACluster", {"properties": {"noQuorumPolicy": "fence"}}),
    obj("HACluster", {"operationDefaults": {"onFail": "fence"}}),
    obj("HACluster", {"conditionalOperationDefaults": [{"rule": RULE, "defaults": {"onFail": "fence"}}]}),
    obj("HACluster", {"resourceDefaults": UNFENCING}),
    obj("HACluster", {"conditionalResourceDefaults": [{"rule": RULE, "meta": UNFENCING}]}),
    obj("FenceDevice", {"cluster": "x", "agent": "stonith:fence_x"}),
    obj(
        "FenceDevice",
        {"cluster": "x", "agent": "stonith:fence_x", "commands": {"monitor": {"action": "off"}}},
    ),
]


def case(item: dict[str, Any]) -> str:
    return f"{item['kind']} {json.dumps(item['spec'])}"


@pytest.mark.parametrize("item", POLICIES, ids=case)
def test_what_fences_later_takes_the_verb_as_well(people: RealServer, item: dict[str, Any]) -> None:
    assert "takes the verb `fence` on all hanodes" in apply(people, "writer", item, fails=True)
    apply(people, "owner", item)


@pytest.mark.parametrize("item", POLICIES[:12], ids=case)
def test_administrator_of_one_namespace_has_no_node_fenced(people: RealServer, item: dict[str, Any]) -> None:
    assert "takes the verb `fence` on all hanodes" in apply(people, "space", item, fails=True)


@pytest.mark.parametrize(
    "item",
    [
        obj("HAResource", {**DUMMY, "operations": [{**FENCE, "onFail": "restart"}]}),
        obj("HAResource", {**DUMMY, "meta": {"requires": "fencing"}}),
        obj("HAConstraint", {"ticket": {"ticket": "t", "resource": "x", "lossPolicy": "stop"}}),
        obj("ResourceGroup", member({})),
    ],
    ids=case,
)
def test_administrator_of_one_namespace_configures_the_rest(people: RealServer, item: dict[str, Any]) -> None:
    apply(people, "space", item)


@pytest.mark.parametrize(
    "item",
    [
        obj("HAResource", {**DUMMY, "operations": [STANDBY]}),
        obj("ResourceGroup", member({"operations": [STANDBY]})),
    ],
    ids=case,
)
def test_administrator_of_one_namespace_puts_no_node_into_standby(
    people: RealServer, item: dict[str, Any]
) -> None:
    assert "onFail: standby takes the verb `patch`" in apply(people, "space", item, fails=True)


def test_on_call_role_makes_no_ticket_that_fences(people: RealServer) -> None:
    assert "takes the verb `fence`" in apply(people, "on-call", POLICIES[11], fails=True)


@pytest.mark.parametrize("item", [POLICIES[0], POLICIES[6]], ids=case)
def test_fencing_policy_that_is_there_hinders_no_other_change(
    people: RealServer, item: dict[str, Any]
) -> None:
    people.kubectl("apply", "--server-side", "-f", "-", given=yaml.safe_dump(item))
    what = f"{item['kind'].lower()} try"
    patch(people, "space", what, {"spec": {"meta": {"priority": 5}}})
    patch(people, "on-call", what, {"spec": {"meta": {"targetRole": "Stopped"}}})
    people.kubectl("delete", *what.split(), "-n", SPACE)


# -- fence devices


def device(agent: str = "stonith:fence_x", **spec: Any) -> dict[str, Any]:
    return obj("FenceDevice", {"cluster": "x", "agent": agent, **spec})


@pytest.mark.parametrize("agent", ["stonith:reboot", "stonith:sh", "stonith:ssh", "stonith:external-ssh"])
def test_only_fence_agents_are_fence_devices(people: RealServer, agent: str) -> None:
    assert "only programs named fence_*" in apply(people, "owner", device(agent), fails=True)


def test_secret_of_another_namespace_takes_the_right_to_read_it(people: RealServer) -> None:
    source = {"secretKeyRef": {"name": "pdu", "key": "password", "namespace": SPACE}}
    foreign = device(paramsFrom={"password": source})
    assert f"you may not read Secret {SPACE}/pdu" in apply(people, "owner", foreign, fails=True)
    home = {"secretKeyRef": {**source["secretKeyRef"], "namespace": "backstay-system"}}
    apply(people, "owner", device(paramsFrom={"password": home}))
    people.kubectl(
        "create", "role", "pdu", "--verb=get", "--resource=secrets", "--resource-name=pdu", "-n", SPACE
    )
    people.kubectl("create", "rolebinding", "pdu", "--role=pdu", "--user=owner", "-n", SPACE)
    wait_for(
        lambda: (
            people.kubectl_status(
                *("apply", "--server-side", "--dry-run=server", "-f", "-", "--as", "owner"),
                given=yaml.safe_dump(foreign),
            )
            == 0
        ),
        timeout_s=10.0,
        what="the right to read the Secret is in force",
    )


# -- the policies themselves


def test_api_server_finds_no_fault_in_the_policies(people: RealServer) -> None:
    """Its type check of expressions, written into status some seconds after a policy was made."""
    names = [
        one["metadata"]["name"]
        for one in installation.security_manifests()
        if one["kind"] == "ValidatingAdmissionPolicy"
    ]

    def status(name: str) -> dict[str, Any]:
        text = people.kubectl("get", "validatingadmissionpolicy", name, "-o", "json")
        found: dict[str, Any] = json.loads(text).get("status") or {}
        return found

    for name in names:
        wait_for(lambda name=name: "typeChecking" in status(name), timeout_s=30.0, what=f"{name} was checked")
        assert status(name)["typeChecking"].get("expressionWarnings", []) == []
