"""Which peers each node may ask for promises when the API is gone (design note 0003): all other members, or nobody at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from backstay.api import LEASE_NAMESPACE, ClusterProperties, Peer, SecretKeyRef, VouchingSpec
from backstay.api.plan import PEERS_MAX
from backstay.coordinator.membership import Membership

KEY_FIELD = "key"


class PeerBook:
    """Remembers what it said last: with many members it is long, and seldom another."""

    def __init__(self) -> None:
        self._made_from: tuple[tuple[tuple[str, str], ...], str] | None = None
        self._made: dict[str, VouchingSpec | None] = {}

    def vouching_of(
        self,
        membership: Membership,
        properties: ClusterProperties,
        *,
        addresses: Mapping[str, str],
        key_secret: str,
    ) -> dict[str, VouchingSpec | None]:
        """By node. Off for all if somebody could take over without a quorum, or one member could not take part."""
        members = [name for name, view in membership.nodes.items() if view.boot_id]
        able = all(membership.nodes[name].beat is not None and addresses.get(name) for name in members)
        if not key_secret or not able or properties.no_quorum_policy == "ignore":
            return {}
        if len(members) > PEERS_MAX + 1:
            return {}
        made_from = (tuple((name, addresses[name]) for name in members), key_secret)
        if made_from != self._made_from:
            self._made_from, self._made = made_from, _vouching(*made_from)
        return self._made


def _vouching(members: Sequence[tuple[str, str]], key_secret: str) -> dict[str, VouchingSpec | None]:
    key = SecretKeyRef(name=key_secret, key=KEY_FIELD, namespace=LEASE_NAMESPACE)
    peers = [Peer(name=name, address=address) for name, address in members]
    return {
        name: VouchingSpec(peers=[peer for peer in peers if peer.name != name], key=key)
        for name, _ in members
    }
