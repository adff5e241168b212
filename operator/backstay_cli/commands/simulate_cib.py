"""`simulate -x CIB.xml`: the same simulation on a Pacemaker CIB, without a cluster. Starts fast: it needs neither API nor client."""

from __future__ import annotations

import argparse
import time

from backstay.cib import CibError, parse_cib
from backstay.cib.values import date
from backstay.simulate import WhatIf
from backstay_cli.cib_source import read_cib
from backstay_cli.errors import CliError, UsageError
from backstay_cli.what_if import show_simulation


def simulate_cib(arguments: argparse.Namespace) -> int:
    given = _given_date(arguments.set_date)
    xml = read_cib(arguments.xml_file)
    try:
        state = parse_cib(xml, now=time.time(), override_now=given)
    except CibError as error:
        raise CliError(f"{arguments.xml_file}: {error}") from None
    original = given is None and b"execution-date" in xml.partition(b">")[0]
    return show_simulation(arguments, state=state, what_if=WhatIf(), show=print, original_date=original)


def _given_date(text: str | None) -> float | None:
    try:
        return None if text is None else date(text)
    except CibError as error:
        raise UsageError(
            f"--set-date: {error}", hint="write it as 2026-11-25 09:00:00, with Z or an offset"
        ) from None
