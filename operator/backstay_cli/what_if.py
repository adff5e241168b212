"""What `simulate` does with its options, wherever the state comes from: run the simulation, print it, save its graph."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from backstay.cib import CibError
from backstay.cib.options import option_names
from backstay.cib.values import date
from backstay.simulate import (
    OpSpec,
    Outcome,
    Report,
    UnknownName,
    WhatIf,
    graph_data,
    graph_dot,
    graph_xml,
    run,
    told,
)
from backstay.state.cluster import ClusterState
from backstay_cli.errors import CliError, UsageError, nearest

DOT_S_MAX = 60


def show_simulation(
    arguments: argparse.Namespace,
    *,
    state: ClusterState,
    what_if: WhatIf,
    show: Callable[[str], None],
    original_date: bool = False,
) -> int:
    """Simulate, write the files that were asked for, and show the rest. Raises CliError."""
    try:
        outcome = run(state, what_if)
    except UnknownName as error:
        raise CliError(str(error), hint=nearest(error.name, error.known)) from None
    except CibError as error:
        raise CliError(
            f"--set-property: {error}", hint=f"known are: {', '.join(sorted(option_names()))}"
        ) from None
    _save_graphs(arguments, outcome)
    report = told(outcome, show_scores=arguments.scores, original_date=original_date)
    if arguments.output == "json":
        show(json.dumps(_document(report, outcome, scores=arguments.scores), indent=2))
    elif arguments.quiet:
        if report.scores:
            show("\n".join(report.scores))
    else:
        show(report.text().rstrip("\n"))
    return 0


def what_if_of(arguments: argparse.Namespace) -> WhatIf:
    """The changes that the command line asks for. Raises UsageError."""
    options: dict[str, str] = {}
    for text in arguments.set_property:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise UsageError(f"--set-property {text!r} is not NAME=VALUE")
        options[name] = value
    return WhatIf(
        nodes_up=_once(arguments.node_up),
        nodes_down=_once(arguments.node_down),
        nodes_lost=_once(arguments.node_fail),
        nodes_standby=_once(arguments.node_standby),
        quorum=arguments.quorum,
        watchdog=arguments.watchdog,
        tickets_granted=_once(arguments.ticket_grant),
        tickets_revoked=_once(arguments.ticket_revoke),
        tickets_standby=_once(arguments.ticket_standby),
        tickets_active=_once(arguments.ticket_activate),
        options=options,
        inject=_specs(arguments.op_inject, "--op-inject"),
        fail=_specs(arguments.op_fail, "--op-fail"),
    )


def given_date(text: str) -> float:
    """Epoch seconds of --set-date. Raises UsageError."""
    try:
        return date(text)
    except CibError as error:
        raise UsageError(
            f"--set-date: {error}", hint="write it as 2026-11-25 09:00:00, with Z or an offset"
        ) from None


def _once(names: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _specs(texts: list[str], option: str) -> tuple[OpSpec, ...]:
    try:
        return tuple(OpSpec.parse(text) for text in texts)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None


def _document(report: Report, outcome: Outcome, *, scores: bool) -> dict[str, Any]:
    document = asdict(report)
    document["graph"] = graph_data(outcome.transition.graph)
    if not scores:
        del document["scores"]
    return document


def _save_graphs(arguments: argparse.Namespace, outcome: Outcome) -> None:
    graph = outcome.transition.graph
    if arguments.save_graph:
        node_ids = {node.name: node.uuid for node in outcome.before.state.nodes}
        _write(arguments.save_graph, graph_xml(outcome.transition, node_ids=node_ids).encode())
    if arguments.save_dot:
        _write(arguments.save_dot, graph_dot(graph).encode())
    if arguments.save_svg:
        _write(arguments.save_svg, _svg(graph_dot(graph)))


def _svg(dot: str) -> bytes:
    """Drawn by graphviz. Raises CliError where it is not installed, or fails."""
    program = shutil.which("dot")
    if program is None:
        raise CliError(
            "an SVG needs graphviz's dot, which is not installed",
            hint="install graphviz, or save the graph with --save-dotfile and draw it elsewhere: dot -Tsvg",
        )
    try:
        done = subprocess.run(
            [program, "-Tsvg"], input=dot.encode(), capture_output=True, timeout=DOT_S_MAX, check=False
        )
    except subprocess.TimeoutExpired:
        raise CliError(f"dot took longer than {DOT_S_MAX} s to draw the graph") from None
    if done.returncode != 0:
        raise CliError(f"dot failed: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def _write(path: str, content: bytes) -> None:
    try:
        if path == "-":
            import sys

            sys.stdout.buffer.write(content)
            sys.stdout.flush()
            return
        with open(path, "wb") as file:
            file.write(content)
    except OSError as error:
        raise CliError(f"cannot write {path}: {error.strerror or error}") from None
