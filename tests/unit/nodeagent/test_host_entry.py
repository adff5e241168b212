"""Which cgroups are left on which kind of host, and that arguments reach the agent as they are. tests/hosts runs it for real."""

from __future__ import annotations

import subprocess
from pathlib import Path

from backstay.ocf.agentspec import Standard
from backstay_nodeagent.host_entry import HostEntry, cgroup_directories
from backstay_nodeagent.invocation import HostPaths

V2 = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nsdelegate 0 0\nproc /proc proc rw 0 0\n"
HYBRID = """tmpfs /sys/fs/cgroup tmpfs ro 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0
cgroup /sys/fs/cgroup/systemd cgroup rw,name=systemd 0 0
cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0
"""


def test_on_cgroup2_there_is_a_cgroup_of_our_own_below_the_root() -> None:
    assert cgroup_directories(V2) == ("/sys/fs/cgroup/backstay",)


def test_on_hybrid_hosts_every_hierarchy_is_left() -> None:
    assert cgroup_directories(HYBRID) == (
        "/sys/fs/cgroup/unified/backstay",
        "/sys/fs/cgroup/systemd",
        "/sys/fs/cgroup/memory",
    )


def test_arguments_reach_the_program_unchanged_by_the_shells_between(tmp_path: Path) -> None:
    entry = HostEntry((str(tmp_path),))
    (tmp_path / "cgroup.procs").touch()
    argv = entry.argv(["printf", "%s|", "a b", "$HOME", "'", "*", ""])
    # Without the entering itself, which needs a host.
    ran = subprocess.run(argv[argv.index("--") + 1 :], capture_output=True, text=True, check=True)
    assert ran.stdout == "a b|$HOME|'|*||"
    assert (tmp_path / "cgroup.procs").read_text().strip().isdigit()


def test_cgroup_that_cannot_be_left_does_not_keep_an_operation_from_running(tmp_path: Path) -> None:
    entry = HostEntry((str(tmp_path / "not there"),))
    argv = entry.argv(["echo", "ran"])
    ran = subprocess.run(argv[argv.index("--") + 1 :], capture_output=True, text=True, check=True)
    assert ran.stdout == "ran\n"


def test_without_an_entry_nothing_is_put_before_the_program() -> None:
    assert HostPaths().argv(Standard.OCF, ("x", "start")) == ("x", "start")
    assert HostPaths().local("/etc") == "/etc"


def test_fence_agents_are_the_images_own() -> None:
    paths = HostPaths(entry=HostEntry(()))
    assert paths.argv(Standard.STONITH, ("fence_x",)) == ("fence_x",)
    assert paths.argv(Standard.SYSTEMD, ("systemctl",))[-1] == "systemctl"
    assert paths.local("/usr/lib/ocf") == "/proc/1/root/usr/lib/ocf"
