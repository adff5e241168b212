"""`simulate -x CIB.xml`: the same simulation on a Pacemaker CIB, without a cluster. Starts fast: it needs neither API nor client."""

from __future__ import annotations

import argparse
import time

from backstay.cib import CibError, parse_cib
from backstay_cli.cib_source import read_cib
from backstay_cli.errors import CliError
from backstay_cli.what_if import given_date, show_simulation, what_if_of


def simulate_cib(arguments: argparse.Namespace) -> int:
    what_if = what_if_of(arguments)
    given = None if arguments.set_date is None else given_date(arguments.set_date)
    xml = read_cib(arguments.xml_file)
    try:
        state = parse_cib(xml, now=time.time(), override_now=given)
    except CibError as error:
        raise CliError(f"{arguments.xml_file}: {error}") from None
    original = given is None and b"execution-date" in xml.partition(b">")[0]
    return show_simulation(arguments, state=state, what_if=what_if, show=print, original_date=original)
