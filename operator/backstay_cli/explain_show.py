"""Shows explanations, as text or as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict

from backstay.explain import (
    UnknownResource,
    explain,
    explain_actions,
    explanation_lines,
    transition_lines,
    why_not_lines,
)
from backstay.state.cluster import ClusterState
from backstay_cli.errors import CliError, UsageError, nearest


def show_explanation(
    state: ClusterState, *, name: str | None, why_not: str | None, output: str, show: Callable[[str], None]
) -> int:
    """Of one resource; without a name, of the whole transition. Raises CliError for a name that does not exist."""
    if name is None:
        if why_not is not None:
            raise UsageError("--why-not asks about a resource: name it")
        reasons = explain_actions(state)
        show(
            json.dumps(asdict(reasons), indent=2)
            if output == "json"
            else "\n".join(transition_lines(reasons))
        )
        return 0
    try:
        explanations = explain(state, name)
    except UnknownResource as error:
        raise CliError(str(error), hint=nearest(error.name, error.known)) from None
    nodes = [node.name for node in state.nodes]
    if why_not is not None and why_not not in nodes:
        raise CliError(f"there is no node {why_not!r} in this cluster", hint=nearest(why_not, nodes))
    if output == "json":
        show(json.dumps([asdict(one) for one in explanations], indent=2))
    elif why_not is not None:
        show("\n".join(why_not_lines(explanations, why_not)))
    else:
        show("\n".join(explanation_lines(explanations)))
    return 0
