"""The tutorial, told and done: ``python -m backstay_sandbox.demo [--hosts uml] [--api real]`` (`make demo [HOSTS=uml] [API=real]`).

Boots three hosts, applies examples/tutorial, and does to them what the tutorial does: look, stop a host cleanly,
break the web server, cut the power.  On hosts with kernels of their own the group is examples/tutorial-lvm, the
tutorial's to the letter; then a file is written and synced before the power cut, and must be there after it.
Every command shown is run as shown; every outage is measured by a client host that asks for the page, and pings the
address, twenty times a second.

Needs no terminal and asks nothing.  Every wait is bounded, and whatever happens the sandbox is taken down at the
end.  Exit status: 0 if every step did what it promised, 1 if not, with the reason on standard error.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from backstay_sandbox import background, requirements
from backstay_sandbox.controlplane import binaries
from backstay_sandbox.hosts import log_file
from backstay_sandbox.layout import Layout, layout_of
from backstay_sandbox.options import EMBEDDED, OWN_APIS, REAL, HostKind
from backstay_sandbox.outages import OutageWatch
from backstay_sandbox.uml.bed import BedError, prepare

NAME = "demo"
NODES = 3
ADDRESS, PAGE = "10.0.0.3", "http://10.0.1.100/"
GROUP, SINGLE = "resourcegroup/appgroup", "haresource/cluster-ip"
KEPT, KEPT_URL = "/var/www/html/kept.txt", f"{PAGE}kept.txt"
LOG_RECOVERY = "Starting recovery"
COMMAND_TIMEOUT_S = 100.0
START_TIMEOUT_S = 40.0
MOVE_TIMEOUT_S = 40.0
OUTAGE_BEGINS_S = 5.0
SETTLE_S = 0.6
POLL_S = 0.25


class DemoError(RuntimeError):
    """A step did not do what it promised."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the summary."""

    what: str
    before: str
    after: str
    page_s: float
    address_s: float


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m backstay_sandbox.demo", description="The tutorial's tour."
    )
    parser.add_argument("--hosts", type=HostKind, choices=list(HostKind), default=HostKind.NAMESPACE)
    parser.add_argument("--api", choices=OWN_APIS, default=EMBEDDED)
    options = parser.parse_args()
    hosts: HostKind = options.hosts
    complaints = requirements.complaints(
        requirements.ALL if hosts is HostKind.NAMESPACE else requirements.OWN_KERNELS_DEMO
    )
    if complaints:
        print(complaints, file=sys.stderr)
        sys.exit(1)
    signal.signal(signal.SIGTERM, _interrupted)
    layout = layout_of(NAME, NODES)
    start = time.monotonic()
    try:
        if hosts is HostKind.UML:
            prepare(say)
        if options.api == REAL:
            binaries.prepare(say)
        rows = Demo(layout, examples_directory(), hosts, options.api).run()
        print_summary(rows, time.monotonic() - start)
    except (DemoError, BedError, binaries.BinariesError, subprocess.TimeoutExpired) as error:
        print(f"\nThe demo failed: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        sys.exit(1)
    finally:
        say("Taking the sandbox down: every process, namespace, mount, loop device and file of it.")
        background.stop(layout)


def _interrupted(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def examples_directory() -> Path:
    """examples/, next to the code or in the current directory."""
    for root in (Path(__file__).resolve().parents[2], Path.cwd()):
        if (root / "examples/tutorial").is_dir():
            return root / "examples"
    raise DemoError("examples/tutorial is not here: run the demo from a checkout")


def say(text: str) -> None:
    print(f"\n# {text}", flush=True)


class Demo:
    """The steps, in order; each checks what it shows."""

    def __init__(self, layout: Layout, examples: Path, hosts: HostKind, api: str = EMBEDDED) -> None:
        self._layout = layout
        self._examples = examples
        self._hosts = hosts
        self._api = api
        self._words_kept = ""
        self._environment = {
            **os.environ,
            "KUBECONFIG": str(layout.kubeconfig),
            "KUBECACHEDIR": str(layout.state_dir / "kubectl-cache"),
            "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}",
        }

    def run(self) -> list[Row]:
        self.boot()
        self.apply()
        with OutageWatch(self._layout, url=PAGE, address=ADDRESS) as watch:
            self.look(watch)
            rows = [self.stop_cleanly(watch), self.break_the_web_server(watch), self.cut_the_power(watch)]
        return rows

    def boot(self) -> None:
        say(f"{NODES} hosts, an API server, a shared disk and a power switch, all on this machine.")
        kind: tuple[str, ...] = ()
        if self._own_kernels:
            print("# (Each host is a kernel of its own; on the shared disk is the volume group app_vg.)")
            kind = ("--hosts", self._hosts)
        if self._api == REAL:
            print(
                "# (The API is a real kube-apiserver; operators and agents have the chart's rights, and tokens of their own.)"
            )
            kind = (*kind, "--api", self._api)
        self.show("backstay-sandbox", "up", "--name", NAME, "--nodes", str(NODES), *kind)

    def apply(self) -> None:
        if self._own_kernels:
            say("The tutorial: the address ClusterIP, and the group app_lvm, app_fs, VIP, Website-Testes.")
            manifests = ["tutorial/1-cluster-ip.yaml", "tutorial-lvm"]
        else:
            say("The tutorial: the address ClusterIP, and the group app_fs, VIP, Website-Testes.")
            print(
                "# (Its app_lvm needs a device mapper, which hosts that share a kernel lack: make demo HOSTS=uml.)"
            )
            manifests = ["tutorial"]
        files = [word for name in manifests for word in ("-f", os.path.relpath(self._examples / name))]
        self.show("kubectl", "apply", *files)
        self.await_started("the tutorial's resources", START_TIMEOUT_S)
        self.show("kubectl", "ha", "status")
        self.show("kubectl", "get", "hacluster,hanodes,haresources,resourcegroups")

    def look(self, watch: OutageWatch) -> None:
        say("The page, through the group's address, as the client host sees it.")
        self.show("backstay-sandbox", "client", "--name", NAME, "--", "curl", "-sS", "--max-time", "5", PAGE)
        self.await_answers(watch)

    def stop_cleanly(self, watch: OutageWatch) -> Row:
        node = self.node_of(GROUP)
        say(f"Stop {node}, where the group runs, cleanly: its resources move first, in order.")

        def disturb() -> None:
            self.show("kubectl", "ha", "node", "stop", node)

        row = self.measure(watch, f"clean stop of {node}", disturb, away_from=node)
        self.show("kubectl", "ha", "status")
        say(f"And start {node} again.")
        self.show("kubectl", "ha", "node", "start", node)
        self.await_true(lambda: self.is_online(node), f"{node} to be online", MOVE_TIMEOUT_S)
        return row

    def break_the_web_server(self, watch: OutageWatch) -> Row:
        node = self.node_of(GROUP)
        say(f"Kill the web server on {node} behind the cluster's back; its monitor runs every 5 s.")

        def disturb() -> None:
            since = time.monotonic()
            self.show("backstay-sandbox", "exec", node, "--name", NAME, "--", "pkill", "-9", "apache2")
            self.await_outage(watch, since)

        row = self.measure(watch, f"apache killed on {node}", disturb)
        self.show("kubectl", "ha", "status")
        return row

    def cut_the_power(self, watch: OutageWatch) -> Row:
        node = self.node_of(GROUP)
        if self._own_kernels:
            self.write_and_sync(node)
        say(
            f"Cut the power of {node}: link down, everything on it killed at once. The others must fence it first."
        )

        def disturb() -> None:
            since = time.monotonic()
            self.show("backstay-sandbox", "crash", node, "--name", NAME)
            self.await_outage(watch, since)

        row = self.measure(watch, f"power cut of {node}", disturb, away_from=node)
        self.show("kubectl", "ha", "status")
        self.show("backstay-sandbox", "client", "--name", NAME, "--", "curl", "-sS", "--max-time", "5", PAGE)
        if self._own_kernels:
            self.look_for_what_was_synced(row.after)
        return row

    def write_and_sync(self, node: str) -> None:
        say(f"On {node}, write a file and sync it; and leave the file system in the middle of its work.")
        self._words_kept = f"written on {node} before the power cut"
        write = (
            f"echo '{self._words_kept}' >{KEPT} && sync {KEPT} && for n in $(seq 500); do : >{KEPT}.$n; done"
        )
        self.show("backstay-sandbox", "exec", node, "--name", NAME, "--", "sh", "-c", write)

    def look_for_what_was_synced(self, node: str) -> None:
        say(
            f"The file system was mounted on a dead host. On {node} its log was recovered, and the file is there."
        )
        log = log_file(self._layout, node, "console").read_text(errors="replace").splitlines()
        recovery = [line for line in log if "XFS" in line and "recovery" in line]
        print("\n".join(recovery[-2:]))
        if not any(LOG_RECOVERY in line for line in recovery):
            raise DemoError(f"the kernel of {node} tells of no log recovery")
        command = (
            "backstay-sandbox",
            "client",
            "--name",
            NAME,
            "--",
            "curl",
            "-sS",
            "--max-time",
            "5",
            KEPT_URL,
        )
        self.show(*command)
        found = subprocess.run(
            command,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        ).stdout
        if found.strip() != self._words_kept:
            raise DemoError(f"what was synced before the power cut is not there after it: {found!r}")

    def measure(
        self, watch: OutageWatch, what: str, disturb: Callable[[], None], *, away_from: str = ""
    ) -> Row:
        """Disturb the service, wait until it is whole again, and say how long the client missed it."""
        since, before = time.monotonic(), self.node_of(GROUP)
        disturb()
        self.await_answers(watch)
        self.await_started("everything to be started again", MOVE_TIMEOUT_S, away_from=away_from)
        time.sleep(SETTLE_S)  # a move that is over a moment ago may still be an outage to the client
        self.await_answers(watch)
        page_s, address_s = (
            sum(one.seconds for one in watch.outages(target, since=since)) for target in ("page", "address")
        )
        row = Row(what=what, before=before, after=self.node_of(GROUP), page_s=page_s, address_s=address_s)
        say(
            f"{what}: page away for {page_s:.2f} s, address for {address_s:.2f} s; the group is on {row.after}."
        )
        return row

    @property
    def _own_kernels(self) -> bool:
        return self._hosts is HostKind.UML

    # -- waiting

    def await_answers(self, watch: OutageWatch) -> None:
        for target in ("page", "address"):
            if not watch.wait_up(target, timeout_s=MOVE_TIMEOUT_S):
                raise DemoError(f"the {target} did not answer again in {MOVE_TIMEOUT_S:.0f} s")

    def await_outage(self, watch: OutageWatch, since: float) -> None:
        """The disturbance must show, or it proved nothing."""
        if not watch.wait_outage("page", since=since, timeout_s=OUTAGE_BEGINS_S):
            raise DemoError("the page did not go away")

    def await_started(self, what: str, timeout_s: float, *, away_from: str = "") -> None:
        def started() -> bool:
            statuses = [self.status_of(one) for one in (GROUP, SINGLE)]
            return all(
                one.get("role") == "Started" and one.get("node") not in ("", None, away_from)
                for one in statuses
            )

        self.await_true(started, what, timeout_s)

    def is_online(self, node: str) -> bool:
        return self.status_of(f"hanode/{node}").get("state") == "Online"

    def await_true(self, condition: Callable[[], bool], what: str, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() >= deadline:
                self.show("kubectl", "ha", "status", checked=False)
                raise DemoError(f"waited {timeout_s:.0f} s for {what}")
            time.sleep(POLL_S)

    def node_of(self, reference: str) -> str:
        node = str(self.status_of(reference).get("node") or "")
        if not node:
            raise DemoError(f"{reference} runs nowhere")
        return node

    def status_of(self, reference: str) -> dict[str, Any]:
        done = subprocess.run(
            ["kubectl", "get", reference, "-o", "json"],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
        if done.returncode != 0:
            raise DemoError(f"kubectl get {reference}: {done.stderr.strip()}")
        return dict(json.loads(done.stdout).get("status") or {})

    def show(self, *command: str, checked: bool = True) -> None:
        """Run a command as a reader would, with its output in full view."""
        print(f"\n$ {shlex.join(command)}", flush=True)
        status = subprocess.run(
            command, env=self._environment, timeout=COMMAND_TIMEOUT_S, stdin=subprocess.DEVNULL, check=False
        ).returncode
        if checked and status != 0:
            raise DemoError(f"`{shlex.join(command)}` ended with status {status}")


def print_summary(rows: list[Row], seconds: float) -> None:
    table = [("WHAT", "GROUP WAS ON", "NOW ON", "PAGE AWAY", "ADDRESS AWAY")]
    table += [
        (row.what, row.before, row.after, f"{row.page_s:.2f} s", f"{row.address_s:.2f} s") for row in rows
    ]
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    say(f"Summary, after {seconds:.0f} s.")
    for line in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


if __name__ == "__main__":
    main()
