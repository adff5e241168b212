"""`import`: manifests for everything in a Pacemaker CIB on stdout, and what has no equivalent on stderr. Nothing is applied."""

from __future__ import annotations

import argparse
import sys
import time

from backstay.cib import CibError
from backstay.cib.importing import Imported, Weight
from backstay.cib.importing import import_cib as imported_cib
from backstay_cli.cib_source import read_cib
from backstay_cli.errors import CliError
from backstay_cli.output import dump


def import_cib(arguments: argparse.Namespace) -> int:
    xml = read_cib(arguments.file)
    name = "stdin" if arguments.file == "-" else arguments.file
    try:
        found = imported_cib(
            xml, now=time.time(), namespace=arguments.namespace or "default", cluster=arguments.cluster
        )
    except CibError as error:
        raise CliError(f"{name}: {error}") from None
    print(dump(found.manifests, arguments.output))
    sys.stdout.flush()
    _tell(found, everything=arguments.verbose)
    if arguments.report is not None:
        _save_report(found, arguments.report)
    if arguments.strict and not found.complete:
        raise CliError("the manifests do not hold everything that is in the CIB (--strict)")
    return 0


def _tell(found: Imported, *, everything: bool) -> None:
    shown = [item for item in found.report if everything or item.weight is Weight.LOST]
    for item in shown:
        print(item, file=sys.stderr)
    lost = sum(item.weight is Weight.LOST for item in found.report)
    others = len(found.report) - lost
    more = "" if everything or not others else f", {others} remarks (-v shows them)"
    print(f"{len(found.manifests)} objects; {lost} things have no equivalent{more}", file=sys.stderr)


def _save_report(found: Imported, path: str) -> None:
    lines = [f"{item}\n" for item in found.report]
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(lines)
    except OSError as error:
        raise CliError(f"cannot write {path}: {error.strerror or error}") from None
