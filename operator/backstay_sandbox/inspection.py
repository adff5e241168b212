"""Looking at a sandbox, and going in: status in words, logs, commands on a host or on the client."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from backstay_sandbox.control import ControlError, call
from backstay_sandbox.hosts import HOST_PATH
from backstay_sandbox.layout import NETNS_ROOT, Layout

FOLLOW_POLL_S = 0.2
HEADINGS: tuple[str, ...] = ("HOST", "POWER", "LINK", "ADDRESSES", "PID 1", "BOOTS", "PROCESSES")
DAEMONS = {
    "backstay_nodeagent.heartbeat": "keeper",
    "backstay_nodeagent": "agent",
    "backstay_operator": "operator",
}
"""What a command line holds, and the daemon that it is then; the first that fits."""


def describe(layout: Layout) -> list[str]:
    """The lines of `backstay-sandbox status`."""
    status = call(layout.control_socket, "status")
    rows = [HEADINGS, *(_row(host) for host in status["hosts"])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    api = [f"API: {status['api']}  (kubeconfig {status['kubeconfig']})"] if status["api"] else ["API: none"]
    return [f"Sandbox {status['name']}", *api, "", *lines]


def _row(host: dict[str, Any]) -> tuple[str, ...]:
    pid = host["pid"]
    return (
        host["node"],
        host["power"],
        host["link"],
        ",".join(host["addresses"]),
        str(pid or "-"),
        str(host["boots"]),
        processes_in_words(pid) if pid else "-",
    )


def processes_in_words(pid: int) -> str:
    """What runs in a host: Backstay's daemons by name, the rest by number."""
    names, others = [], 0
    for words in processes_of(pid):
        line = " ".join(words)
        name = next(
            (name for part, name in DAEMONS.items() if line.startswith(sys.prefix) and part in line), None
        )
        if name is None:
            others += 1
        else:
            names.append(name)
    # pid 1 is always there.
    return ", ".join([*sorted(names), *([f"{others - 1} others"] if others > 1 else [])]) or "init only"


def processes_of(pid: int) -> list[list[str]]:
    """The command lines of everything in the PID namespace of process ``pid``."""
    try:
        namespace = os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return []
    found = []
    for entry in sorted(Path("/proc").glob("[0-9]*")):
        try:
            if os.readlink(entry / "ns/pid") == namespace:
                found.append((entry / "cmdline").read_text().split("\0"))
        except OSError:
            continue  # it ended while we looked
    return found


def host_pid(layout: Layout, node: str) -> int:
    """Pid 1 of a host that is on; ControlError otherwise."""
    status = call(layout.control_socket, "status")
    for host in status["hosts"]:
        if host["node"] == node:
            if host["pid"] is None:
                raise ControlError(f"{node} is off")
            return int(host["pid"])
    raise ControlError(f"no host {node!r} in sandbox {layout.name}")


def host_command(pid: int, command: Sequence[str]) -> list[str]:
    """The command line that runs ``command`` on the host whose pid 1 is ``pid``."""
    return ["nsenter", f"--target={pid}", "--mount", "--uts", "--ipc", "--net", "--pid", "--", *command]


def host_environment() -> dict[str, str]:
    return {"PATH": HOST_PATH, "HOME": "/root", "LANG": "C.UTF-8", "TERM": os.environ.get("TERM", "dumb")}


def join_host(pid: int, command: Sequence[str]) -> int:
    return subprocess.run(host_command(pid, command), env=host_environment(), check=False).returncode


def namespace_command(netns: str, command: Sequence[str]) -> list[str]:
    """The command line that runs ``command`` in a network namespace."""
    return ["nsenter", f"--net={NETNS_ROOT / netns}", "--", *command]


def join_namespace(netns: str, command: Sequence[str]) -> int:
    return subprocess.run(namespace_command(netns, command), check=False).returncode


def follow_log(layout: Layout, source: str, *, daemon: str | None, follow: bool) -> int:
    """Print the logs of a host, oldest file first; several are told apart by a prefix."""
    own = {"sandbox": "daemon.log", "api": "api.log"}.get(source)
    pattern = own or f"{source}.{daemon or '*'}.log"
    paths = sorted(layout.logs_dir.glob(pattern))
    if not paths:
        raise ControlError(f"no log {pattern} in {layout.logs_dir}")
    readers = [_lines(path, prefix=f"{path.stem}: " if len(paths) > 1 else "") for path in paths]
    while True:
        printed = False
        for reader in readers:
            while (line := next(reader)) is not None:
                print(line, flush=True)
                printed = True
        if not follow:
            return 0
        if not printed:
            time.sleep(FOLLOW_POLL_S)


def _lines(path: Path, *, prefix: str) -> Iterator[str | None]:
    """Line by line for ever; None when there is no more for now."""
    with path.open(errors="replace") as file:
        while True:
            line = file.readline()
            yield f"{prefix}{line.rstrip()}" if line else None
