"""`explain` on a CIB or on manifests, without a cluster."""

from __future__ import annotations

import argparse

from backstay_cli.errors import UsageError
from backstay_cli.explain_show import show_explanation
from backstay_cli.offline_state import offline_state


def explain_offline(arguments: argparse.Namespace) -> int:
    if arguments.transition is not None:
        raise UsageError(
            "--transition is for the live cluster", hint="leave out the name to explain the whole transition"
        )
    offline = offline_state(arguments)
    name = arguments.name
    if name is not None and offline.assembly is not None:
        ids = offline.assembly.index.ids
        name = next((id_ for (_, object_name), id_ in ids.items() if object_name == name), name)
    return show_explanation(
        offline.state, name=name, why_not=arguments.why_not, output=arguments.output, show=print
    )
