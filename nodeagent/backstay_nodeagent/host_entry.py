"""From a pod to its host: how what the agent starts becomes a process of the host, in namespaces and in cgroup.

A resource agent must mount, add addresses and start daemons on the host, not in the container; and what it starts must not die with
the container, whose cgroup the kubelet kills. So each operation enters the namespaces of process 1 (the pod shares the host's process
table), and moves itself out of the container's cgroup before it becomes the agent. The keeper moves its cgroup only: its program is in
the image.

A process in a cgroup namespace of its own may not move out of it where the host mounts cgroup2 with nsdelegate, so the host's cgroup
namespace is entered first. On cgroup v1 each hierarchy is left. Design note 0008.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

NSENTER = "/usr/bin/nsenter"
HOME = "backstay"
"""Name of our cgroup below the host's root."""
PREPARE_TIMEOUT_S = 10.0


class HostEntryError(Exception):
    """The host cannot be entered; the message says what the pod lacks."""


def cgroup_directories(mounts: str) -> tuple[str, ...]:
    """Where processes of ours belong, by the host's /proc/mounts: below the root on cgroup2, in the root of each v1 hierarchy."""
    found = []
    for line in mounts.splitlines():
        _, directory, kind, *_ = line.split()
        if kind == "cgroup2":
            found.append(os.path.join(directory, HOME))
        elif kind == "cgroup":
            found.append(directory)
    return tuple(found)


@dataclass(frozen=True, slots=True)
class HostEntry:
    """The way in. `pid` is the host's first process; `directories` are cgroups as the host's mounts show them."""

    directories: tuple[str, ...]
    pid: int = 1

    def local(self, path: str) -> str:
        """A path of the host, as this process can look at it."""
        return f"/proc/{self.pid}/root{path}"

    def argv(self, argv: Sequence[str]) -> tuple[str, ...]:
        """Run it as a process of the host. One process all along: nsenter and sh become the program, with the same id."""
        script = f'{self._join("$$")} exec "$@"'
        into = ("--mount", "--uts", "--ipc", "--net", "--cgroup")
        return (NSENTER, "--target", str(self.pid), *into, "--", "/bin/sh", "-c", script, HOME, *argv)

    def resident(self, argv: Sequence[str]) -> tuple[str, ...]:
        """Run it here, out of the container's cgroup: it sees the image, and outlives the container."""
        enter = (NSENTER, "--target", str(self.pid), "--mount", "--cgroup", "--")
        mover = shlex.join((*enter, "/bin/sh", "-c", self._join("$1") or ":", HOME))
        return ("/bin/sh", "-c", f'{mover} $$; exec "$@"', HOME, *argv)

    def _join(self, who: str) -> str:
        return " ".join(f"echo {who} >{shlex.quote(one)}/cgroup.procs;" for one in self.directories)

    def prepare(self) -> None:
        """Make our cgroup, and see that a process gets there. Raises HostEntryError."""
        wanted = [one for one in self.directories if one.endswith(f"/{HOME}")]
        makes = "".join(f"mkdir -p {shlex.quote(one)} && " for one in wanted)
        enter = [NSENTER, "--target", str(self.pid), "--mount", "--cgroup", "--"]
        ran = _run([*enter, "/bin/sh", "-c", f"{makes}:"])
        if ran.returncode != 0:
            raise HostEntryError(
                f"the host's namespaces can't be entered ({ran.stderr.strip()}): the pod must be privileged and share the "
                "host's process table (hostPID)"
            )
        ran = _run(list(self.argv(["cat", "/proc/self/cgroup"])))
        where = [line.split(":", 2)[2] for line in ran.stdout.splitlines() if line.startswith("0::")]
        if wanted and where != [f"/{HOME}"]:
            raise HostEntryError(
                f"what is started for the host stays in cgroup {' '.join(where) or 'unknown'} and would end with the pod: "
                f"{ran.stderr.strip() or 'the host moved it back'}"
            )

    @staticmethod
    def of_host(pid: int = 1) -> HostEntry:
        """By what the host has mounted. Raises HostEntryError."""
        try:
            mounts = Path(f"/proc/{pid}/mounts").read_text()
        except OSError as error:
            raise HostEntryError(
                f"process {pid}'s mounts can't be read ({error}): is this a pod with hostPID?"
            ) from None
        entry = HostEntry(cgroup_directories(mounts), pid)
        entry.prepare()
        return entry


def _run(argv: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            argv, capture_output=True, text=True, timeout=PREPARE_TIMEOUT_S, check=False, cwd="/"
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(argv, 1, "", str(error))
