"""The command line: every command, its options and its help. Standard library only, so that --help answers at once.

Global options may stand before or after the command. `command` names the function that runs it (commands/MODULE.py),
imported only then.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

DEFAULT_WAIT_S = 60

_EPILOG = """examples:
  kubectl ha status --watch
  kubectl ha resource create ClusterIP ocf:heartbeat:IPaddr2 ip=10.0.0.3 cidr_netmask=24 op monitor interval=30s
  kubectl ha node standby n1
  kubectl ha fence n1 --off
  kubectl ha simulate --node-fail n1
"""
_CREATE_EPILOG = """examples:
  kubectl ha resource create ClusterIP ocf:heartbeat:IPaddr2 ip=10.0.0.3 cidr_netmask=24 op monitor interval=30s
  kubectl ha resource create app_fs Filesystem device=/dev/app_vg/app_lv directory=/var/www fstype=xfs --group appgroup
  kubectl ha resource create Ping ocf:pacemaker:ping host_list=10.0.0.1 clone interleave=true
  kubectl ha resource create Web apache op monitor interval=20s meta migration-threshold=3 --dry-run=client -o yaml

Words after AGENT are pcs's: parameters name=value, then op NAME option=value..., meta name=value..., clone or promotable with options.
The object's name is the id in lower case, with hyphens for humps and underscores (ClusterIP: cluster-ip); spec.resourceId keeps the id.
"""
_SIMULATE_EPILOG = """examples:
  kubectl ha simulate                      what the cluster would do now (nothing, when it is at rest)
  kubectl ha simulate --node-fail n1       what if n1 dies?
  kubectl ha simulate --op-fail VIP_start_0@n2=1 --node-standby n1   and if it then does not start on n2?
  kubectl ha simulate --transition 41      the input of transition 41 again
  kubectl ha simulate -x CIB.xml -s        what would Pacemaker's rules make of this CIB? with scores; no cluster is needed
"""

_EXPLAIN_EPILOG = """examples:
  kubectl ha explain ClusterIP                      each node with its score, what that is made of, and what would change it
  kubectl ha explain appgroup --why-not n3
  kubectl ha explain 41                             transition 41: each action, and why it waits for others
  kubectl ha explain VIP -x cib.xml                 a Pacemaker cluster
"""
_VERIFY_EPILOG = """examples:
  kubectl ha verify                                 the live cluster
  kubectl ha verify -f manifests/                   before you apply them
  kubectl ha verify -x cib.xml                      a Pacemaker cluster

Exit status: 0 without errors, 1 with; --strict counts warnings too.
"""
_IMPORT_EPILOG = """examples:
  kubectl ha import cib.xml > cluster.yaml          what has no equivalent is told on stderr, by its place in the CIB
  pcs cluster cib | kubectl ha import - --report report.txt > cluster.yaml
  kubectl apply --server-side -f cluster.yaml

