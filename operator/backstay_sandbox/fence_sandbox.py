"""fence_sandbox: the fence agent for the sandbox's power switch.

Follows the fence agent interface: parameters come as key=value lines on standard input, or as options; the exit
status says how it went (0 done, or the plug is on; 1 failed; 2 the plug is off, for `status`).  Every host finds it
as /usr/sbin/fence_sandbox.  Standard library only, one file, so that it starts fast and runs with no environment.

It refuses to call a fencing a success on anything less than the switch's own word.
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

OK, FAILED, OFF = 0, 1, 2
DEFAULT_PORT = 7100
DEFAULT_TIMEOUT_S = 30.0
VERSION = "1"


class Parameter(NamedTuple):
    """One parameter of the agent, as the meta-data lists it."""

    name: str
    option: str
    content: str
    text: str
    required: bool = False
    default: str | None = None
    aliases: tuple[str, ...] = ()


PARAMETERS = (
    Parameter(
        "action", "-o, --action=[action]", "string", "Fencing action", default="reboot", aliases=("option",)
    ),
    Parameter(
        "ip", "-a, --ip=[ip]", "string", "Address of the power switch", required=True, aliases=("ipaddr",)
    ),
    Parameter(
        "ipport", "-u, --ipport=[port]", "integer", "TCP port of the power switch", default=str(DEFAULT_PORT)
    ),
    Parameter(
        "password", "-p, --password=[password]", "string", "Password of the switch", aliases=("passwd",)
    ),
    Parameter(
        "plug", "-n, --plug=[host]", "string", "Host to act on", required=True, aliases=("port", "nodename")
    ),
    Parameter(
        "timeout",
        "--timeout=[seconds]",
        "second",
        "Longest wait for an answer",
        default=f"{DEFAULT_TIMEOUT_S:.0f}",
    ),
)
ACTIONS = ("on", "off", "reboot", "status", "monitor", "list", "metadata", "validate-all")
NEED_A_PLUG = ("on", "off", "reboot", "status")
AUTOMATIC = {"on": ' automatic="0"'}
SYNONYMS = {"meta-data": "metadata", "list-status": "list", "disable": "off", "enable": "on"}


class AgentError(Exception):
    """The action cannot be carried out; the message is for the cluster's log."""


def main() -> None:
    try:
        sys.exit(run(parameters_given(sys.argv[1:])))
    except AgentError as error:
        print(f"fence_sandbox: {error}", file=sys.stderr)
        sys.exit(FAILED)


def run(given: dict[str, str]) -> int:
    """Carry out one action; returns the exit status."""
    action = given.get("action", "reboot").lower()
    action = SYNONYMS.get(action, action)
    if action not in ACTIONS:
        raise AgentError(f"unknown action: {action}")
    if action == "metadata":
        print(metadata())
        return OK
    check(given, action)
    if action == "validate-all":
        return OK
    answer = ask(given, action)
    if action == "list":
        for plug, state in sorted(dict(answer.get("plugs", {})).items()):
            print(f"{plug},{state}")
    if action == "status":
        print(f"Status: {str(answer.get('state')).upper()}")
        return OK if answer.get("state") == "on" else OFF
    return settled(action, answer)


def settled(action: str, answer: dict[str, object]) -> int:
    wanted = {"on": "on", "off": "off", "reboot": "on"}.get(action)
    if wanted is not None and answer.get("state") != wanted:
        raise AgentError(f"after {action} the switch says {answer.get('state')}")
    return OK


def check(given: dict[str, str], action: str) -> None:
    """Refuse what is missing or no number."""
    if not given.get("ip"):
        raise AgentError("parameter ip is missing")
    if action in NEED_A_PLUG and not given.get("plug"):
        raise AgentError("parameter plug is missing")
    for name in ("ipport", "timeout"):
        try:
            if float(given.get(name, "1")) <= 0:
                raise ValueError
        except ValueError:
            raise AgentError(f"parameter {name} is not a positive number: {given[name]}") from None


