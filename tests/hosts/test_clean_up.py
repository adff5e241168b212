"""`down` removes every trace, also of a sandbox whose daemon is dead."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from backstay_sandbox import background, remnants
from backstay_sandbox.layout import STATE_ROOT
from backstay_sandbox.options import NO_API, SandboxOptions
from harness.hosts import SandboxUnderTest, sandbox_name

pytestmark = pytest.mark.hosts
OPTIONS = SandboxOptions(name=sandbox_name("clean-up"), nodes=2, api=NO_API, daemons=(), cluster=False)


@pytest.fixture
def short_lived() -> Iterator[SandboxUnderTest]:
    background.start(OPTIONS, progress=lambda _step: None)
    try:
        yield SandboxUnderTest(OPTIONS.layout)
    finally:
        background.stop(OPTIONS.layout)


def traces() -> list[str]:
    """Everything on this machine that names the sandbox."""
    found = [name for name in os.listdir(STATE_ROOT) if OPTIONS.name in name] if STATE_ROOT.is_dir() else []
    found += remnants.namespaces_of(OPTIONS.layout)
    for command in (["losetup", "--list", "--output", "BACK-FILE"], ["cat", "/proc/mounts"]):
        listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        found += [line for line in listing.splitlines() if f"/{OPTIONS.name}/" in line]
    return found


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def host_pids(sandbox: SandboxUnderTest) -> list[int]:
    return [host["pid"] for host in sandbox.ask("status")["hosts"]]


def test_down_removes_every_trace(short_lived: SandboxUnderTest) -> None:
    pids = host_pids(short_lived)
    assert traces() != []
    assert background.stop(OPTIONS.layout)
    assert traces() == []
    assert [pid for pid in pids if alive(pid)] == []


def test_down_removes_every_trace_after_a_crash_of_the_daemon(short_lived: SandboxUnderTest) -> None:
    pids = host_pids(short_lived)
    daemon = int((OPTIONS.layout.processes_dir / "daemon").read_text().split()[0])
    os.kill(daemon, signal.SIGKILL)
    assert background.stop(OPTIONS.layout)
    assert traces() == []
    assert [pid for pid in pids if alive(pid)] == []


def test_up_clears_what_a_dead_daemon_left(short_lived: SandboxUnderTest) -> None:
    pids = host_pids(short_lived)
    daemon = int((OPTIONS.layout.processes_dir / "daemon").read_text().split()[0])
    os.kill(daemon, signal.SIGKILL)
    steps: list[str] = []
    background.start(OPTIONS, progress=steps.append)
    assert "earlier sandbox" in steps[0]
    assert [pid for pid in pids if alive(pid)] == []
    assert short_lived.on_host("n2", "hostname").stdout == "n2\n"


def test_a_hanging_daemon_is_taken_down_too(
    short_lived: SandboxUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "HANG_TIMEOUT_S", 1.0)
    daemon = int((OPTIONS.layout.processes_dir / "daemon").read_text().split()[0])
    os.kill(daemon, signal.SIGSTOP)
    assert background.stop(OPTIONS.layout)
    assert traces() == []


def test_down_of_nothing_is_no_error() -> None:
    assert background.stop(SandboxOptions(name=sandbox_name("never-was")).layout) is False


def test_second_up_under_the_same_name_is_refused_and_harms_nothing(short_lived: SandboxUnderTest) -> None:
    with pytest.raises(background.StartError, match="up already"):
        background.start(OPTIONS, progress=lambda _step: None)
    assert short_lived.on_host("n1", "true").returncode == 0


def test_two_sandboxes_stand_side_by_side(short_lived: SandboxUnderTest) -> None:
    other = SandboxOptions(name=sandbox_name("clean-up-2"), nodes=1, api=NO_API, daemons=(), cluster=False)
    background.start(other, progress=lambda _step: None)
    try:
        assert (
            SandboxUnderTest(other.layout).on_host("n1", "touch", "/var/lib/backstay/other").returncode == 0
        )
        assert short_lived.on_host("n1", "test", "-e", "/var/lib/backstay/other").returncode == 1
    finally:
        background.stop(other.layout)
    assert short_lived.on_host("n1", "true").returncode == 0


def test_interrupted_up_leaves_nothing() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "backstay_sandbox.daemon"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as daemon:
        assert daemon.stdin is not None
        assert daemon.stdout is not None
        daemon.stdin.write(OPTIONS.to_json() + "\n")
        daemon.stdin.flush()
        assert "step" in daemon.stdout.readline()
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(30.0) == 1
    assert traces() == []
