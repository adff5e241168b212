"""Which peers each node may ask for promises when the API is gone (design note 0003): all other members.

A member takes part if its keeper knows of challenges, has an address, and its agent has published a key. One that does not is a peer
without a key: it promises nothing, and it switches nothing off for the others, as an agent that was taken over would like to.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from backstay.api import ClusterProperties, HANodePlan, Peer, VouchingSpec
from backstay.api.plan import PEERS_MAX, PUBLIC_KEY_PATTERN
from backstay.coordinator.membership import Membership, NodeView

_PUBLIC_KEY = re.compile(PUBLIC_KEY_PATTERN, re.ASCII)


class PeerBook:
    """Remembers what it said last: with many members it is long, and seldom another."""

    def __init__(self) -> None:
        self._made_from: tuple[Peer, ...] | None = None
        self._made: dict[str, VouchingSpec | None] = {}

    def vouching_of(
        self,
        membership: Membership,
        properties: ClusterProperties,
        *,
        addresses: Mapping[str, str],
        plans: Mapping[str, HANodePlan],
    ) -> dict[str, VouchingSpec | None]:
        """By node, of those that take part. None at all if somebody could take over without a quorum."""
        members = [view for view in membership.nodes.values() if view.boot_id]
        if properties.no_quorum_policy == "ignore" or len(members) > PEERS_MAX + 1:
            return {}
        made_from = tuple(_peer(view, addresses.get(view.name, ""), plans.get(view.name)) for view in members)
        if made_from != self._made_from:
            self._made_from, self._made = made_from, _vouching(made_from)
        return self._made


def _peer(view: NodeView, address: str, plan: HANodePlan | None) -> Peer:
    key = plan.status.vouching_key if plan is not None else ""
    able = view.beat is not None and bool(address) and _PUBLIC_KEY.fullmatch(key) is not None
    return Peer(name=view.name, address=address, key=key) if able else Peer(name=view.name)


def _vouching(members: tuple[Peer, ...]) -> dict[str, VouchingSpec | None]:
    return {
        one.name: VouchingSpec(peers=[peer for peer in members if peer.name != one.name])
        for one in members
        if one.key
    }
