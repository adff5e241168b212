"""What keeps namespaces apart, broken on purpose (see mutants.py)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from backstay.coordinator import requests
from backstay.state import assemble_resources, claims, reach
from backstay.state.seniority import position_of


def ids_go_by_position() -> None:
    """Of two objects with one id the one that puts itself first has it, as by the annotation that users write."""
    real = claims.claimant_of

    def claimant(item: Any) -> claims.Claimant:
        return replace(real(item), created=f"{position_of(item.metadata):020}", recorded=())

    assemble_resources.claimant_of = claimant  # type: ignore[attr-defined]
    holders = claims.holders
    assemble_resources.holders = lambda claimants, _before: holders(claimants, {})  # type: ignore[attr-defined]


def namespaces_reach_all() -> None:
    """A constraint names what it likes."""
    reach.Reach.allows = lambda self, source, target: True  # type: ignore[method-assign]


def requests_by_id() -> None:
    """A request counts for whatever has the id that its object asks for."""
    requests.ref_of = lambda item: _Anybody()  # type: ignore[attr-defined]


class _Anybody:
    """Equal to every holder."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return True