def ask(given: dict[str, str], action: str) -> dict[str, Any]:
    """One question to the switch, one answer."""
    address = (given["ip"], int(given.get("ipport", DEFAULT_PORT)))
    timeout_s = float(given.get("timeout", DEFAULT_TIMEOUT_S))
    request = {"password": given.get("password", ""), "action": action, "plug": given.get("plug")}
    try:
        with socket.create_connection(address, timeout_s) as connection:
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as stream:
                answer = json.loads(stream.readline())
    except (OSError, ValueError) as error:
        raise AgentError(f"no answer from the power switch at {address[0]}:{address[1]}: {error}") from None
    if not isinstance(answer, dict) or answer.get("ok") is not True:
        raise AgentError(
            f"the power switch refused: {answer.get('error') if isinstance(answer, dict) else answer}"
        )
    return answer


def parameters_given(arguments: list[str]) -> dict[str, str]:
    """Options where there are any, else key=value lines from standard input."""
    return from_options(arguments) if arguments else from_lines(sys.stdin)


def from_lines(lines: Iterable[str]) -> dict[str, str]:
    """Parse key=value lines; comments and unknown keys are passed over, as fence agents do."""
    known = {alias: one.name for one in PARAMETERS for alias in (*one.aliases, one.name)}
    given: dict[str, str] = {}
    for line in lines:
        key, equals, value = line.strip().partition("=")
        name = known.get(key.strip())
        if not equals or key.startswith("#") or name is None:
            continue
        # The caller's name of the node is a fall-back for the plug, never instead of it.
        if key.strip() != "nodename" or not given.get(name):
            given[name] = value.strip()
    return given


def from_options(arguments: list[str]) -> dict[str, str]:
    import argparse  # a fifth of the start-up time, and a cluster gives its parameters on standard input

    parser = argparse.ArgumentParser(
        prog="fence_sandbox", description="Fence agent for the sandbox's power switch"
    )
    parser.add_argument("-V", "--version", action="version", version=VERSION)
    options: set[str] = set()
    for one in PARAMETERS:
        names = [word.strip().split("=")[0] for word in one.option.split(",")]
        names += [f"--{alias}" for alias in one.aliases]
        parser.add_argument(*names, dest=one.name, help=one.text)
        options.update(names)
    given = parser.parse_args(list(_joined(arguments, options)))
    return {name: value for name, value in vars(given).items() if value is not None}


def _joined(words: list[str], options: set[str]) -> Iterator[str]:
    """Each option and its value as one word: as with getopt, what follows an option is its value, also if it begins with a dash, as
    one password in sixty-four does."""
    left = iter(words)
    for word in left:
        value = next(left, None) if word in options else None
        if value is None:
            yield word
        else:
            yield f"{word}={value}" if word.startswith("--") else f"{word}{value}"


def metadata() -> str:
    """The agent's own description, in the XML that cluster managers read; no value above needs escaping."""
    lines = [
        '<?xml version="1.0" ?>',
        '<resource-agent name="fence_sandbox" shortdesc="Fence agent for the Backstay sandbox">',
        "<longdesc>Switches hosts of a Backstay sandbox off and on at its power switch.</longdesc>",
        "<parameters>",
    ]
    for one in PARAMETERS:
        default = "" if one.default is None else f' default="{one.default}"'
        lines += [
            f'  <parameter name="{one.name}" unique="0" required="{int(one.required)}">',
            f'    <getopt mixed="{one.option}"/>',
            f'    <content type="{one.content}"{default}/>',
            f'    <shortdesc lang="en">{one.text}</shortdesc>',
            "  </parameter>",
        ]
    lines += ["</parameters>", "<actions>"]
    lines += [f'  <action name="{name}"{AUTOMATIC.get(name, "")}/>' for name in ACTIONS]
    return "\n".join([*lines, "</actions>", "</resource-agent>"])


if __name__ == "__main__":
    main()
