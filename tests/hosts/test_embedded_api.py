"""The embedded API: as the root namespace and the hosts see it, and over a restart."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from backstay_sandbox import background
from backstay_sandbox.options import SandboxOptions
from harness.hosts import SandboxUnderTest, sandbox_name, wait_for

pytestmark = pytest.mark.hosts
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
KUBECTL = Path(sys.executable).parent / "kubectl"
ASK_AS_A_HOST = """
import json, ssl, sys, urllib.request, yaml
config = yaml.safe_load(open("/run/backstay-host/agent.kubeconfig"))
import base64
cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
trust = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
request = urllib.request.Request(cluster["server"] + "/api/v1/nodes", headers={"Authorization": "Bearer " + user["token"]})
print(len(json.load(urllib.request.urlopen(request, timeout=5, context=trust))["items"]))
"""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxUnderTest]:
    """Hosts without daemons, with the embedded API and the cluster's objects."""
    options = SandboxOptions(name=sandbox_name("api"), nodes=2, daemons=())
    background.start(options, progress=lambda _step: None)
    try:
        yield SandboxUnderTest(options.layout)
    finally:
        background.stop(options.layout)


def kubectl(sandbox: SandboxUnderTest, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "KUBECONFIG": str(sandbox.layout.kubeconfig)}
    cache = sandbox.layout.state_dir / "kubectl-cache"
    return subprocess.run(
        [str(KUBECTL), f"--cache-dir={cache}", *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_up_leaves_nodes_ready_and_the_cluster_in_place(sandbox: SandboxUnderTest) -> None:
    assert kubectl(sandbox, "wait", "--for=condition=Ready", "node", "--all", "--timeout=5s").returncode == 0
    listed = kubectl(sandbox, "get", "-o", "name", "nodes,haclusters,fencedevices").stdout.split()
    assert listed == [
        "node/n1",
        "node/n2",
        "hacluster.ha.backstay.io/sandbox",
        "fencedevice.ha.backstay.io/power-switch",
    ]


def test_the_tutorial_is_accepted_without_a_complaint(sandbox: SandboxUnderTest) -> None:
    applied = kubectl(sandbox, "apply", "--dry-run=server", "-f", str(EXAMPLES / "tutorial"))
    assert (applied.returncode, applied.stderr) == (0, "")
    assert len(applied.stdout.splitlines()) == 2


def test_hosts_reach_the_api_with_their_own_kubeconfig(sandbox: SandboxUnderTest) -> None:
    asked = sandbox.on_host("n1", sys.executable, "-c", ASK_AS_A_HOST)
    assert (asked.stdout, asked.returncode) == ("2\n", 0), asked.stderr


def test_a_cut_off_host_does_not_reach_the_api(sandbox: SandboxUnderTest) -> None:
    sandbox.ask("cut", node="n1")
    try:
        assert sandbox.on_host("n1", sys.executable, "-c", ASK_AS_A_HOST).returncode != 0
    finally:
        sandbox.ask("heal", node="n1")


def test_the_kubeconfig_is_for_root_only(sandbox: SandboxUnderTest) -> None:
    assert sandbox.layout.kubeconfig.stat().st_mode & 0o077 == 0
    assert sandbox.layout.state_dir.stat().st_mode & 0o077 == 0


def test_objects_and_address_survive_a_restart_of_the_api(sandbox: SandboxUnderTest) -> None:
    assert kubectl(sandbox, "label", "node", "n1", "kept=yes").returncode == 0
    before = sandbox.ask("status")["api"]
    sandbox.ask("restart-api")
    assert sandbox.ask("status")["api"] == before
    assert kubectl(sandbox, "get", "nodes", "-l", "kept=yes", "-o", "name").stdout == "node/n1\n"


def test_a_restored_api_knows_nothing_of_what_came_after_its_backup(sandbox: SandboxUnderTest) -> None:
    assert kubectl(sandbox, "label", "node", "n2", "before=yes").returncode == 0
    sandbox.ask("backup-api")
    assert kubectl(sandbox, "label", "node", "n2", "after=yes").returncode == 0
    sandbox.ask("restore-api")
    assert kubectl(sandbox, "get", "nodes", "-l", "before=yes", "-o", "name").stdout == "node/n2\n"
    assert kubectl(sandbox, "get", "nodes", "-l", "after=yes", "-o", "name").stdout == ""


def test_a_stopped_api_answers_nobody_until_it_is_started(sandbox: SandboxUnderTest) -> None:
    sandbox.ask("stop-api")
    try:
        assert kubectl(sandbox, "get", "nodes", "--request-timeout=1s").returncode != 0
        assert sandbox.on_host("n1", sys.executable, "-c", ASK_AS_A_HOST).returncode != 0
    finally:
        sandbox.ask("start-api")
    assert kubectl(sandbox, "get", "nodes").returncode == 0


def test_an_api_that_is_killed_comes_back_with_its_objects(sandbox: SandboxUnderTest) -> None:
    sandbox.ask("restart-api")  # so that what is there now is saved
    record = sandbox.layout.processes_dir / "api"
    before = record.read_text()
    os.kill(int(before.split()[0]), 9)
    wait_for(lambda: record.read_text() != before, timeout_s=10.0, what="a new API process")
    # Requests were not refused meanwhile: they waited in the daemon's sockets.
    assert kubectl(sandbox, "get", "haclusters", "-o", "name").stdout == "hacluster.ha.backstay.io/sandbox\n"
