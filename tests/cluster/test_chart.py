"""The chart on a real API server, by helm 3 and helm 4: install, upgrade, rollback, uninstall, install again.

There are no kubelets here, so pods stay Pending and hooks, which are pods, are left out (`--no-hooks`); what they run has tests of its
own (tests/unit/operator/test_uninstall.py). A server of its own: other tests install parts of the chart without helm, which helm would
refuse to take over.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backstay_sandbox.controlplane import binaries
from backstay_sandbox.controlplane.plane import ControlPlane
from harness.helm import HELMS, Helm, why_none
from harness.hosts import wait_for
from harness.real_server import RealServer

ROOT = Path(__file__).resolve().parents[2]
NAMESPACE = "backstay-system"
HELM_TIMEOUT_S = 180.0
CLUSTER = """
apiVersion: ha.backstay.io/v1alpha1
kind: HACluster
metadata: {name: main}
spec: {nodeSelector: {ha.backstay.io/member: "true"}}
"""

pytestmark = pytest.mark.skipif(bool(why_none()), reason=why_none())


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    found = binaries.found()
    if found is None:
        pytest.skip(binaries.why_none())
    directory = tmp_path_factory.mktemp("chart")
    plane = ControlPlane(directory / "plane", found)
    try:
        plane.start()
        (directory / "kubeconfig").touch(mode=0o600)
        (directory / "kubeconfig").write_text(plane.admin().render())
        yield RealServer(directory, plane=plane)
    finally:
        plane.stop()


class Release:
    """helm with the server's kubeconfig, on the release `backstay`."""

    def __init__(self, helm: Helm, server: RealServer) -> None:
        self.helm = helm
        self.server = server

    def __call__(self, verb: str, *words: str) -> None:
        ran = subprocess.run(
            [
                *(str(self.helm.path), verb, "backstay", *words, "--namespace", NAMESPACE),
                *("--kubeconfig", str(self.server.kubeconfig)),
            ],
            capture_output=True,
            text=True,
            timeout=HELM_TIMEOUT_S,
            check=False,
            env={"HOME": str(self.server.directory), "PATH": "/usr/bin:/bin"},
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr

    def get(self, *words: str) -> dict[str, Any]:
        return dict(json.loads(self.server.kubectl("get", *words, "-o", "json")))

    def names(self, kind: str) -> set[str]:
        return {one["metadata"]["name"] for one in self.get(kind, "-A")["items"]}

    def replicas(self) -> int:
        return int(self.get("deployment", "backstay-operator", "-n", NAMESPACE)["spec"]["replicas"])


@pytest.mark.parametrize("helm", HELMS, ids=lambda helm: helm.name)
def test_release_lives_through_upgrade_and_rollback_and_leaves_only_the_objects(
    helm: Helm, own_server: RealServer
) -> None:
    release = Release(helm, own_server)
    chart = str(ROOT / "charts/backstay")

    release("install", chart, "--create-namespace")
    assert release.replicas() == 2
    assert "backstay-nodeagent" in release.names("daemonset")
    assert "backstay-nodeagent" in release.names("validatingadmissionpolicy")
    own_server.kubectl("apply", "-f", "-", given=CLUSTER)

    release("upgrade", chart, "--set", "operator.replicas=3")
    assert release.replicas() == 3
    release("rollback", "1", "--no-hooks")
    assert release.replicas() == 2
    assert release.names("hacluster") == {"main"}

    release("uninstall", "--no-hooks")
    assert "backstay-nodeagent" not in release.names("daemonset")
    assert not {name for name in release.names("clusterrole") if name.startswith("backstay")}
    assert release.names("hacluster") == {"main"}, "definitions and objects are kept"

    # Kept definitions are taken up again, and the namespace goes away without a finalizer to wait for.
    release("install", chart)
    release("uninstall", "--no-hooks")
    own_server.kubectl("delete", "hacluster", "main")
    own_server.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    wait_for(
        lambda: NAMESPACE not in release.names("namespace"), timeout_s=60.0, what="the namespace is gone"
    )
    own_server.kubectl("delete", "crd", "-l", "app.kubernetes.io/part-of=backstay")
