"""Cutting single paths between members of a sandbox, at the switch: frames are dropped silently, both ways, whoever boots meanwhile.

A pulled cable (`cut`) is another thing: the host sees its carrier go, and loses the client too.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable

from backstay_sandbox.layout import Layout

COMMAND_TIMEOUT_S = 30.0
SERVICES = "services"
"""The member behind which the API and the power switch are."""


def cut_from_api(layout: Layout, node: str) -> None:
    """From the power switch too: they have one address."""
    _drop(layout, node, [SERVICES])


def cut_from_peers(layout: Layout, node: str) -> None:
    _drop(layout, node, [peer for peer in layout.nodes if peer != node])


def mend(layout: Layout) -> None:
    """Every path is whole again."""
    _ebtables(layout, "--flush", "FORWARD")


def _drop(layout: Layout, node: str, others: Iterable[str]) -> None:
    for other in others:
        for near, far in ((node, other), (other, node)):
            _ebtables(
                layout, "--append", "FORWARD", "--in-interface", near, "--out-interface", far, "-j", "DROP"
            )


def _ebtables(layout: Layout, *words: str) -> None:
    subprocess.run(
        ["ip", "netns", "exec", layout.netns_switch, "ebtables", "--concurrent", *words],
        check=True,
        capture_output=True,
        timeout=COMMAND_TIMEOUT_S,
    )
