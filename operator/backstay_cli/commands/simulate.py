"""`simulate`: the scheduler that the DC runs, run here on the live cluster's objects or on a saved input. Nothing is written.

The report is in crm_simulate's words; assumptions and what is wrong with the configuration go to stderr.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import zlib
from dataclasses import replace

from backstay.api import HATransition
from backstay.state.cluster import ClusterState
from backstay.state.codec import StateFormatError, load_state
from backstay_cli.commands.history import numbered
from backstay_cli.errors import CliError
from backstay_cli.gather import Wanted, gather, node_labels
from backstay_cli.live_state import live_assembly, quorum_after
from backstay_cli.session import Session
from backstay_cli.what_if import given_date, show_simulation, what_if_of

INPUT_LIMIT = 64 << 20
"""Bytes that an unpacked input may have."""


async def simulate(session: Session, arguments: argparse.Namespace) -> int:
    what_if = what_if_of(arguments)
    state = await _state(session, arguments)
    if arguments.set_date is not None:
        state = replace(state, now=given_date(arguments.set_date))
    if what_if.quorum is None and (gone := (*what_if.nodes_down, *what_if.nodes_lost)) + what_if.nodes_up:
        quorum = quorum_after(state, down=gone, up=what_if.nodes_up)
        if quorum != state.have_quorum:
            what_if = replace(what_if, quorum=quorum)
            session.say(
                f"assuming that quorum is {'regained' if quorum else 'lost'} with that (--quorum says otherwise)"
            )
    return show_simulation(arguments, state=state, what_if=what_if, show=session.show)


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
