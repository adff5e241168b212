"""`resource standards`, `providers`, `agents`, `describe`: what the nodes really have, not what a package once shipped."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from backstay_cli.build.agents import Catalogue, agents_of, catalogue, resolve
from backstay_cli.build.agents import providers as providers_of
from backstay_cli.errors import CliError, nearest
from backstay_cli.gather import Wanted, gather
from backstay_cli.metadata_source import fetch
from backstay_cli.render.describe import describe_text
from backstay_cli.render.paint import paint_for
from backstay_cli.session import Session
from backstay_cli.view import View


async def standards(session: Session, arguments: argparse.Namespace) -> int:
    _view, known = await _known(session)
    if arguments.output == "json":
        session.show(json.dumps({name: list(nodes) for name, nodes in known.standards.items()}, indent=2))
        return 0
    for name, nodes in known.standards.items():
        session.show(name + _missing(tuple(node for node in known.nodes if node not in nodes)))
    return 0


async def providers(session: Session, arguments: argparse.Namespace) -> int:
    _view, known = await _known(session)
    found = providers_of(known)
    session.show(json.dumps(found, indent=2) if arguments.output == "json" else "\n".join(found))
    return 0


async def agents(session: Session, arguments: argparse.Namespace) -> int:
    """Without an argument full names, with STANDARD[:PROVIDER] the names inside it, as pcs."""
    _view, known = await _known(session)
    found = list(agents_of(known, arguments.of))
    if not found and arguments.of:
        prefixes = {":".join(agent.split(":")[:-1]) for agent in known.agents} | set(known.standards)
        raise CliError(f"no node lists agents of {arguments.of!r}", hint=nearest(arguments.of, prefixes))
    if arguments.output == "json":
        session.show(json.dumps({agent: list(known.agents[agent]) for agent in found}, indent=2))
        return 0
    cut = len(arguments.of.rstrip(":")) + 1 if arguments.of else 0
    for agent in found:
        session.show(agent[cut:] + _missing(known.missing_on(agent)))
    return 0


async def describe(session: Session, arguments: argparse.Namespace) -> int:
    view, known = await _known(session)
    agent = resolve(arguments.agent, known)
    wait_s = 20.0 if arguments.wait is None else arguments.wait
    metadata = await fetch(session, view, known, agent=agent, wait_s=wait_s)
    if arguments.output == "json":
        session.show(json.dumps({"agent": agent, **asdict(metadata)}, indent=2))
    else:
        session.show(describe_text(agent, metadata, paint_for(session.out, session.environ)))
        missing = known.missing_on(agent)
        if missing and known.lists(agent.split(":")[0]):
            session.say(f"not installed on {', '.join(missing)}")
    return 0


async def _known(session: Session) -> tuple[View, Catalogue]:
    view = await gather(session, Wanted(plans=True))
    known = catalogue(view.plans)
    if not known.nodes:
        raise CliError(
            f"no node of {view.name} has said yet which agents it has",
            hint="see whether the node agents run: kubectl ha status",
        )
    return view, known


def _missing(nodes: tuple[str, ...]) -> str:
    return f"  (not on {', '.join(nodes)})" if nodes else ""
