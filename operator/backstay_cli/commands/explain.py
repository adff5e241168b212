"""`explain RESOURCE|TRANSITION`: why it runs here and not there; live, on a saved input, a CIB, or manifests. Nothing is written."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from backstay_cli.commands.history import numbered
from backstay_cli.commands.simulate import saved_input
from backstay_cli.explain_show import show_explanation
from backstay_cli.gather import Wanted, gather, node_labels
from backstay_cli.live_state import live_assembly
from backstay_cli.session import Session


async def explain(session: Session, arguments: argparse.Namespace) -> int:
    number = arguments.transition
    name = arguments.name
    if number is None and name is not None and name.isdecimal():
        number, name = int(name), None
    if number is not None:
        view = await gather(session, Wanted(transitions=True))
        state = saved_input(numbered(view, number))
    else:
        view = await gather(session, Wanted(plans=True, constraints=True, fencing=True))
        assembly = live_assembly(view, node_labels=await node_labels(session))
        state = assembly.state
        name = None if name is None else _resource_id(name, assembly.index.ids)
    for warning in view.warnings:
        session.say(f"warning: {warning}")
    return show_explanation(
        state, name=name, why_not=arguments.why_not, output=arguments.output, show=session.show
    )


def _resource_id(name: str, ids: Mapping[tuple[str, str], str]) -> str:
    """The id behind an object's name; an id stays what it is."""
    return next((id_ for (_, object_name), id_ in ids.items() if object_name == name), name)
