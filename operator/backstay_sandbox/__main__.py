"""The program `backstay-sandbox`: a whole Backstay cluster on one machine, to try, to break, to test with.

Every subcommand takes --name, so that several sandboxes can stand side by side.  Exit status: 0 done, 1 failed with
a message on standard error, 2 wrong usage; `exec` and `client` end with the status of the command they ran.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from backstay_sandbox import background, requirements
from backstay_sandbox.command import CommandError
from backstay_sandbox.control import ControlError, call
from backstay_sandbox.controlplane import binaries
from backstay_sandbox.inspection import describe, follow_log, join_host, join_namespace
from backstay_sandbox.layout import Layout, LayoutError, layout_of
from backstay_sandbox.options import DAEMONS, EMBEDDED, REAL, HostKind, SandboxOptions, VolumeOwnership
from backstay_sandbox.uml.bed import BedError, prepare

Subcommand = Callable[[argparse.Namespace, Layout], int]

API_TIMEOUT_S = 180.0
"""A real control plane is three programs, one after the other."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = build_parser()
    words = list(sys.argv[1:] if arguments is None else arguments)
    words, rest = split_at_dashes(words)
    args = parser.parse_args(words)
    args.rest = rest
    try:
        layout = layout_of(args.name, getattr(args, "nodes", 1))
        if args.needs_root and os.geteuid() != 0:
            raise ControlError(requirements.complaints(requirements.ALL))
        sys.exit(args.run(args, layout))
    except BrokenPipeError:  # `logs | head`: the reader has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    except KeyboardInterrupt:
        sys.exit(130)
    except (
        ControlError,
        LayoutError,
        CommandError,
        background.StartError,
        BedError,
        binaries.BinariesError,
    ) as error:
        print(f"backstay-sandbox: {error}", file=sys.stderr)
        sys.exit(1)


def split_at_dashes(words: list[str]) -> tuple[list[str], list[str]]:
    """Everything after the first `--` belongs to the command that `exec` or `client` runs."""
    if "--" not in words:
        return words, []
    at = words.index("--")
    return words[:at], words[at + 1 :]


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="backstay-sandbox", description="A whole Backstay cluster on one machine."
    )
    commands = parser.add_subparsers(dest="subcommand", required=True, metavar="COMMAND")

    def add(name: str, run: Subcommand, text: str, *, needs_root: bool = True) -> argparse.ArgumentParser:
        one = commands.add_parser(name, help=text, description=text)
        one.add_argument("--name", default="default", help="which sandbox (default: %(default)s)")
        one.set_defaults(run=run, needs_root=needs_root)
        return one

    up = add("up", run_up, "Bring a sandbox up and leave it in the background.")
    up.add_argument("--nodes", type=int, default=3, help="number of hosts (default: %(default)s)")
    up.add_argument(
        "--api",
        default=EMBEDDED,
        help="`embedded` (default), `real` (a kube-apiserver of its own, with RBAC and admission), a URL, a kubeconfig's path, "
        "or `none` for hosts alone",
    )
    up.add_argument(
        "--hosts",
        type=HostKind,
        choices=list(HostKind),
        default=HostKind.NAMESPACE,
        help="what hosts are made of; `uml`: kernels of their own, with LVM (default: %(default)s)",
    )
    up.add_argument(
        "--lvm",
        type=VolumeOwnership,
        choices=list(VolumeOwnership),
        default=VolumeOwnership.TAGS,
        help="how `uml` hosts agree on who may activate the volume group (default: %(default)s)",
    )
    up.add_argument("--bare", action="store_true", help="do not run Backstay's daemons on the hosts")
    up.add_argument("--no-cluster", action="store_true", help="do not make the HACluster and the FenceDevice")
    add("down", run_down, "Take a sandbox down and remove every trace of it.")
    add("status", run_status, "Show hosts, power, links, processes, addresses and the API.")
    for name, text in (
        ("crash", "Cut a host's power: link down, and everything on it killed at once."),
        ("boot", "Power a host on."),
        ("cut", "Pull a host's network cable."),
        ("heal", "Plug a host's network cable in again."),
    ):
        add(name, run_on_node, text).add_argument("node")
    logs = add("logs", run_logs, "Print what a host's daemons wrote.")
    logs.add_argument("node", help="a host, or `sandbox` for the sandbox's own daemon, or `api`")
    logs.add_argument("--daemon", choices=("agent", "operator", "init", "console"), help="only this one's")
    logs.add_argument("-f", "--follow", action="store_true", help="go on printing")
    add("exec", run_exec, "Run a command on a host: exec NODE -- COMMAND ...").add_argument("node")
    add("client", run_client, "Run a command on the client host: client -- COMMAND ...")
    add("kubeconfig", run_kubeconfig, "Print the path of the sandbox's kubeconfig.", needs_root=False)
    for name, text in (
        ("stop-api", "Make an outage of the sandbox's own API server: it answers nobody until start-api."),
        ("start-api", "End the outage; nothing that was stored is lost."),
        ("restart-api", "Restart the sandbox's own API server; its objects are kept."),
        ("backup-api", "Keep what the sandbox's own API server has stored, in place of the backup before."),
        ("restore-api", "Take its API server back to the backup, as with an etcd that is restored."),
    ):
        add(name, run_on_api, text)
    add("doctor", run_doctor, "Say what this machine lacks.", needs_root=False)
    return parser


