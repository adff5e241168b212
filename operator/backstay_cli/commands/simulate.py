"""`simulate`: the scheduler that the DC runs, run here on the live cluster's objects or on a saved input. Nothing is written.

The report is in crm_simulate's words; assumptions and what is wrong with the configuration go to stderr.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import zlib
from collections.abc import Iterator

from backstay.api import HATransition
from backstay.simulate import WhatIf
from backstay.state.cluster import ClusterState
from backstay.state.codec import StateFormatError, load_state
from backstay_cli.commands.history import numbered
from backstay_cli.errors import CliError, nearest
from backstay_cli.gather import Wanted, gather, node_labels
from backstay_cli.live_state import in_standby, live_assembly, quorum_after
from backstay_cli.session import Session
from backstay_cli.what_if import show_simulation

INPUT_LIMIT = 64 << 20
"""Bytes that an unpacked input may have."""


async def simulate(session: Session, arguments: argparse.Namespace) -> int:
    state = await _state(session, arguments)
    down, up = tuple(dict.fromkeys(arguments.node_down)), tuple(dict.fromkeys(arguments.node_up))
    standby = tuple(dict.fromkeys(arguments.node_standby))
    _refuse_unknown(state, (*down, *up))
    for line in _assumptions(down, up, standby):
        session.say(line)
    quorum: bool | None = None
    if arguments.quorum is not None:
        quorum = arguments.quorum == "true"
    elif down or up:
        quorum = quorum_after(state, down=down, up=up)
        if quorum != state.have_quorum:
            session.say(
                f"assuming that quorum is {'regained' if quorum else 'lost'} with that (--quorum says otherwise)"
            )
    return show_simulation(
        arguments,
        state=in_standby(state, standby),
        what_if=WhatIf(nodes_lost=down, nodes_up=up, quorum=quorum),
        show=session.show,
    )


async def _state(session: Session, arguments: argparse.Namespace) -> ClusterState:
    if arguments.transition is not None:
        view = await gather(session, Wanted(transitions=True))
        return saved_input(numbered(view, arguments.transition))
    view = await gather(session, Wanted(plans=True, constraints=True, fencing=True))
    assembly = live_assembly(view, node_labels=await node_labels(session))
    for warning in view.warnings:
        session.say(f"warning: {warning}")
    for problem in assembly.problems:
        where = f"{problem.namespace}/{problem.name}" if problem.namespace else problem.name
        session.say(f"warning: {problem.kind} {where}: {problem.message}")
    return assembly.state


def saved_input(transition: HATransition) -> ClusterState:
    """The input that a transition was made from. Raises CliError when there is none, or it is of another version."""
    number, text = transition.spec.number, transition.spec.input
    if not text:
        why = transition.spec.input_dropped or "it was not kept"
        raise CliError(f"transition {number} has no input to replay: {why}")
    try:
        unpacker = zlib.decompressobj(wbits=31)
        raw = unpacker.decompress(base64.b64decode(text, validate=True), INPUT_LIMIT)
        if unpacker.unconsumed_tail:
            raise CliError(f"the input of transition {number} is larger than {INPUT_LIMIT} bytes")
        return load_state(raw.decode())
    except (zlib.error, binascii.Error, UnicodeDecodeError, StateFormatError) as error:
        raise CliError(f"the input of transition {number} cannot be read: {error}") from None


def _refuse_unknown(state: ClusterState, names: tuple[str, ...]) -> None:
    known = {node.name for node in state.nodes}
    for name in names:
        if name not in known:
            raise CliError(f"there is no node {name!r} in this cluster", hint=nearest(name, known))


def _assumptions(down: tuple[str, ...], up: tuple[str, ...], standby: tuple[str, ...]) -> Iterator[str]:
    for names, what in ((down, "lost"), (up, "up"), (standby, "in standby")):
        if names:
            yield f"what if {' and '.join(names)} {'are' if len(names) > 1 else 'is'} {what}?"
