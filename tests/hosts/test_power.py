"""Power: what a crash takes with it, what a boot brings back."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from backstay_sandbox.inspection import host_command, host_environment, processes_of
from backstay_sandbox.layout import SHARED_DISK_IN_HOST
from harness.hosts import SandboxUnderTest, wait_for

pytestmark = pytest.mark.hosts


def loop_device(sandbox: SandboxUnderTest) -> str:
    listing = subprocess.run(
        ["losetup", "--noheadings", "--output", "NAME", "--associated", str(sandbox.layout.shared_image)],
        capture_output=True,
        text=True,
        check=True,
    )
    return listing.stdout.strip()


def is_free(device: str) -> bool:
    """Whether nothing has the block device mounted, in any mount namespace."""
    try:
        os.close(os.open(device, os.O_RDWR | os.O_EXCL))
    except OSError:
        return False
    return True


def test_crash_kills_everything_on_the_host_before_it_returns(sandbox: SandboxUnderTest) -> None:
    pid = sandbox.host_status("n1")["pid"]
    # A process that has left its session and ignores what can be ignored.
    sandbox.on_host("n1", "sh", "-c", "trap '' TERM HUP; setsid sleep 1000 >/dev/null 2>&1 &")
    namespace = os.readlink(f"/proc/{pid}/ns/pid")
    assert any("sleep" in words for words in processes_of(pid))

    sandbox.ask("crash", node="n1")

    members = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(entry / "ns/pid") == namespace:
                members.append(entry.name)
        except OSError:
            continue
    assert members == []
    assert sandbox.host_status("n1")["power"] == "off"


def test_mounts_die_with_the_host(sandbox: SandboxUnderTest) -> None:
    device = loop_device(sandbox)
    assert sandbox.on_host("n1", "mount", "-t", "xfs", SHARED_DISK_IN_HOST, "/var/www").returncode == 0
    assert not is_free(device)

    sandbox.ask("crash", node="n1")

    wait_for(lambda: is_free(device), timeout_s=2.0, what="the shared disk is free after the crash")
    assert sandbox.on_host("n2", "mount", "-t", "xfs", SHARED_DISK_IN_HOST, "/var/www").returncode == 0


def test_no_host_sees_what_another_one_mounts(sandbox: SandboxUnderTest) -> None:
    sandbox.on_host("n1", "mount", "-t", "xfs", SHARED_DISK_IN_HOST, "/var/www")
    assert SHARED_DISK_IN_HOST in sandbox.on_host("n1", "cat", "/proc/mounts").stdout
    assert SHARED_DISK_IN_HOST not in sandbox.on_host("n2", "cat", "/proc/mounts").stdout
    assert SHARED_DISK_IN_HOST not in Path("/proc/mounts").read_text()


def test_power_cut_loses_memory_and_keeps_the_disk(sandbox: SandboxUnderTest) -> None:
    for path in ("/run/x", "/var/log/x", "/etc/x", "/tmp/x", "/var/lib/backstay/x"):
        assert sandbox.on_host("n1", "touch", path).returncode == 0
    sandbox.ask("crash", node="n1")
    sandbox.ask("boot", node="n1")
    left = sandbox.on_host(
        "n1", "sh", "-c", "ls -d /run/x /var/log/x /etc/x /tmp/x /var/lib/backstay/x 2>/dev/null"
    )
    assert left.stdout.split() == ["/var/lib/backstay/x"]


def test_what_a_host_writes_stays_on_the_host(sandbox: SandboxUnderTest) -> None:
    name = "/etc/backstay-written-by-a-host"
    assert sandbox.on_host("n1", "touch", name).returncode == 0
    assert not Path(name).exists()
    assert sandbox.on_host("n2", "test", "-e", name).returncode == 1


def test_every_boot_has_a_boot_id_of_its_own(sandbox: SandboxUnderTest) -> None:
    def boot_id(node: str) -> str:
        return sandbox.on_host(node, "cat", "/proc/sys/kernel/random/boot_id").stdout.strip()

    before = boot_id("n1")
    sandbox.ask("crash", node="n1")
    sandbox.ask("boot", node="n1")
    machine = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert len({before, boot_id("n1"), boot_id("n2"), machine}) == 4


def test_crash_and_boot_are_idempotent(sandbox: SandboxUnderTest) -> None:
    sandbox.ask("crash", node="n1")
    sandbox.ask("crash", node="n1")
    sandbox.ask("boot", node="n1")
    pid = sandbox.host_status("n1")["pid"]
    sandbox.ask("boot", node="n1")
    assert sandbox.host_status("n1")["pid"] == pid


def test_a_host_whose_pid_1_is_killed_from_outside_is_seen_as_off(sandbox: SandboxUnderTest) -> None:
    os.kill(sandbox.host_status("n1")["pid"], signal.SIGKILL)
    wait_for(lambda: sandbox.host_status("n1")["power"] == "off", timeout_s=5.0, what="n1 is off")
    assert not sandbox.reaches("10.0.0.11")


def test_pid_1_reaps_orphans(sandbox: SandboxUnderTest) -> None:
    sandbox.on_host("n1", "sh", "-c", "(sh -c 'sleep 0.1 & sleep 0.1 & exit 0' &)")

    def no_zombies() -> bool:
        return "Z" not in sandbox.on_host("n1", "ps", "-e", "-o", "stat=").stdout

    wait_for(no_zombies, timeout_s=5.0, what="no zombies are left")


def test_command_on_a_host_dies_with_it(sandbox: SandboxUnderTest) -> None:
    pid = sandbox.host_status("n1")["pid"]
    with subprocess.Popen(host_command(pid, ["sleep", "1000"]), env=host_environment()) as command:
        wait_for(
            lambda: any("sleep" in words for words in processes_of(pid)), timeout_s=5.0, what="sleep runs"
        )
        sandbox.ask("crash", node="n1")
        assert command.wait(5.0) != 0
