"""Proofs of death: recorded in an object before anything is decided by them (design note 0013).

A proof that only its DC knows is lost with it: the next DC would stop what was started on its strength, and fence the node again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from backstay.api import HANode
from backstay.coordinator.fencings import Fenced
from backstay.coordinator.membership import FencedBoot, Membership


@dataclass(frozen=True, slots=True)
class _Proof:
    fenced: Fenced
    at: float
    perhaps: str
    """A later boot that the fencing may have ended too (`FencedBoot`)."""


class Proofs:
    """Of one DC term, by node; a later one replaces the earlier."""

    def __init__(self) -> None:
        self._proofs: dict[str, _Proof] = {}
        self.recorded: dict[str, FencedBoot] = {}
        """Boots that are over, of which an object tells or told in this term: these count."""

    @property
    def unrecorded(self) -> frozenset[str]:
        """Nodes with a proof of which no object has told yet."""
        return frozenset(
            name
            for name, proof in self._proofs.items()
            if name not in self.recorded or self.recorded[name].boot_id != proof.fenced.boot_id
        )

    def prove(self, node: str, boot_id: str) -> bool:
        """Whether this boot is known to be over, recorded or not."""
        return node in self._proofs and self._proofs[node].fenced.boot_id == boot_id

    def add(self, fenced: Fenced, now: float, *, perhaps: str) -> None:
        """A boot has ended, as of `now` (monotonic seconds)."""
        self._proofs[fenced.node] = _Proof(fenced, now, perhaps)

    def acknowledge(self, nodes: Iterable[HANode], membership: Membership | None) -> None:
        """Take in what the objects say. A proof about a boot that another has followed is needed no more, nor of a node that left."""
        present = {node.metadata.name: node for node in nodes}
        views = membership.nodes if membership is not None else {}
        for name, proof in list(self._proofs.items()):
            boot, view = proof.fenced.boot_id, views.get(name)
            node = present.get(name)
            if node is None or (view is not None and view.boot_id != boot):
                del self._proofs[name]
            elif node.status.fenced is not None and node.status.fenced.boot_id == boot:
                self.recorded[name] = FencedBoot(boot, proof.at, proof.perhaps)

    def to_record(self, nodes: Iterable[HANode], membership: Membership) -> list[Fenced]:
        """What the objects do not show: of HANodes that are not there, too. `nodes`: as the API holds them."""
        shown = {
            node.metadata.name: node.status.fenced.boot_id for node in nodes if node.status.fenced is not None
        }
        return [
            proof.fenced
            for name, proof in self._proofs.items()
            if shown.get(name) != proof.fenced.boot_id
            and name in membership.nodes
            and membership.nodes[name].boot_id == proof.fenced.boot_id
        ]
