"""What one manifest shows alone to be unsafe or without effect is told to whoever applies it, and applied all the same."""

from __future__ import annotations

import time
from typing import Any

import pytest
import yaml

from backstay.api import API_VERSION
from harness.real_server import RealServer
from unit.apiserver.servers import kubectl_process

WATCHED = [{"name": "monitor", "interval": "10s", "timeout": "20s"}]
IN_FORCE_S = 20.0


def manifest(kind: str, spec: dict[str, Any]) -> str:
    metadata = {"name": "warned"} if kind == "HACluster" else {"name": "warned", "namespace": "default"}
    return yaml.safe_dump({"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec})


def dummy(**more: Any) -> dict[str, Any]:
    return {"agent": "ocf:heartbeat:Dummy", "operations": WATCHED, **more}


def member(template: dict[str, Any]) -> dict[str, Any]:
    return {"members": [{"name": "one", "template": template}]}


def warnings(server: RealServer, text: str) -> str:
    """What a dry run on the server warns of."""
    done = kubectl_process(
        ("apply", "--dry-run=server", "-f", "-"), environment=server.environment(), given=text
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def warning_server(real_server: RealServer) -> RealServer:
    """Once it has learnt of the policy."""
    deadline = time.monotonic() + IN_FORCE_S
    while "recurring monitor" not in warnings(
        real_server, manifest("HAResource", {"agent": "ocf:heartbeat:Dummy"})
    ):
        assert time.monotonic() < deadline, "the policy is not in force"
        time.sleep(0.2)
    return real_server


@pytest.mark.parametrize(
    ("kind", "spec", "words"),
    [
        ("HAResource", dummy(operations=[{"name": "monitor", "interval": "0"}]), "no recurring monitor"),
        ("ResourceGroup", member({"agent": "ocf:heartbeat:Dummy"}), "no recurring monitor"),
        (
            "HAResource",
            dummy(agent="ocf:heartbeat:LVM-activate", meta={"requires": "quorum"}),
            "before the lost node is fenced",
        ),
        ("HAConstraint", {"colocation": {"resource": "a", "withResource": "a"}}, "ties a resource to itself"),
        ("HAConstraint", {"order": {"first": "a", "then": "a"}}, "ties a resource to itself"),
        ("HAConstraint", {"location": {"resource": "a", "node": "n1", "score": 0}}, "a score of 0"),
        ("HACluster", {"properties": {"stonithEnabled": False}}, "nothing proves that a lost node is dead"),
        ("HACluster", {"properties": {"noQuorumPolicy": "ignore"}}, "both halves of a split cluster"),
        ("HACluster", {"properties": {"maintenanceMode": True}}, "nothing is watched"),
        ("HACluster", {"properties": {"stopAllResources": True}}, "everything is kept stopped"),
    ],
)
def test_doubtful_manifest_is_warned_of(
    warning_server: RealServer, kind: str, spec: dict[str, Any], words: str
) -> None:
    assert words in warnings(warning_server, manifest(kind, spec))


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("HAResource", dummy()),
        ("ResourceGroup", member(dummy())),
        ("ResourceGroup", {"members": [{"resource": "a"}]}),
        ("HAResource", dummy(meta={"requires": "quorum"})),
        ("HAConstraint", {"colocation": {"resource": "a", "withResource": "b"}}),
        ("HAConstraint", {"order": {"first": "a", "then": "b"}}),
        ("HAConstraint", {"location": {"resource": "a", "node": "n1", "score": 100}}),
        ("HACluster", {"properties": {"stonithEnabled": True}}),
        ("HACluster", {}),
    ],
)
def test_sound_manifest_is_applied_without_a_word(
    warning_server: RealServer, kind: str, spec: dict[str, Any]
) -> None:
    assert "Warning" not in warnings(warning_server, manifest(kind, spec))
