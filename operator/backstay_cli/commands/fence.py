"""`fence list`, `history`, `node`, `confirm`."""

from __future__ import annotations

import argparse
import json

from backstay.api import FenceDevice
from backstay_cli.edit import request
from backstay_cli.errors import CliError, UsageError
from backstay_cli.gather import Wanted, gather
from backstay_cli.render.paint import paint_for, table
from backstay_cli.render.status_document import fencing_events
from backstay_cli.render.status_model import FencingEvent, as_json
from backstay_cli.session import Session
from backstay_kube import kinds


async def list_devices(session: Session, arguments: argparse.Namespace) -> int:
    view = await gather(session, Wanted(fencing=True))
    devices = sorted(view.fence_devices, key=lambda d: (d.spec.level or 0, -d.spec.priority, d.metadata.name))
    if arguments.output == "json":
        session.show(json.dumps([{"name": d.metadata.name, **d.spec.wire()} for d in devices], indent=2))
        return 0
    rows = [
        (
            d.metadata.name,
            d.spec.agent,
            str(d.spec.level or "-"),
            _targets(d),
            d.status.last_result or "-",
            " ".join(f"{name}={value}" for name, value in sorted(d.spec.params.items())),
        )
        for d in devices
    ]
    header = ("DEVICE", "AGENT", "LEVEL", "TARGETS", "LAST RESULT", "PARAMETERS")
    session.show("\n".join(table(header, rows)) if rows else "no fence devices: a lost node cannot be fenced")
    return 0


async def history(session: Session, arguments: argparse.Namespace) -> int:
    view = await gather(session, Wanted())
    events = fencing_events(view)
    if arguments.output == "json":
        session.show(json.dumps(as_json(events), indent=2))
        return 0
    paint = paint_for(session.out, session.environ)
    lines = [f"{paint.time(e.time)}  {_told(e)}" for e in events]
    session.show("\n".join(lines) or "no node was ever fenced")
    return 0


async def node(session: Session, arguments: argparse.Namespace) -> int:
    view = await gather(session, Wanted())
    name = view.node(arguments.node).metadata.name
    body = {"type": "fence"} | ({"action": arguments.action} if arguments.action else {})
    ack = await request(session, (kinds.HANODE, name, None), body, wait_s=arguments.wait)
    message = "" if ack is None else ack.get("message", "")
    session.say(
        f"{name}: {arguments.action or 'fencing'} {'asked for' if ack is None else message or 'done'}"
    )
    return 0


async def confirm(session: Session, arguments: argparse.Namespace) -> int:
    """Taking over from a node that still runs destroys data: so it must be said in so many words."""
    view = await gather(session, Wanted())
    known = view.node(arguments.node)
    if known.status.state in ("Online", "Standby", "Maintenance"):
        raise CliError(f"{arguments.node} is {known.status.state}: a node that is heard is not dead")
    if not arguments.yes:
        raise UsageError(
            f"this tells the cluster that {arguments.node} is powered off, and lets others take over its resources; "
            "if it still runs, data will be destroyed",
            hint="check that it is off, then add --yes",
        )
    ack = await request(
        session, (kinds.HANODE, arguments.node, None), {"type": "confirm"}, wait_s=arguments.wait
    )
    message = "" if ack is None else ack.get("message", "")
    session.say(
        f"{arguments.node}: confirmed as fenced by the administrator" + (f" ({message})" if message else "")
    )
    return 0


def _told(event: FencingEvent) -> str:
    what = f"{event.action or 'fencing'} of {event.node}"
    if event.failure:
        return f"{what} FAILED: {event.failure}"
    return f"{what} by {event.by or 'unknown'}" + (f" ({event.why})" if event.why else "")


def _targets(device: FenceDevice) -> str:
    targets = device.spec.targets
    words = [
        *targets.nodes,
        *sorted(device.spec.host_map),
        *(f"{key}={value}" for key, value in sorted(targets.node_selector.items())),
    ]
    return " ".join(words) or "all nodes"
