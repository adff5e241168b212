"""`export --cib`: the configuration as a Pacemaker CIB, from the live objects or from manifests in files."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

from backstay.cib.exporting import export_cib
from backstay.cib.exporting.objects import configuration_of, with_devices
from backstay.state.assemble import Objects
from backstay.state.assemble_resources import SECRET_MARK
from backstay_cli.gather import Wanted, gather, node_labels
from backstay_cli.live_state import live_objects
from backstay_cli.manifest_files import read_objects
from backstay_cli.session import Session


async def export(session: Session, arguments: argparse.Namespace) -> int:
    view = await gather(session, Wanted(constraints=True, fencing=True))
    for warning in view.warnings:
        session.say(f"warning: {warning}")
    objects = live_objects(view, node_labels=await node_labels(session))
    session.show(_exported(objects, now=view.now, say=session.say).rstrip("\n"))
    return 0


def export_files(arguments: argparse.Namespace) -> int:
    objects = read_objects(
        arguments.files, cluster=arguments.cluster, namespace=arguments.namespace or "default"
    )
    print(_exported(objects, now=time.time(), say=lambda text: print(text, file=sys.stderr)), end="")
    return 0


def _exported(objects: Objects, *, now: float, say: Callable[[str], None]) -> str:
    assembly = configuration_of(objects, now=now)
    for problem in assembly.problems:
        where = f"{problem.namespace}/{problem.name}" if problem.namespace else problem.name
        say(f"warning: left out: {problem.kind} {where}: {problem.message}")
    xml = export_cib(with_devices(assembly.state, objects))
    if f'value="{SECRET_MARK}' in xml:
        say(f"warning: values kept in Secrets are written as {SECRET_MARK}NAME/KEY: put them in by hand")
    return xml
