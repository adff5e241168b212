"""`status`: gather, then print; with --watch again whenever something changed."""

from __future__ import annotations

import argparse
import json

from backstay_cli.errors import UsageError
from backstay_cli.gather import Wanted, gather
from backstay_cli.render.paint import paint_for
from backstay_cli.render.status_document import status_document
from backstay_cli.render.status_model import as_json
from backstay_cli.render.status_text import status_text
from backstay_cli.session import Session

WANTED = Wanted(plans=True, constraints=True, fencing=True, transitions=True, leases=True)


async def status(session: Session, arguments: argparse.Namespace) -> int:
    if arguments.watch:
        if arguments.output != "text":
            raise UsageError("--watch is for people: it does not go with -o json")
        from backstay_cli.watch import watch_status

        return await watch_status(session)
    document = status_document(await gather(session, WANTED))
    if arguments.output == "json":
        session.show(json.dumps(as_json(document), indent=2))
    else:
        session.show(status_text(document, paint_for(session.out, session.environ)))
    return 0
