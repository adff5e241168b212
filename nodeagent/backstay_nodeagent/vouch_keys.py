"""Keys by pair: each host has an X25519 key of its own, and derives from a peer's public key one that only those two know.

The private half is made on its host, lies in the state directory (mode 0600), and never leaves it. The public half goes out with the
plan's status, which only that node's token may write; the DC hands it to the peers. Whoever takes an agent over can speak in its
name, and in nobody else's. The keeper gets the derived keys and needs the standard library only.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from backstay.liveness.machine import MachineIdentity, SameMachine
from backstay_nodeagent.durable_file import DurableFile, read_whole
from backstay_nodeagent.orders import VouchOrders

log = logging.getLogger(__name__)

KEY_FILE = "vouching-key.json"
PAIR_KEY_BYTES = 32
_PURPOSE = "backstay vouching 1"


class KeyRing:
    """The key of this host."""

    def __init__(self, private: X25519PrivateKey) -> None:
        self._private = private

    @property
    def public(self) -> str:
        """Hexadecimal digits."""
        return self._private.public_key().public_bytes_raw().hex()

    def pair_key(self, cluster: str, own: str, peer: str, peer_public: str) -> bytes | None:
        """The key that this node and the peer share in that cluster; None where the peer's public key is none."""
        try:
            theirs = X25519PublicKey.from_public_bytes(bytes.fromhex(peer_public))
            shared = self._private.exchange(theirs)
        except (
            ValueError
        ):  # of another length, no hexadecimal digits, or a point that gives everybody the same secret
            return None
        pair = sorted([[own, self.public], [peer, peer_public]])
        purpose = json.dumps([_PURPOSE, cluster, *pair]).encode()
        return HKDF(algorithm=SHA256(), length=PAIR_KEY_BYTES, salt=None, info=purpose).derive(shared)

    def keeper_config(self, node: str, wanted: VouchOrders) -> dict[str, object]:
        """What the keeper of `node` needs to speak with its peers."""
        keys = {
            peer: key.hex()
            for peer, _, public in wanted.peers
            if public and (key := self.pair_key(wanted.cluster, node, peer, public)) is not None
        }
        return {
            "cluster": wanted.cluster,
            "peers": {peer: address for peer, address, _ in wanted.peers},
            "keys": keys,
            "port": wanted.port,
        }


def load_key_ring(state_dir: Path, machine: MachineIdentity) -> KeyRing | None:
    """This host's key, made where there is none yet, or none of this machine: an image may have been cloned with a key in it.

    None where the cryptography library lacks X25519: then this node vouches for nobody. Blocks as long as the disk does."""
    path = state_dir / KEY_FILE
    try:
        known = _read(path, machine)
        if known is not None:
            return KeyRing(known)
        private = X25519PrivateKey.generate()
    except UnsupportedAlgorithm as error:
        log.error("no key to speak with peers", extra={"fields": {"error": str(error)}})
        return None
    text = json.dumps(
        {
            "private": private.private_bytes_raw().hex(),
            "machine_id": machine.machine_id,
            "system_uuid": machine.system_uuid,
        }
    )
    try:
        DurableFile(path, sync=True).write(text)
    except OSError as error:
        log.warning(
            "the key to speak with peers can't be stored, and will be another after a restart",
            extra={"fields": {"error": str(error)}},
        )
    return KeyRing(private)


def _read(path: Path, machine: MachineIdentity) -> X25519PrivateKey | None:
    try:
        data = json.loads(read_whole(path))
        of = MachineIdentity(str(data["machine_id"]), str(data["system_uuid"]))
        private = X25519PrivateKey.from_private_bytes(bytes.fromhex(data["private"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("the key to speak with peers can't be read; another is made: %s", type(error).__name__)
        return None
    return None if of.compared_with(machine) is SameMachine.NO else private
