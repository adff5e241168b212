"""The program itself against the embedded API server: real HTTP, real CRDs, exit statuses, startup."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from backstay_cli.__main__ import main
from backstay_cli.session import Access, context_namespace
from backstay_kube import kinds
from backstay_kube.client import KubeClient
from unit.cli import cluster as objects

CRDS = Path(__file__).parents[3] / "crds"
KINDS = {kind.name: kind for kind in vars(kinds).values() if isinstance(kind, kinds.Kind)}


@dataclass(frozen=True, slots=True)
class Done:
    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Program:
    """kubectl-ha's main with a kubeconfig, in this process: a process of its own costs a second of imports."""

    kubeconfig: Path
    capture: pytest.CaptureFixture[str]

    def __call__(self, *argv: str) -> Done:
        self.capture.readouterr()
        code = main(["--kubeconfig", str(self.kubeconfig), *argv])
        shown = self.capture.readouterr()
        return Done(code, shown.out, shown.err)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An API server with our CRDs and the tutorial's objects; its kubeconfig."""
    folder = tmp_path_factory.mktemp("api")
    kubeconfig = folder / "kubeconfig"
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "backstay_sandbox.apiserver", "--port", str(port), "--kubeconfig-out", str(kubeconfig)],
            stdout=log, stderr=log,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + 20
        while not (kubeconfig.exists() and _listens(port)):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield kubeconfig
    finally:
        process.terminate()
        process.wait(timeout=10)


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


@pytest.fixture
async def program(server: Path, capsys: pytest.CaptureFixture[str]) -> Program:
    """With a fresh set of objects."""
    objects_now = objects.tutorial()
    async with await KubeClient.connect(str(server)) as client:
        for file in sorted(CRDS.glob("*.yaml")):
            await _put(client, yaml.safe_load(file.read_text()))
        await _put(client, {"kind": "Namespace", "metadata": {"name": "backstay-system"}})
        for kind in ("HAResource", "ResourceGroup", "HAConstraint"):
            for obj in (await client.list(KINDS[kind])).items:
                await client.delete(KINDS[kind], obj["metadata"]["name"], obj["metadata"]["namespace"])
        for obj in objects_now:
            await _put(client, obj)
    return Program(server, capsys)


async def _put(client: KubeClient, obj: dict[str, Any]) -> None:
    """Create or overwrite, status included."""
    from backstay_kube.errors import ApiConflict

    kind = KINDS[obj["kind"]]
    metadata = {k: v for k, v in obj["metadata"].items() if k != "creationTimestamp"}
    body = {**obj, "metadata": metadata}
    status = body.pop("status", None)
    try:
        await client.create(kind, body, metadata.get("namespace"))
    except ApiConflict:
        if kind.name == "CustomResourceDefinition":
            return
        await client.patch(kind, metadata["name"], body, namespace=metadata.get("namespace"))
    if status and kind.name != "CustomResourceDefinition":
        await client.patch(
            kind,
            metadata["name"],
            {"status": status},
            namespace=metadata.get("namespace"),
            subresource="status",
        )


def test_status_over_http(program: Program) -> None:
    done = program("status")
    assert done.code == 0, done.err
    assert "  * ClusterIP  (ocf:heartbeat:IPaddr2):  Started n3" in done.out
    assert "\x1b" not in done.out


def test_create_ban_group_and_delete_pass_the_crds(program: Program) -> None:
    made = program(
        "resource",
        "create",
        "Extra_IP",
        "IPaddr2",
        "ip=10.0.0.9",
        "meta",
        "priority=5",
        "--group",
        "appgroup",
    )
    assert (made.code, made.out) == (0, "haresource.ha.backstay.io/extra-ip created\n"), made.err
    assert program("group", "list").out == "appgroup: app_lvm app_fs VIP Website-Testes Extra_IP\n"
    for argv in (
        ["resource", "ban", "ClusterIP", "n2", "--lifetime", "5min"],
        ["resource", "ban", "ClusterIP", "n3"],
        ["resource", "disable", "Extra_IP"],
        ["resource", "enable", "Extra_IP"],
        ["node", "maintenance", "n3", "--no-wait"],
        ["node", "maintenance", "n3", "--off", "--no-wait"],
        ["resource", "move", "ClusterIP", "n2", "--no-wait"],
        ["resource", "cleanup", "--no-wait"],
        ["resource", "delete", "Extra_IP", "--force"],
        ["simulate", "--node-down", "n2"],
        ["history"],
    ):
        done = program(*argv)
        assert done.code == 0, (argv, done.err)
    constraints = program("constraint", "list").out
    assert "cluster-ip avoids n3 with INFINITY" in constraints
    assert "where #uname eq n2 and date before" in constraints
    assert program("group", "list").out == "appgroup: app_lvm app_fs VIP Website-Testes\n"


