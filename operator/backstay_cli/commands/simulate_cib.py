"""`simulate -x CIB.xml`, or `-f FILES`: the same simulation without a cluster. A CIB starts fast: it needs neither API nor models."""

from __future__ import annotations

import argparse

from backstay_cli.offline_state import offline_state
from backstay_cli.what_if import given_date, show_simulation, what_if_of


def simulate_cib(arguments: argparse.Namespace) -> int:
    what_if = what_if_of(arguments)
    given = None if arguments.set_date is None else given_date(arguments.set_date)
    offline = offline_state(arguments, given_date=given)
    return show_simulation(
        arguments,
        state=offline.state,
        what_if=what_if,
        show=print,
        original_date=offline.original_date,
    )
