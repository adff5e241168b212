"""What people may do with the chart's roles, and what a cluster lets a namespace run."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.hosts import wait_for
from harness.real_server import RealServer

SPACE = "people"
KINDS = (
    "haclusters",
    "hanodes",
    "haresources",
    "resourcegroups",
    "haconstraints",
    "fencedevices",
    "hanodeplans",
)


@pytest.fixture(scope="module")
def people(real_server: RealServer) -> Iterator[RealServer]:
    """One person per role, and one who has only the built-in role `edit` in the namespace."""
    kubectl = real_server.kubectl
    kubectl("create", "namespace", SPACE)
    for role in ("viewer", "operator", "admin"):
        kubectl(
            "create", "clusterrolebinding", f"test-{role}", f"--clusterrole=backstay-{role}", f"--user={role}"
        )
    for role in ("view", "edit", "admin"):
        kubectl(
            *(
                "create",
                "rolebinding",
                f"test-{role}",
                f"--clusterrole={role}",
                f"--user=plain-{role}",
                "-n",
                SPACE,
            )
        )
    kubectl("apply", "--server-side", "-f", "-", given=manifest(resource("running")))
    kubectl("apply", "--server-side", "-f", "-", given=manifest(group("stack")))
    wait_for(
        lambda: can(real_server, "plain-view", "list", "haresources"),
        timeout_s=15.0,
        what="the built-in role view has taken in backstay-viewer",
    )
    yield real_server
    for role in ("viewer", "operator", "admin"):
        kubectl("delete", "clusterrolebinding", f"test-{role}")
    kubectl("delete", "namespace", SPACE, "--wait=false")


def can(server: RealServer, person: str, verb: str, what: str) -> bool:
    answer = server.kubectl_status(
        "auth", "can-i", verb, f"{what}.ha.backstay.io", "-n", SPACE, "--as", person
    )
    return answer == 0


def resource(name: str, agent: str = "ocf:heartbeat:Dummy", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "ha.backstay.io/v1alpha1",
        "kind": "HAResource",
        "metadata": {"name": name, "namespace": SPACE},
        "spec": {"agent": agent, **spec},
    }


def group(name: str, agent: str = "ocf:heartbeat:Dummy") -> dict[str, Any]:
    member = {"name": f"{name}-one", "template": {"agent": agent}}
    return {**resource(name), "kind": "ResourceGroup", "spec": {"members": [member]}}


def manifest(obj: dict[str, Any]) -> str:
    return yaml.safe_dump(obj)


@pytest.mark.parametrize("kind", KINDS)
def test_viewer_sees_everything_and_changes_nothing(people: RealServer, kind: str) -> None:
    assert can(people, "viewer", "list", kind)
    for verb in ("create", "patch", "update", "delete", "configure"):
        assert not can(people, "viewer", verb, kind)


def test_built_in_roles_get_no_more_than_a_look(people: RealServer) -> None:
    for person in ("plain-view", "plain-edit", "plain-admin"):
        assert can(people, person, "get", "haresources")
        for verb in ("create", "patch", "delete", "configure"):
            assert not can(people, person, verb, "haresources")


def patch(
    server: RealServer,
    person: str,
    what: str,
    change: str,
    *,
    fails: bool = False,
    options: tuple[str, ...] = (),
) -> str:
    return server.kubectl(
        *("patch", *what.split(), "-n", SPACE, "--type=merge", "-p", change, "--as", person, *options),
        fails=fails,
    )


EVIL = '{"params":{"httpd":"/tmp/evil"}}'
EVIL_TEMPLATE = '{"agent":"ocf:heartbeat:Dummy","conditionalParams":[' + EVIL + "]}"
GONE = (
    '{"apiVersion":"ha.backstay.io/v1alpha1","kind":"HACluster","name":"gone",'
    '"uid":"00000000-0000-0000-0000-000000000000"}'
)
"""An owner that is not there: what belongs to it is collected as garbage."""


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("haresource running", '{"spec":{"meta":{"targetRole":"Stopped"}}}'),
        ("haresource running", '{"spec":{"meta":{"isManaged":false}}}'),
        ("haresource running", '{"spec":{"requests":[{"id":"1","type":"cleanup"}]}}'),
        ("haresource running", '{"spec":{"meta":{"targetRole":null}}}'),
        ("haresource running", '{"spec":{"meta":{"maintenance":true}}}'),
        ("resourcegroup stack", '{"spec":{"meta":{"targetRole":"Stopped"}}}'),
        (
            "resourcegroup stack",
            '{"spec":{"members":[{"name":"stack-one","template":{"agent":"ocf:heartbeat:Dummy",'
            '"meta":{"targetRole":"Stopped"}}}]}}',
        ),
        ("haresource running", '{"metadata":{"labels":{"team":"web"},"annotations":{"note":"x"}}}'),
    ],
)
def test_operator_role_steers(people: RealServer, what: str, change: str) -> None:
    patch(people, "operator", what, change)


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("haresource running", '{"spec":{"agent":"lsb:evil"}}'),
        ("haresource running", '{"spec":{"params":{"state":"/etc/passwd"}}}'),
        ("haresource running", '{"spec":{"paramsFrom":{"x":{"secretKeyRef":{"name":"s","key":"k"}}}}}'),
        ("haresource running", '{"spec":{"operations":[{"name":"monitor","interval":"1s"}]}}'),
        ("haresource running", '{"spec":{"meta":{"requires":"nothing"}}}'),
        ("haresource running", '{"spec":{"resourceId":"Other"}}'),
        ("resourcegroup stack", '{"spec":{"members":[{"name":"x","template":{"agent":"lsb:evil"}}]}}'),
        ("resourcegroup stack", '{"spec":{"meta":{"requires":"nothing"}}}'),
        ("haresource running", f'{{"spec":{{"conditionalParams":[{EVIL}]}}}}'),
        (
            "haresource running",
            '{"spec":{"conditionalMeta":[{"rule":{},"meta":{"requires":"nothing"}}]}}',
        ),
        ("haresource running", '{"spec":{"clone":{"max":9}}}'),
        ("haresource running", '{"spec":{"clone":{"meta":{"requires":"nothing"}}}}'),
        ("haresource running", '{"spec":{"utilization":{"cpu":64}}}'),
        ("haresource running", '{"spec":{"meta":{"multipleActive":"stop_unexpected"}}}'),
        ("haresource running", '{"spec":{"meta":{"priority":"INFINITY"}}}'),
        ("haresource running", '{"metadata":{"annotations":{"ha.backstay.io/position":"0"}}}'),
        ("haresource running", f'{{"metadata":{{"ownerReferences":[{GONE}]}}}}'),
        ("haresource running", '{"metadata":{"finalizers":["example.org/held"]}}'),
        ("resourcegroup stack", '{"spec":{"conditionalMeta":[{"rule":{},"meta":{"requires":"nothing"}}]}}'),
        ("resourcegroup stack", '{"spec":{"clone":{"max":9}}}'),
        (
            "resourcegroup stack",
            f'{{"spec":{{"members":[{{"name":"stack-one","template":{EVIL_TEMPLATE}}}]}}}}',
        ),
        ("resourcegroup stack", '{"spec":{"resourceId":"Other"}}'),
        ("resourcegroup stack", f'{{"metadata":{{"ownerReferences":[{GONE}]}}}}'),
    ],
)
def test_operator_role_brings_in_no_code(people: RealServer, what: str, change: str) -> None:
    assert "takes the verb `configure`" in patch(people, "operator", what, change, fails=True)
    patch(people, "admin", what, change + "", options=("--dry-run=server",))


def test_operator_role_creates_and_deletes_nothing_but_constraints(people: RealServer) -> None:
    for verb in ("create", "delete"):
        assert can(people, "operator", verb, "haconstraints")
        for kind in set(KINDS) - {"haconstraints"}:
            assert not can(people, "operator", verb, kind)


def test_admin_role_writes_what_people_write_and_no_plan(people: RealServer) -> None:
    for kind in KINDS[:-1]:
        assert can(people, "admin", "create", kind)
    assert not can(people, "admin", "create", "hanodeplans")
    assert not can(people, "admin", "patch", "hanodeplans")


# -- kubectl ha, as these people


@pytest.fixture(scope="module")
def steered(people: RealServer) -> Iterator[RealServer]:
    """A cluster that nobody runs, and a resource to steer."""
    cluster = {
        "apiVersion": "ha.backstay.io/v1alpha1",
        "kind": "HACluster",
        "metadata": {"name": "steered"},
        "spec": {"nodeSelector": {"backstay.io/none": "x"}, "namespaces": [SPACE]},
    }
    node = {
        "apiVersion": "ha.backstay.io/v1alpha1",
        "kind": "HANode",
        "metadata": {"name": "steered-1"},
        "spec": {"cluster": "steered"},
    }
    for obj in (cluster, node, resource("steered")):
        people.kubectl("apply", "--server-side", "-f", "-", given=manifest(obj))
    yield people
    people.kubectl("delete", "hacluster/steered", "hanode/steered-1")


STEERING = (
    ("node", "standby", "steered-1", "--no-wait"),
    ("node", "unstandby", "steered-1", "--no-wait"),
    ("resource", "disable", "steered"),
    ("resource", "enable", "steered"),
    ("resource", "ban", "steered", "steered-1"),
    ("resource", "clear", "steered"),
)


def ha(server: RealServer, person: str, *words: str) -> subprocess.CompletedProcess[str]:
    """kubectl ha with a token that has one role and nothing else."""
    token = server.kubectl("create", "token", f"person-{person}", "-n", SPACE).strip()
    return subprocess.run(
        [str(Path(sys.executable).parent / "kubectl-ha"), *words, "--cluster", "steered"],
        env={
            **server.environment(),
            "KUBECONFIG": str(server.kubeconfig_with(token, name=f"person-{person}")),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def tokens(steered: RealServer) -> Iterator[RealServer]:
    for role in ("viewer", "operator"):
        steered.kubectl("create", "serviceaccount", f"person-{role}", "-n", SPACE)
        steered.kubectl(
            *("create", "clusterrolebinding", f"test-person-{role}", f"--clusterrole=backstay-{role}"),
            f"--serviceaccount={SPACE}:person-{role}",
        )
    yield steered
    for role in ("viewer", "operator"):
        steered.kubectl("delete", "clusterrolebinding", f"test-person-{role}")


@pytest.mark.parametrize("person", ["viewer", "operator"])
def test_status_is_shown_to_whoever_may_look(tokens: RealServer, person: str) -> None:
    said = ha(tokens, person, "status")
    assert "Cluster name: steered" in said.stdout, said.stderr


@pytest.mark.parametrize("words", STEERING, ids=lambda words: " ".join(words[:2]))
def test_operator_role_suffices_for_the_daily_commands(tokens: RealServer, words: tuple[str, ...]) -> None:
    done = ha(tokens, "operator", *words)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("words", STEERING[:3], ids=lambda words: " ".join(words[:2]))
def test_viewer_is_told_that_it_may_not(tokens: RealServer, words: tuple[str, ...]) -> None:
    done = ha(tokens, "viewer", *words)
    assert done.returncode != 0
    assert "forbidden" in done.stderr.lower()


def test_operator_role_creates_no_resource_by_the_command_line_either(tokens: RealServer) -> None:
    done = ha(tokens, "operator", "resource", "create", "evil", "ocf:heartbeat:Dummy", "--force", "-n", SPACE)
    assert done.returncode != 0
    assert "forbidden" in done.stderr.lower()


@pytest.mark.parametrize(
    ("verb", "words"),
    [
        ("fence", ("fence", "node", "steered-1", "--no-wait")),
        ("confirm", ("fence", "confirm", "steered-1", "--yes", "--no-wait")),
    ],
)
def test_operator_role_is_told_which_verb_fencing_takes(
    tokens: RealServer, verb: str, words: tuple[str, ...]
) -> None:
    done = ha(tokens, "operator", *words)
    assert done.returncode != 0
    assert f"takes the verb `{verb}` on hanodes" in done.stderr
    assert "ask whoever administers the cluster to bind that ClusterRole" in done.stderr


# -- the list of agents


@pytest.fixture
def listed(people: RealServer) -> Iterator[RealServer]:
    """A cluster that allows the namespace Dummy and everything of systemd."""
    cluster = {
        "apiVersion": "ha.backstay.io/v1alpha1",
        "kind": "HACluster",
        "metadata": {"name": "listing"},
        "spec": {
            "nodeSelector": {"backstay.io/none": "x"},
            "allowedAgents": [
                {"namespaces": [SPACE], "agents": ["ocf:heartbeat:Dummy", "systemd:*"]},
                {"namespaces": ["elsewhere"], "agents": ["*"]},
            ],
        },
    }
    people.kubectl("apply", "--server-side", "-f", "-", given=manifest(cluster))
    # Params are learnt by a watch as well.
    wait_for(
        lambda: (
            people.kubectl_status(
                *("apply", "--server-side", "--dry-run=server", "-f", "-"),
                given=manifest(resource("probe", "lsb:x")),
            )
            != 0
        ),
        timeout_s=10.0,
        what="the list is in force",
    )
    yield people
    people.kubectl("delete", "hacluster", "listing")
    with contextlib.suppress(AssertionError):
        people.kubectl("delete", "haresource,resourcegroup", "--all", "-n", SPACE, "--wait=false")


@pytest.mark.parametrize("agent", ["ocf:heartbeat:Dummy", "systemd:nginx"])
@pytest.mark.parametrize("make", [resource, group])
def test_listed_agent_is_taken(listed: RealServer, make: Any, agent: str) -> None:
    listed.kubectl(
        "apply", "--server-side", "--dry-run=server", "-f", "-", given=manifest(make("good", agent))
    )


@pytest.mark.parametrize(
    "agent", ["ocf:heartbeat:Dummy2", "ocf:heartbeat:anything", "lsb:systemd", "service:x"]
)
@pytest.mark.parametrize("make", [resource, group])
def test_unlisted_agent_is_refused_with_the_list_that_refuses_it(
    listed: RealServer, make: Any, agent: str
) -> None:
    refused = listed.kubectl(
        "apply", "--server-side", "-f", "-", given=manifest(make("bad", agent)), fails=True
    )
    assert f"HACluster listing does not let namespace {SPACE} use {agent}" in refused


def test_what_was_there_before_the_list_can_still_be_stopped_and_deleted(listed: RealServer) -> None:
    change = '{"spec":{"allowedAgents":[{"namespaces":["people"],"agents":["systemd:*"]}]}}'
    listed.kubectl("apply", "--server-side", "-f", "-", given=manifest(resource("older")))
    listed.kubectl("patch", "hacluster", "listing", "--type=merge", "-p", change)
    patch(listed, "admin", "haresource older", '{"spec":{"meta":{"targetRole":"Stopped"}}}')
    listed.kubectl("delete", "haresource", "older", "-n", SPACE)
