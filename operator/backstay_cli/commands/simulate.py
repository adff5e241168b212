"""`simulate`."""

from __future__ import annotations

import argparse

from backstay_cli.errors import CliError
from backstay_cli.session import Session


async def simulate(session: Session, arguments: argparse.Namespace) -> int:
    raise CliError("not yet")
