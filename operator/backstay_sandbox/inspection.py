"""Looking at a sandbox, and going in: status in words, logs, commands on a host or on the client."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, assert_never

from backstay_sandbox.control import ControlError, call
from backstay_sandbox.hosts import HOST_PATH
from backstay_sandbox.layout import NETNS_ROOT, Layout
from backstay_sandbox.options import HostKind
from backstay_sandbox.uml.network import EXEC_ADDRESS

FOLLOW_POLL_S = 0.2
ANSWER_TIMEOUT_S = 5.0
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
    rows = [HEADINGS, *(_row(layout, host) for host in status["hosts"])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    api = [f"API: {status['api']}  (kubeconfig {status['kubeconfig']})"] if status["api"] else ["API: none"]
    return [f"Sandbox {status['name']}", *api, "", *lines]


def _row(layout: Layout, host: dict[str, Any]) -> tuple[str, ...]:
    pid = host["pid"]
    found = []
    if pid:
        own_kernel = HostKind(host["kind"]) is HostKind.UML
        found = processes_inside(layout, host["node"]) if own_kernel else processes_of(pid)
    return (
        host["node"],
        host["power"],
        host["link"],
        ",".join(host["addresses"]),
        str(pid or "-"),
        str(host["boots"]),
        processes_in_words(found) if pid else "-",
    )


def processes_in_words(processes: Sequence[Sequence[str]]) -> str:
    """What runs in a host, given by command lines: Backstay's daemons by name, the rest by number."""
    if not processes:
        return "no answer"
    names, others = [], 0
    for words in processes:
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


def processes_inside(layout: Layout, node: str) -> list[list[str]]:
    """As :func:`processes_of`, told by an own-kernel host itself, kernel threads left out; empty if it is silent."""
    script = "for one in /proc/[0-9]*/cmdline; do cat $one 2>/dev/null | tr '\\0' ' '; echo; done"
    try:
        done = subprocess.run(
            guest_command(layout, node, ["sh", "-c", script]),
            env=host_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=ANSWER_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return []
    return [line.split() for line in done.stdout.splitlines() if line.split()]


def host_pid(layout: Layout, node: str) -> int:
    """Pid 1 of a host that is on; ControlError otherwise."""
    return int(_host_that_is_on(layout, node)["pid"])


def _host_that_is_on(layout: Layout, node: str) -> dict[str, Any]:
    for host in call(layout.control_socket, "status")["hosts"]:
        if host["node"] == node:
            if host["pid"] is None:
                raise ControlError(f"{node} is off")
            return dict(host)
    raise ControlError(f"no host {node!r} in sandbox {layout.name}")


def host_command(pid: int, command: Sequence[str]) -> list[str]:
    """The command line that runs ``command`` on the host whose pid 1 is ``pid``."""
    return ["nsenter", f"--target={pid}", "--mount", "--uts", "--ipc", "--net", "--pid", "--", *command]


def host_argv(layout: Layout, node: str, command: Sequence[str]) -> list[str]:
    """The command line that runs ``command`` on a host of either kind that is on; ControlError otherwise."""
    host = _host_that_is_on(layout, node)
    match HostKind(host["kind"]):
        case HostKind.NAMESPACE:
            return host_command(int(host["pid"]), command)
        case HostKind.UML:
            return guest_command(layout, node, command)
        case other:
            assert_never(other)


def guest_command(layout: Layout, node: str, command: Sequence[str]) -> list[str]:
    """The command line that runs ``command`` on an own-kernel host, through its management card."""
    address, port = EXEC_ADDRESS
    client = [sys.executable, "-P", "-m", "backstay_sandbox.uml.exec_client", address, str(port)]
    return namespace_command(layout.netns(node), [*client, *command])


def host_environment() -> dict[str, str]:
    return {"PATH": HOST_PATH, "HOME": "/root", "LANG": "C.UTF-8", "TERM": os.environ.get("TERM", "dumb")}


def join_host(layout: Layout, node: str, command: Sequence[str]) -> int:
    """Run a command on a host, with our own terminal; its exit status."""
    argv = host_argv(layout, node, command)
    return subprocess.run(argv, env=host_environment(), check=False).returncode


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
