"""`constraint list`."""

from __future__ import annotations

import argparse
import json

from backstay_cli.build.ban import EXPIRES, is_ban, is_expired
from backstay_cli.gather import Wanted, gather
from backstay_cli.render.constraints import constraint_lines, sentence
from backstay_cli.session import Session


async def list_constraints(session: Session, arguments: argparse.Namespace) -> int:
    view = await gather(session, Wanted(constraints=True))
    if arguments.output == "json":
        rows = [
            {
                "id": c.spec.constraint_id or c.metadata.name,
                "namespace": c.metadata.namespace,
                "name": c.metadata.name,
                "text": sentence(c),
                "ban": is_ban(c),
                "expires": c.metadata.annotations.get(EXPIRES),
                "spec": c.spec.wire(),
            }
            for c in view.constraints
        ]
        session.show(json.dumps(rows, indent=2))
        return 0
    session.show("\n".join(constraint_lines(view.constraints)) or "no constraints")
    over = [c.metadata.name for c in view.constraints if is_expired(c, session.clock())]
    if over:
        session.say(f"note: without effect by now, their lifetime is over: {', '.join(over)}")
    return 0
