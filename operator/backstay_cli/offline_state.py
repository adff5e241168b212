"""The cluster's state without a cluster: from a CIB (-x) or from manifests (-f)."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backstay.cib import CibError, parse_cib
from backstay.state.cluster import ClusterState
from backstay_cli.cib_source import read_cib
from backstay_cli.errors import CliError

if TYPE_CHECKING:
    from backstay.state.assemble import Assembly, Objects


@dataclass(frozen=True, slots=True, kw_only=True)
class Offline:
    """`original_date`: the CIB says itself when it was saved. `objects` and `assembly` are there for manifests only."""

    state: ClusterState
    original_date: bool = False
    objects: Objects | None = None
    assembly: Assembly | None = None


def offline_state(arguments: argparse.Namespace, *, given_date: float | None = None) -> Offline:
    """Raises CliError for what cannot be read."""
    if arguments.xml_file is not None:
        return _of_cib(arguments.xml_file, given_date)
    return _of_manifests(arguments, given_date)


def _of_cib(path: str, given_date: float | None) -> Offline:
    xml = read_cib(path)
    try:
        state = parse_cib(xml, now=time.time(), override_now=given_date)
    except CibError as error:
        raise CliError(f"{path}: {error}") from None
    return Offline(
        state=state, original_date=given_date is None and b"execution-date" in xml.partition(b">")[0]
    )


def _of_manifests(arguments: argparse.Namespace, given_date: float | None) -> Offline:
    # Imported here: a CIB needs no models, and answers sooner without them.
    from backstay.cib.exporting.objects import configuration_of
    from backstay_cli.manifest_files import read_objects, with_assumed_nodes

    objects = read_objects(
        arguments.files, cluster=arguments.cluster, namespace=arguments.namespace or "default"
    )
    objects, assumed = with_assumed_nodes(objects)
    if assumed:
        print(f"these files hold no HANode: assuming {', '.join(assumed)}", file=sys.stderr)
    assembly = configuration_of(objects, now=time.time() if given_date is None else given_date)
    return Offline(state=assembly.state, objects=objects, assembly=assembly)
