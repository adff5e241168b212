"""A container that is killed as the kubelet kills one, and what it had started for its host: that lives on, in the host's namespaces.

The host is a process in process and mount namespaces of its own; the container shares its processes, as hostPID does, and has a
cgroup, a cgroup namespace and mounts of its own.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from backstay_nodeagent.host_entry import HOME, HostEntry, HostEntryError
from backstay_sandbox.hosts import code_trees
from harness.hosts import wait_for

pytestmark = [
    pytest.mark.hosts,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
]
INIT = "mount -t tmpfs host /mnt && touch /mnt/of-the-host; while :; do sleep 1000 & wait; done"
PROGRAM = """
import json, subprocess, sys
sys.path[:0] = json.loads(sys.argv[1])
from backstay_nodeagent.host_entry import HostEntry
entry = HostEntry.of_host()
operation = ["/bin/sh", "-c", "ls /mnt; mount -t tmpfs made /media; exec sleep 1000"]
daemon = subprocess.Popen(entry.argv(operation), stdout=subprocess.PIPE)
seen = daemon.stdout.readline().decode().strip()
resident = [sys.executable, "-c", "print(1, flush=True); import time; time.sleep(1000)"]
keeper = subprocess.Popen(entry.resident(resident), stdout=subprocess.PIPE)
keeper.stdout.readline()
plain = subprocess.Popen(["sleep", "1000"])
print(json.dumps({"daemon": daemon.pid, "keeper": keeper.pid, "plain": plain.pid, "seen": seen}), flush=True)
daemon.wait()
"""


def cgroup2() -> Path | None:
    """Where this machine has it, if a cgroup can be made and killed there."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, directory, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(directory)
    return None


class Container:
    """Killed by its cgroup."""

    def __init__(self, host: int, group: Path) -> None:
        self.host = host
        self.group = group
        group.mkdir()
        join = f'echo $$ > {group}/cgroup.procs; exec unshare --mount --cgroup --propagation private -- "$@"'
        trees = json.dumps(code_trees())
        self.process = subprocess.Popen(
            [
                *("nsenter", "--target", str(host), "--pid", "--mount", "--", "/bin/sh", "-c", join, "c"),
                *(sys.executable, "-c", PROGRAM, trees),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the container's program said nothing"
        self.said = json.loads(line)

    def kill(self) -> None:
        (self.group / "cgroup.kill").write_text("1")
        self.process.wait(10)


def pids_by_inner(host: int) -> dict[int, int]:
    """Process ids as the host sees them -> as this test does."""
    found = {}
    namespace = os.readlink(f"/proc/{host}/ns/pid")
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if os.readlink(entry / "ns/pid") == namespace:
                status = (entry / "status").read_text()
                numbers = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()
                if "State:\tZ" not in status:
                    found[int(numbers[-1])] = int(entry.name)
    return found


@pytest.fixture
def container() -> Iterator[Container]:
    root = cgroup2()
    if root is None or (not (root / "cgroup.kill").exists() and not os.access(root, os.W_OK)):
        pytest.skip("this machine has no cgroup2 that can be written to")
    unshare = subprocess.Popen(
        [*("unshare", "--fork", "--pid", "--mount", "--mount-proc", "--", "/bin/sh", "-c", INIT)]
    )
    made = None
    group = root / f"backstay-test-{os.getpid()}"
    try:
        wait_for(lambda: bool(_children(unshare.pid)), timeout_s=10, what="the host is up")
        (host,) = _children(unshare.pid)
        wait_for(
            lambda: Path(f"/proc/{host}/root/mnt/of-the-host").exists(), timeout_s=10, what="it has its mount"
        )
        made = Container(host, group)
        yield made
    finally:
        for pid in _children(unshare.pid):
            os.kill(pid, signal.SIGKILL)
        unshare.wait(10)
        if made is not None:
            made.process.wait(10)
        for directory in (group, root / HOME):
            deadline = time.monotonic() + 5
            while directory.exists() and time.monotonic() < deadline:
                with suppress(OSError):
                    directory.rmdir()
                time.sleep(0.02)


def _children(pid: int) -> list[int]:
    with suppress(OSError):
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def test_what_was_started_for_the_host_outlives_the_container(container: Container) -> None:
    said, host = container.said, container.host
    assert said["seen"] == "of-the-host", "an operation sees the host's mounts"
    before = pids_by_inner(host)
    daemon, keeper = before[said["daemon"]], before[said["keeper"]]
    assert os.readlink(f"/proc/{daemon}/ns/mnt") == os.readlink(f"/proc/{host}/ns/mnt")
    assert os.readlink(f"/proc/{keeper}/ns/mnt") != os.readlink(f"/proc/{host}/ns/mnt"), (
        "it lives in the image"
    )
    for pid in (daemon, keeper):
        assert f"0::/{HOME}\n" in Path(f"/proc/{pid}/cgroup").read_text()

    container.kill()

    after = pids_by_inner(host)
    assert said["daemon"] in after
    assert said["keeper"] in after
    assert said["plain"] not in after, "what was not brought to the host dies with the container"
    assert "made /media tmpfs" in Path(f"/proc/{host}/mounts").read_text()


def test_pod_without_the_hosts_processes_is_told_what_it_lacks() -> None:
    with pytest.raises(HostEntryError, match="hostPID"):
        HostEntry.of_host(pid=2**22 - 1)
