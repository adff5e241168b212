"""`verify`: what is unsafe or cannot work in the configuration, each with its field and the fix; live, on manifests, or on a CIB.

Exit status 0: no error (warnings do not fail it without --strict); 1: errors.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Iterator

from backstay.explain import runs_nowhere
from backstay.state.assemble import Assembly, Objects
from backstay.state.assemble_problem import Problem
from backstay.state.cluster import ClusterState
from backstay.verify import (
    AgentBook,
    Fault,
    check_constraints,
    check_safety,
    problems_of,
    verify,
    wanted_agents,
)
from backstay_cli.errors import CliError
from backstay_cli.gather import Wanted, gather, node_labels
from backstay_cli.live_state import live_assembly, live_objects
from backstay_cli.offline_state import offline_state
from backstay_cli.session import Session


async def verify_live(session: Session, arguments: argparse.Namespace) -> int:
    view = await gather(session, Wanted(plans=True, constraints=True, fencing=True))
    for warning in view.warnings:
        session.say(f"warning: {warning}")
    labels = await node_labels(session)
    objects, assembly = live_objects(view, node_labels=labels), live_assembly(view, node_labels=labels)
    return _told(_of_objects(objects, assembly), arguments, session.show)


def verify_offline(arguments: argparse.Namespace) -> int:
    offline = offline_state(arguments)
    if offline.objects is None or offline.assembly is None:
        found = [_line(fault) for fault in faults_of(offline.state)]
    else:
        found = _of_objects(offline.objects, offline.assembly)
    return _told(found, arguments, print)


def faults_of(state: ClusterState) -> Iterator[Fault]:
    """What the state alone shows."""
    yield from check_constraints(state)
    yield from check_safety(state)
    for one in runs_nowhere(state):
        yield Fault(
            kind="resource",
            subject=one.base_id,
            code="RunsNowhere",
            field="",
            message=f"it can run nowhere, even with every node up: {one.reason}",
            fix=f"see kubectl ha explain {one.base_id}",
            severity="error",
        )


Line = dict[str, str]


def _of_objects(objects: Objects, assembly: Assembly) -> list[Line]:
    book = AgentBook()
    members = [node.metadata.name for node in objects.nodes if node.metadata.name in objects.plans]
    book.look(objects.plans, members=members, wanted=wanted_agents(objects))
    findings = verify(objects, book, index=assembly.index).conclude(objects.plans)
    problems = (
        *assembly.problems,
        *findings.problems,
        *problems_of(faults_of(assembly.state), objects, assembly.index),
    )
    return [_object_line(one) for one in _once(problems)]


def _once(problems: Iterable[Problem]) -> list[Problem]:
    """A reference to nothing is found by assembly and by the checks of constraints: it is told once."""
    seen: set[tuple[str, ...]] = set()
    found = []
    for one in problems:
        key = (one.kind, one.namespace, one.name, one.code)
        if one.code in ("ReferenceNotFound", "UnknownNode") and key in seen:
            continue
        seen.add(key)
        found.append(one)
    return found


def _line(fault: Fault) -> Line:
    return {
        "severity": fault.severity,
        "object": f"{fault.kind} {fault.subject}".strip(),
        "field": fault.field,
        "code": fault.code,
        "message": f"{fault.message}; {fault.fix}",
    }


def _object_line(one: Problem) -> Line:
    where = f"{one.namespace}/{one.name}" if one.namespace else one.name
    return {
        "severity": one.severity,
        "object": f"{one.kind} {where}",
        "field": one.field,
        "code": one.code,
        "message": one.message.removeprefix(f"{one.field}: "),
    }


def _told(found: list[Line], arguments: argparse.Namespace, show: Callable[[str], None]) -> int:
    found = sorted(found, key=lambda one: one["severity"] != "error")
    errors = sum(one["severity"] == "error" for one in found)
    warnings = len(found) - errors
    if arguments.output == "json":
        show(json.dumps(found, indent=2))
    else:
        for one in found:
            field = f", {one['field']}" if one["field"] else ""
            show(f"{one['severity']}: {one['object']}{field}: {one['message']} [{one['code']}]")
        show(_verdict(errors, warnings))
    if errors or (warnings and arguments.strict):
        raise CliError(f"the configuration has {_verdict(errors, warnings)}")
    return 0


def _verdict(errors: int, warnings: int) -> str:
    if not errors and not warnings:
        return "no problems found"
    return f"{errors} error{'' if errors == 1 else 's'}, {warnings} warning{'' if warnings == 1 else 's'}"