def say(step: str) -> None:
    print(f"- {step}", flush=True)


def run_up(args: argparse.Namespace, layout: Layout) -> int:
    missing = requirements.missing(
        requirements.OWN_KERNELS if args.hosts is HostKind.UML else requirements.HOSTS
    )
    if missing:
        print(requirements.explain(missing), file=sys.stderr)
        return 1
    if args.hosts is HostKind.UML:
        prepare(say)
    if args.api == REAL:
        binaries.prepare(say)
    options = SandboxOptions(
        name=layout.name,
        nodes=args.nodes,
        api=args.api,
        daemons=() if args.bare else DAEMONS,
        cluster=not args.no_cluster,
        hosts=args.hosts,
        ownership=args.lvm,
    )
    background.start(options, progress=say)
    print("\n".join(describe(layout)))
    if args.api != "none":
        print(f"\nexport KUBECONFIG={layout.kubeconfig}")
    return 0


def run_down(_: argparse.Namespace, layout: Layout) -> int:
    found = background.stop(layout)
    print(f"sandbox {layout.name} is down" if found else f"there was no sandbox {layout.name}")
    return 0


def run_status(_: argparse.Namespace, layout: Layout) -> int:
    print("\n".join(describe(layout)))
    return 0


def run_on_node(args: argparse.Namespace, layout: Layout) -> int:
    call(layout.control_socket, args.subcommand, node=args.node)
    return 0


def run_logs(args: argparse.Namespace, layout: Layout) -> int:
    return follow_log(layout, args.node, daemon=args.daemon, follow=args.follow)


def run_exec(args: argparse.Namespace, layout: Layout) -> int:
    return join_host(layout, args.node, args.rest or ["bash"])


def run_client(args: argparse.Namespace, layout: Layout) -> int:
    call(layout.control_socket, "status")
    return join_namespace(layout.netns_client, args.rest or ["bash"])


def run_kubeconfig(_: argparse.Namespace, layout: Layout) -> int:
    # Not asking the daemon: the path is also of use to a script that runs before `up`.
    print(layout.kubeconfig)
    return 0


def run_on_api(args: argparse.Namespace, layout: Layout) -> int:
    call(layout.control_socket, args.subcommand, timeout_s=API_TIMEOUT_S)
    return 0


def run_doctor(_: argparse.Namespace, layout: Layout) -> int:
    del layout
    complaints = requirements.complaints(requirements.ALL)
    print(complaints or "nothing is missing")
    return 1 if complaints else 0


if __name__ == "__main__":
    main()