--cluster names the HACluster (default: the CIB's cluster-name), -n the namespace of the resources (default: default).
"""
_EXPORT_EPILOG = """examples:
  kubectl ha export --cib > cib.xml                 the live cluster
  kubectl ha export --cib -f cluster.yaml           manifests, without a cluster
"""

Add = Callable[..., argparse.ArgumentParser]


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The parsed command line. Exits with status 2, or 0 after --help, as argparse does."""
    parser = build_parser()
    argv = _with_fence_word(argv)
    arguments, extra = parser.parse_known_args(_with_wait_value(argv))
    # argparse hands the positional words that follow an option back as unknown: `create ID AGENT --group g ip=1`.
    if extra:
        if not hasattr(arguments, "words") or any(word.startswith("-") for word in extra):
            parser.error(f"unrecognized arguments: {' '.join(extra)}")
        arguments.words = [*arguments.words, *extra]
    if getattr(arguments, "xml_file", None) is not None or getattr(arguments, "files", None):
        arguments.command = arguments.offline_command
    return arguments


def _with_fence_word(argv: Sequence[str]) -> Sequence[str]:
    """`fence n1 --off` is short for `fence node n1 --off`, and `fence n1 --confirm` for `fence confirm n1`."""
    words = list(argv)
    if "fence" not in words:
        return argv
    at = words.index("fence") + 1
    if at >= len(words) or words[at].startswith("-") or words[at] in ("list", "history", "node", "confirm"):
        return argv
    if "--confirm" in words:
        words.remove("--confirm")
        return [*words[:at], "confirm", *words[at:]]
    return [*words[:at], "node", *words[at:]]


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kubectl ha",
        description="High-availability clusters of Backstay: look at them, change them, ask what would happen.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _globals(parser, default=None)
    commands = parser.add_subparsers(metavar="COMMAND", required=True, title="commands")
    add = _adder(commands)
    status = add(
        "status",
        "status.status",
        "how the cluster is: nodes, resources, failures, daemons",
        output=("text", "json"),
    )
    status.add_argument("-w", "--watch", action="store_true", help="repaint whenever something changes")
    _resource(_family(commands, "resource", "create, show and steer resources"))
    _group(_family(commands, "group", "resource groups"))
    _constraint(_family(commands, "constraint", "location, colocation, order and ticket constraints"))
    _node(_family(commands, "node", "list nodes, take them out of service and back"))
    _fence(_family(commands, "fence", "fence devices, fencing by hand"))
    _history(add)
    _simulate(add)
    _explain(add)
    _verify(add)
    _pacemaker(add)
    completion = add("completion", "completion.completion", "print a completion script for a shell")
    completion.add_argument("shell", choices=("bash", "zsh"))
    add(
        "version",
        "version.version",
        "the version of this program, and of the cluster's agents",
        output=("text", "json"),
    )
    return parser


def _with_wait_value(argv: Sequence[str]) -> list[str]:
    """A bare --wait gets its default written out, so that argparse does not take the next word for its value."""
    return [f"--wait={DEFAULT_WAIT_S}" if word == "--wait" else word for word in argv]


def _globals(parser: argparse.ArgumentParser, *, default: object, namespace: bool = True) -> None:
    group = parser.add_argument_group("global options")
    group.add_argument(
        "--kubeconfig", metavar="FILE", default=default, help="default: $KUBECONFIG, ~/.kube/config"
    )
    group.add_argument("--context", metavar="NAME", default=default, help="context of the kubeconfig")
    group.add_argument("--cluster", metavar="NAME", default=default, help="HACluster; default: the only one")
    names = ("-n", "--namespace") if namespace else ("--namespace",)
    group.add_argument(
        *names, metavar="NAME", dest="namespace", default=default, help="look only in this namespace"
    )


def _adder(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> Add:
    """add(name, "module.function", help): a command that takes the global options too."""

    def add(
        name: str,
        target: str,
        text: str,
        *,
        output: Sequence[str] = (),
        epilog: str | None = None,
        short_n: bool = True,
    ) -> argparse.ArgumentParser:
        parser = commands.add_parser(
            name,
            help=text,
            description=text[:1].upper() + text[1:] + ".",
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        _globals(parser, default=argparse.SUPPRESS, namespace=short_n)
        if output:
            parser.add_argument(
                "-o", "--output", choices=output, default=output[0], help=f"default: {output[0]}"
            )
        parser.set_defaults(command=target)
        return parser

    return add


def _family(commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str) -> Add:
    parser = commands.add_parser(
        name, help=text, description=text[:1].upper() + text[1:] + ".", allow_abbrev=False
    )
    _globals(parser, default=argparse.SUPPRESS)
    return _adder(parser.add_subparsers(metavar="COMMAND", required=True, title="commands"))


def _waits(parser: argparse.ArgumentParser, *, default: int | None, optional: bool = True) -> None:
    text = "wait until it is so, at most SECONDS" + (
        f" (default {default})" if default else f"; bare: {DEFAULT_WAIT_S}"
    )
    parser.add_argument("--wait", type=_seconds, metavar="SECONDS", default=default, help=text)
    if default is not None and optional:
        parser.add_argument(
            "--no-wait", dest="wait", action="store_const", const=None, help="only ask for it"
        )


def _seconds(text: str) -> float:
    try:
        seconds = float(text.removesuffix("s"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds") from None
    if not 0 <= seconds <= 86_400:
        raise argparse.ArgumentTypeError("a wait is between 0 and 86400 seconds")
    return seconds


def _resource(add: Add) -> None:
    create = add(
        "create", "create.create", "create a resource", output=("name", "yaml", "json"), epilog=_CREATE_EPILOG
    )
    create.add_argument("id", metavar="ID")
    create.add_argument(
        "agent", metavar="AGENT", help="ocf:heartbeat:IPaddr2, or IPaddr2 where the nodes know only one"
    )
    create.add_argument(
        "words", metavar="WORD", nargs="*", help="parameters; op, meta, clone, promotable and their options"
    )
    create.add_argument(
        "--group", metavar="GROUP", help="make it a member of the group, which is made if it is new"
    )
    place = create.add_mutually_exclusive_group()
    place.add_argument(
        "--before", metavar="MEMBER", default="", help="put it before this member of the group"
    )
    place.add_argument("--after", metavar="MEMBER", default="", help="put it after this member of the group")
    create.add_argument("--disabled", action="store_true", help="do not start it (meta target-role=Stopped)")
    create.add_argument("--no-default-ops", action="store_true", help="only the operations named here")
    create.add_argument(
        "--force", action="store_true", help="do not check parameters against the agent's meta-data"
    )
    create.add_argument(
        "--dry-run", choices=("none", "client"), default="none", help="client: print it, create nothing"
    )
    _waits(create, default=None)
    show = add("show", "show.show", "resources and their configuration", output=("text", "yaml", "json"))
    show.add_argument("ids", metavar="ID", nargs="*")
    add(
        "standards",
        "agents.standards",
        "classes of resource agents that the nodes have",
        output=("text", "json"),
    )
    add(
        "providers",
        "agents.providers",
        "providers of OCF agents that the nodes have",
        output=("text", "json"),
    )
    agents = add("agents", "agents.agents", "resource agents that the nodes have", output=("text", "json"))
    agents.add_argument("of", metavar="STANDARD[:PROVIDER]", nargs="?", default="")
    describe = add(
        "describe", "agents.describe", "parameters and operations of an agent", output=("text", "json")
    )
    describe.add_argument("agent", metavar="AGENT")
    _waits(describe, default=20)
    _resource_steering(add)


def _resource_steering(add: Add) -> None:
    for name, text in (
        ("enable", "let resources run (target-role)"),
        ("disable", "stop resources and keep them stopped"),
    ):
        parser = add(name, f"steer.{name}", text)
        parser.add_argument("ids", metavar="ID", nargs="+")
        _waits(parser, default=None)
    move = add("move", "move.move", "move a resource now; no constraint stays behind")
    move.add_argument("id", metavar="ID")
    move.add_argument(
        "node", metavar="NODE", nargs="?", default=None, help="default: wherever else it may run"
    )
    _waits(move, default=DEFAULT_WAIT_S)
    ban = add("ban", "ban.ban", "keep a resource away from a node, until `clear`, or for a while")
    ban.add_argument("id", metavar="ID")
    ban.add_argument("node", metavar="NODE", nargs="?", default=None, help="default: where it is active now")
    ban.add_argument("--lifetime", metavar="DURATION", default=None, help="for example 30min, 8h, PT1H30M")
    clear = add("clear", "ban.clear", "take back bans")
    clear.add_argument("id", metavar="ID")
    clear.add_argument("node", metavar="NODE", nargs="?", default=None)
    clear.add_argument("--expired", action="store_true", help="only those whose lifetime is over")
    for name, text in (
        ("cleanup", "forget failures, and let the cluster try again"),
        ("refresh", "forget the whole history, and probe anew"),
    ):
        parser = add(name, f"cleanup.{name}", text)
        parser.add_argument(
            "id", metavar="ID", nargs="?", default=None, help="default: all resources with failures"
        )
        parser.add_argument("--node", metavar="NODE", default=None, help="only there")
        if name == "cleanup":
            parser.add_argument(
                "--operation", metavar="OP", default=None, help="only this operation's failures"
            )
        _waits(parser, default=20)
    restart = add("restart", "steer.restart", "stop a resource and start it again")
    restart.add_argument("id", metavar="ID")
    _waits(restart, default=DEFAULT_WAIT_S)
    delete = add("delete", "delete.delete", "stop resources and delete them, also out of their groups")
    delete.add_argument("ids", metavar="ID", nargs="+")
    delete.add_argument("--force", action="store_true", help="delete at once, do not stop it in order first")
    _waits(delete, default=DEFAULT_WAIT_S, optional=False)


def _group(add: Add) -> None:
    add("list", "group.list_groups", "groups and their members", output=("text", "json"))
    join = add("add", "group.add", "add resources to a group, which is made if it is new")
    join.add_argument("group", metavar="GROUP")
    join.add_argument("ids", metavar="ID", nargs="+")
    place = join.add_mutually_exclusive_group()
    place.add_argument("--before", metavar="MEMBER", default="")
    place.add_argument("--after", metavar="MEMBER", default="")
    leave = add(
        "remove", "group.remove", "take resources out of a group; they stay as resources of their own"
    )
    leave.add_argument("group", metavar="GROUP")
    leave.add_argument("ids", metavar="ID", nargs="+")


def _constraint(add: Add) -> None:
    add("list", "constraint.list_constraints", "constraints in words", output=("text", "json"))


def _node(add: Add) -> None:
    add("list", "node.list_nodes", "nodes and their states", output=("text", "json"))
    for name, text in (
        ("standby", "run nothing on nodes: resources move away"),
        ("unstandby", "let nodes run resources again"),
        ("stop", "stop everything on nodes cleanly, and leave the cluster"),
        ("start", "let stopped nodes join again"),
    ):
        parser = add(name, f"node.{name}", text)
        parser.add_argument("nodes", metavar="NODE", nargs="+")
        _waits(parser, default=DEFAULT_WAIT_S)
    maintenance = add("maintenance", "node.maintenance", "leave everything on nodes as it is, unmonitored")
    maintenance.add_argument("nodes", metavar="NODE", nargs="+")
    maintenance.add_argument("--off", action="store_true", help="back to normal")
    _waits(maintenance, default=DEFAULT_WAIT_S)


def _fence(add: Add) -> None:
    add("list", "fence.list_devices", "fence devices and their targets", output=("text", "json"))
    add(
        "history",
        "fence.history",
        "what was fenced, by which device, and what failed",
        output=("text", "json"),
    )
    node = add("node", "fence.node", "power a node off or through a reset, now")
    node.add_argument("node", metavar="NODE")
    how = node.add_mutually_exclusive_group()
    how.add_argument("--action", choices=("reboot", "off", "on"), default=None)
    for action, text in (
        ("reboot", "off, then on"),
        ("off", "and leave it off"),
        ("on", "the power, after an off"),
    ):
        how.add_argument(f"--{action}", dest="action", action="store_const", const=action, help=text)
    _waits(node, default=DEFAULT_WAIT_S)
    confirm = add("confirm", "fence.confirm", "declare that a lost node is dead: only after you have seen it")
    confirm.add_argument("node", metavar="NODE")
    confirm.add_argument("--yes", action="store_true", help="I have checked that this node is off")
    _waits(confirm, default=20)


def _history(add: Add) -> None:
    history = add(
        "history", "history.history", "what the cluster did and why", output=("text", "json"), short_n=False
    )
    history.add_argument(
        "number", metavar="NUMBER", nargs="?", type=int, default=None, help="one transition in detail"
    )
    history.add_argument("-n", "--last", metavar="N", type=int, default=10, help="the newest N; default 10")


def _simulate(add: Add) -> None:
    simulate = add(
        "simulate",
        "simulate.simulate",
        "what would happen; nothing is changed",
        output=("text", "json"),
        epilog=_SIMULATE_EPILOG,
    )
    _what_if(simulate)
    simulate.add_argument(
        "--transition", metavar="NUMBER", type=int, default=None, help="replay a saved input instead"
    )
    simulate.add_argument(
        "-s",
        "--show-scores",
        "--scores",
        dest="scores",
        action="store_true",
        help="show the scores of each resource on each node",
    )
    _simulate_files(simulate)


def _pacemaker(add: Add) -> None:
    """From Pacemaker, and back to it."""
    importing = add(
        "import",
        "import_cib.import_cib",
        "manifests for a Pacemaker configuration; nothing is applied",
        output=("yaml", "json"),
        epilog=_IMPORT_EPILOG,
    )
    importing.add_argument("file", metavar="CIB.xml", help="plain or compressed; - for stdin")
    importing.add_argument("--report", metavar="FILE", default=None, help="write all findings there")
    importing.add_argument("--strict", action="store_true", help="fail if anything has no equivalent")
    importing.add_argument("-v", "--verbose", action="store_true", help="show remarks too")
    exporting = add("export", "export.export", "the configuration as Pacemaker has it", epilog=_EXPORT_EPILOG)
    exporting.add_argument("--cib", action="store_true", help="as a CIB (the only form; the default)")
    _files(exporting, "export.export_files")


def _explain(add: Add) -> None:
    explain = add(
        "explain",
        "explain.explain",
        "why a resource is where it is, or why a transition does what it does",
        output=("text", "json"),
        epilog=_EXPLAIN_EPILOG,
    )
    explain.add_argument(
        "name",
        metavar="RESOURCE|NUMBER",
        nargs="?",
        default=None,
        help="a resource, or the number of a transition; default: what would be done now",
    )
    explain.add_argument("--why-not", metavar="NODE", default=None, help="why it does not run there")
    explain.add_argument(
        "--transition", metavar="NUMBER", type=int, default=None, help="as it was in this transition"
    )
    _cib(explain)
    _files(explain, "explain_offline.explain_offline")


def _verify(add: Add) -> None:
    verify = add(
        "verify",
        "verify.verify_live",
        "what in the configuration is unsafe, or cannot work",
        output=("text", "json"),
        epilog=_VERIFY_EPILOG,
    )
    verify.add_argument("--strict", action="store_true", help="fail on warnings too")
    _cib(verify)
    _files(verify, "verify.verify_offline")


def _cib(parser: argparse.ArgumentParser) -> None:
    """-x: a CIB in place of the live cluster."""
    parser.add_argument(
        "-x",
        "--xml-file",
        metavar="FILE",
        default=None,
        help="a Pacemaker CIB instead of the live cluster (plain or compressed; - for stdin)",
    )


def _files(parser: argparse.ArgumentParser, offline: str, *, short: bool = True) -> None:
    """-f: manifests in place of the live cluster."""
    parser.set_defaults(offline_command=offline)
    parser.add_argument(
        *(("-f", "--filename") if short else ("--filename",)),
        dest="files",
        metavar="FILE",
        action="append",
        default=[],
        help="manifests instead of the live cluster: file, folder, or - for stdin",
    )


def _what_if(simulate: argparse.ArgumentParser) -> None:
    """What to change before asking; the options are crm_simulate's, with --node-standby and --set-property besides."""
    group = simulate.add_argument_group("what if")
    for short, name, metavar, text in (
        ("-f", "--node-fail", "NODE", "the node is lost: power cut, crash, network"),
        ("-d", "--node-down", "NODE", "the node is cleanly offline"),
        ("-u", "--node-up", "NODE", "the node joins"),
        ("", "--node-standby", "NODE", "the node goes into standby"),
        (
            "-F",
            "--op-fail",
            "OPSPEC",
            "this operation fails, if it is run: RESOURCE_OPERATION_INTERVAL@NODE=RC, interval in ms",
        ),
        ("-i", "--op-inject", "OPSPEC", "this operation has ended so"),
        ("-g", "--ticket-grant", "TICKET", "the ticket is granted"),
        ("-r", "--ticket-revoke", "TICKET", "the ticket is revoked"),
        ("-b", "--ticket-standby", "TICKET", "the ticket is made standby"),
        ("-e", "--ticket-activate", "TICKET", "the ticket is made active"),
        ("", "--set-property", "NAME=VALUE", "a cluster property, for example no-quorum-policy=freeze"),
    ):
        words = [word for word in (short, name) if word]
        group.add_argument(*words, metavar=metavar, action="append", default=[], help=text)
    for short, name, text in (
        ("-q", "--quorum", "as if with or without quorum"),
        ("-w", "--watchdog", "as if with or without a watchdog device"),
    ):
        group.add_argument(short, name, type=_boolean, metavar="{true,false}", default=None, help=text)


def _boolean(text: str) -> bool:
    words = {
        "true": True,
        "1": True,
        "yes": True,
        "on": True,
        "false": False,
        "0": False,
        "no": False,
        "off": False,
    }
    if text.lower() not in words:
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return words[text.lower()]


def _simulate_files(simulate: argparse.ArgumentParser) -> None:
    """What is read and written: a CIB in place of the live cluster, and the graph; the options are crm_simulate's."""
    _files(simulate, "simulate_cib.simulate_cib", short=False)  # -f is crm_simulate's --node-fail
    source = simulate.add_mutually_exclusive_group()
    source.add_argument(
        "-x",
        "--xml-file",
        metavar="FILE",
        default=None,
        help="a Pacemaker CIB instead of the live cluster (plain or compressed; - for stdin)",
    )
    source.add_argument(
        "-p", "--xml-pipe", dest="xml_file", action="store_const", const="-", help="the same as -x -"
    )
    simulate.add_argument(
        "-t", "--set-date", "--set-datetime", metavar="DATE", default=None, help="as if it were this time"
    )
    for short, name, dest, form in (
        ("-G", "--save-graph", "save_graph", "in Pacemaker's XML"),
        ("-D", "--save-dotfile", "save_dot", "for graphviz"),
        ("", "--save-svg", "save_svg", "drawn, where graphviz is installed"),
    ):
        simulate.add_argument(
            *(word for word in (short, name) if word),
            dest=dest,
            metavar="FILE",
            default=None,
            help=f"write the transition graph, {form}",
        )
    simulate.add_argument("-Q", "--quiet", action="store_true", help="only what -s asks for")
    simulate.add_argument(
        "-S", "--simulate", action="store_true", help="always on; accepted as crm_simulate has it"
    )
