"""`node ...`: one field of an HANode's spec each, then watching until the cluster has done what it means."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from typing import Any

from backstay.api import HANode
from backstay_cli.edit import edit, wait_until
from backstay_cli.errors import CliError
from backstay_cli.gather import Wanted, gather
from backstay_cli.places import changes, places, still_on
from backstay_cli.render.paint import table
from backstay_cli.session import Session
from backstay_cli.view import View
from backstay_kube import kinds

Goal = Callable[[View, HANode], str]
"""What is still missing, as a phrase; empty when the goal is reached."""


async def list_nodes(session: Session, arguments: argparse.Namespace) -> int:
    view = await gather(session, Wanted())
    rows = [_row(node) for node in view.nodes]
    if arguments.output == "json":
        session.show(json.dumps(rows, indent=2))
        return 0
    header = ("NODE", "STATE", "DC", "RESOURCES", "AGENT", "ATTRIBUTES", "REASON")
    cells = [
        (
            row["name"],
            row["state"],
            "yes" if row["dc"] else "",
            str(row["resources"]),
            row["agentVersion"],
            " ".join(f"{name}={value}" for name, value in row["attributes"].items()),
            row["reason"],
        )
        for row in rows
    ]
    session.show("\n".join(table(header, cells)))
    return 0


def _row(node: HANode) -> dict[str, Any]:
    return {
        "name": node.metadata.name,
        "state": node.status.state,
        "reason": node.status.reason,
        "dc": node.status.dc,
        "resources": node.status.resources,
        "agentVersion": node.status.agent_version,
        "attributes": dict(sorted(node.spec.attributes.items())),
        "standby": node.spec.standby,
        "maintenance": node.spec.maintenance,
        "shutdown": node.spec.shutdown,
    }


async def standby(session: Session, arguments: argparse.Namespace) -> int:
    return await _set(session, arguments, {"standby": True}, _leaves(("Standby", "Stopped", "Offline")))


async def unstandby(session: Session, arguments: argparse.Namespace) -> int:
    return await _set(session, arguments, {"standby": False}, _is_not("Standby"))


async def stop(session: Session, arguments: argparse.Namespace) -> int:
    return await _set(session, arguments, {"shutdown": True}, _leaves(("Stopped", "Offline")))


async def start(session: Session, arguments: argparse.Namespace) -> int:
    return await _set(session, arguments, {"shutdown": False}, _joins)


async def maintenance(session: Session, arguments: argparse.Namespace) -> int:
    if arguments.off:
        return await _set(session, arguments, {"maintenance": False}, _is_not("Maintenance"))
    return await _set(session, arguments, {"maintenance": True}, _is("Maintenance"))


async def _set(session: Session, arguments: argparse.Namespace, fields: dict[str, bool], goal: Goal) -> int:
    view = await gather(session, Wanted())
    names: list[str] = list(dict.fromkeys(arguments.nodes))
    for name in names:
        view.node(name)  # all are checked before the first is changed
    for name in names:
        await edit(session, kinds.HANODE, name, namespace=None, change=lambda _obj: {"spec": dict(fields)})
    wanted = " ".join(f"{name}={str(value).lower()}" for name, value in fields.items())
    session.say(f"{' '.join(names)}: {wanted}")
    if arguments.wait is None:
        return 0
    await _wait(session, view, names=names, goal=goal, timeout_s=arguments.wait)
    return 0


async def _wait(
    session: Session, before: View, *, names: Sequence[str], goal: Goal, timeout_s: float
) -> None:
    """Print what moves until every node has reached the goal. Raises CliError when time is over."""
    known = places(before)
    missing: list[str] = []

    async def reached() -> bool | None:
        nonlocal known
        view = await gather(session, Wanted())
        now = places(view)
        for line in changes(known, now):
            session.say(line)
        known = now
        missing[:] = [f"{name} {left}" for name in names if (left := goal(view, view.node(name)))]
        return None if missing else True

    if await wait_until(session, reached, timeout_s=timeout_s) is None:
        raise CliError(
            f"not done after {timeout_s:g} s: {'; '.join(missing)}",
            hint="the setting stays, the cluster goes on with it; look with kubectl ha status",
        )
    view = await gather(session, Wanted())
    for name in names:
        session.say(f"{name} is {view.node(name).status.state}")


def _leaves(states: Sequence[str]) -> Goal:
    def goal(view: View, node: HANode) -> str:
        left = still_on(view, node.metadata.name)
        if left:
            return f"still runs {', '.join(left)}"
        return "" if node.status.state in states else _state(node)

    return goal


def _is(state: str) -> Goal:
    return lambda _view, node: "" if node.status.state == state else _state(node)


def _is_not(state: str) -> Goal:
    return lambda _view, node: _state(node) if node.status.state == state else ""


def _joins(_view: View, node: HANode) -> str:
    return "" if node.status.state in ("Online", "Standby", "Maintenance") else _state(node)


def _state(node: HANode) -> str:
    return f"is {node.status.state}" + (f" ({node.status.reason})" if node.status.reason else "")
