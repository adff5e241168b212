"""Which DC this node obeys: by epoch, by term within an epoch, and never one that speaks for a past that this node has outlived.

The API server's history can go back (an etcd restored from a backup). Then a plan is of a lower generation than one that was read
before, or what the API had acknowledged of this node's status is gone; and a DC without memory of its own may win an epoch that another
DC has used, so that order ids would return. Whenever such a thing is seen the node demands an epoch above all that it knows, and
obeys nobody until it gets one. The demand stands in its status; a DC that reads it begins a new term above it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from backstay_nodeagent.orders import Orders


@dataclass
class Obedience:
    """`journal` takes what must be known again after a restart of the agent; the epochs are on the host's disk too."""

    journal: dict[str, Any]
    epochs: dict[str, int] = field(default_factory=dict)
    required: dict[str, int] = field(default_factory=dict)
    """By cluster: the least epoch that is obeyed, while that is more than was seen."""
    _terms: dict[str, str] = field(default_factory=dict)

    def load(self, journal: Mapping[str, Any], epochs: Mapping[str, int]) -> None:
        """After a restart."""
        self.epochs = dict(epochs)
        for name, value in journal.items():
            kind, _, cluster = name.partition("/")
            if kind == "epoch":
                self.epochs[cluster] = max(value, self.epochs.get(cluster, 0))
            elif kind == "term":
                self._terms[cluster] = value
            elif kind == "required":
                self.required[cluster] = value

    def demand_newer(self, cluster: str) -> int:
        """Nothing up to now is obeyed any more. Returns the least epoch that will be."""
        least = self.epochs.get(cluster, 0) + 1
        self.required[cluster] = self.journal[f"required/{cluster}"] = least
        return least

    def objection(self, orders: Orders) -> str:
        """Why these orders are not obeyed; empty if they are."""
        cluster = orders.cluster
        known = self.epochs.get(cluster, 0)
        if orders.epoch < known:
            return f"epoch {orders.epoch} is older than {known}: this DC was superseded"
        term = self._terms.get(cluster, "")
        if orders.epoch == known and term and orders.term and orders.term != term:
            self.demand_newer(cluster)
        required = self.required.get(cluster, 0)
        if orders.epoch < required:
            return f"the API went back to a past that this node has outlived: no epoch below {required} is obeyed"
        return ""

    def obeyed(self, orders: Orders) -> bool:
        """They are. True if their epoch is new, and must be written to the disk."""
        cluster = orders.cluster
        if orders.term and self._terms.get(cluster) != orders.term:
            self._terms[cluster] = self.journal[f"term/{cluster}"] = orders.term
        if self.required.pop(cluster, 0):
            self.journal[f"required/{cluster}"] = None
        if orders.epoch <= self.epochs.get(cluster, 0):
            return False
        self.epochs[cluster] = self.journal[f"epoch/{cluster}"] = orders.epoch
        return True
