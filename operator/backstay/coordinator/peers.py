"""Which peers each node may ask for promises when the API is gone (design note 0003): all other members, or nobody at all."""

from __future__ import annotations

from collections.abc import Mapping

from backstay.api import LEASE_NAMESPACE, ClusterProperties, Peer, SecretKeyRef, VouchingSpec
from backstay.api.plan import PEERS_MAX
from backstay.coordinator.membership import Membership

KEY_FIELD = "key"


def vouching_of(
    membership: Membership, properties: ClusterProperties, *, addresses: Mapping[str, str], key_secret: str
) -> dict[str, VouchingSpec | None]:
    """By node. Off for all if somebody could take over without a quorum, or one member could not take part."""
    members = [name for name, view in membership.nodes.items() if view.boot_id]
    able = all(membership.nodes[name].beat is not None and addresses.get(name) for name in members)
    if len(members) > PEERS_MAX + 1:
        return {}
    if not key_secret or not able or properties.no_quorum_policy == "ignore":
        return {}
    key = SecretKeyRef(name=key_secret, key=KEY_FIELD, namespace=LEASE_NAMESPACE)
    return {
        name: VouchingSpec(
            peers=[Peer(name=other, address=addresses[other]) for other in members if other != name], key=key
        )
        for name in members
    }