def test_what_the_api_refuses_is_a_sentence_and_status_1(program: Program) -> None:
    done = program(
        "resource",
        "create",
        "a" * 100 + "x" * 28,
        "ocf:heartbeat:IPaddr2",
        "ip=1",
        "--force",
        "-n",
        "nowhere",
    )
    assert done.code == 1
    assert done.err.startswith("Error: ")
    assert "Traceback" not in done.err


def test_an_api_that_is_not_there_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump(kubeconfig(port=port, namespace="web")))
    done = Program(file, capsys)("status")
    assert done.code == 1
    assert f"the API server cannot be reached: Cannot connect to host 127.0.0.1:{port}" in done.err
    assert "ConnectionKey" not in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("text", ["", "not: a kubeconfig", "{]"])
def test_an_unusable_kubeconfig_is_said(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(text)
    done = Program(file, capsys)("status")
    assert done.code == 1
    assert "--kubeconfig" in done.err
    assert "Traceback" not in done.err
    gone = Program(tmp_path / "absent", capsys)("status")
    assert (gone.code, "there is no kubeconfig" in gone.err) == (1, True)


def kubeconfig(*, port: int, namespace: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [
            {"name": "here", "context": {"cluster": "c", "user": "u", "namespace": namespace}},
            {"name": "there", "context": {"cluster": "c", "user": "u"}},
        ],
    }


def test_new_objects_go_where_the_context_points(tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump(kubeconfig(port=1, namespace="web")))
    environ = {"KUBECONFIG": f"{tmp_path / 'absent'}{os.pathsep}{file}"}
    assert context_namespace(Access(), environ) == "web"
    assert context_namespace(Access(context="there"), environ) == "default"
    assert context_namespace(Access(kubeconfig=str(file)), {}) == "web"


def test_watch_repaints_when_something_changes(program: Program) -> None:
    environ = {**os.environ, "KUBECONFIG": str(program.kubeconfig), "TZ": "UTC", "PYTHONUNBUFFERED": "1"}
    watching = subprocess.Popen(
        [sys.executable, "-m", "backstay_cli", "status", "--watch"],
        env=environ,
        stdout=subprocess.PIPE,
    )
    assert watching.stdout is not None
    os.set_blocking(watching.stdout.fileno(), False)
    try:
        seen = _read_until(watching, "Daemon Status", within_s=15)
        assert "disabled" not in seen
        assert program("resource", "disable", "ClusterIP").code == 0
        assert "Started n3 (disabled)" in _read_until(watching, "(disabled)", within_s=15)
    finally:
        watching.terminate()
        watching.wait(timeout=10)
        watching.stdout.close()


def _read_until(process: subprocess.Popen[bytes], word: str, *, within_s: float) -> str:
    assert process.stdout is not None
    text, deadline = "", time.monotonic() + within_s
    while word not in text:
        assert time.monotonic() < deadline, text
        text += (process.stdout.read() or b"").decode()
        time.sleep(0.05)
    return text


def test_bash_completes_commands(tmp_path: Path) -> None:
    script = tmp_path / "completion.bash"
    script.write_text(subprocess.run(
        [sys.executable, "-m", "backstay_cli", "completion", "bash"], capture_output=True, text=True, check=True
    ).stdout)  # fmt: skip
    line = "source {}; COMP_WORDS=(kubectl-ha resource mo); COMP_CWORD=2; _kubectl_ha; echo ${{COMPREPLY[*]}}"
    done = subprocess.run(["bash", "-c", line.format(script)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["move"]
