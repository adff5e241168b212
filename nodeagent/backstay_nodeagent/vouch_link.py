"""The keeper's hands for vouching: one UDP socket, and the memory of promises in the run directory. Standard library only.

Everything here may fail without harm: without a socket, keys or peers nobody promises anything, and the node stops in time as if it
were alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from pathlib import Path
from typing import Any

from backstay_nodeagent.durable_file import DurableFile, read_whole
from backstay_nodeagent.vouch_wire import PACKET_MAX, Letter, seal, unseal
from backstay_nodeagent.vouching import Answer, Lapse, Memory, Question, Vouching

MEMORY_FILE = "promise"
PACKETS_AT_ONCE = 64
OPEN_AGAIN_S = 5.0


class VouchLink:
    """Asks and answers for `node`. The caller watches `socket` and calls `receive`, and `turn` whenever it wakes."""

    def __init__(self, run_dir: Path, *, node: str, boot_id: str, lease_s: float, now: float) -> None:
        self._path = run_dir / MEMORY_FILE
        self._node = node
        self._boot_id = boot_id
        self._cluster = ""
        self._keys: dict[str, bytes] = {}
        self._port = 0
        self._open_at = 0.0
        self.socket: socket.socket | None = None
        self.vouching = Vouching(
            started_at=now,
            lease_s=lease_s,
            memory=self._recall(),
            number=int.from_bytes(os.urandom(6), "big"),
        )

    def configure(self, config: dict[str, Any] | None, *, lease_s: float) -> None:
        """From the keeper's configuration; None: vouching is off."""
        self.vouching.lease_s = lease_s
        wanted = config or {}
        self.vouching.peers = dict(wanted["peers"]) if config is not None else None
        self._cluster = wanted.get("cluster", "")
        self._keys = {peer: bytes.fromhex(key) for peer, key in (wanted.get("keys") or {}).items()}
        port = int(wanted.get("port", 0))
        if port != self._port:
            self._port, self._open_at = port, 0.0
            self.close()

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def open(self, now: float) -> bool:
        """Try to have a socket, where one is needed; True when it is a new one."""
        if self.socket is not None or not self.vouching.peers or not self._port or now < self._open_at:
            return False
        self._open_at = now + OPEN_AGAIN_S
        six = any(":" in address for address in self.vouching.peers.values())
        fresh = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            fresh.setblocking(False)
            fresh.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            fresh.bind(("::" if six else "0.0.0.0", self._port))
        except OSError:
            fresh.close()
            return False
        self.socket = fresh
        return True

    def turn(self, lapse: Lapse | None, now: float) -> None:
        """Ask, if it is time to."""
        question = self.vouching.due(lapse, now) if lapse is not None else None
        if question is not None:
            for peer in sorted(self._keys):
                self._send(peer, question)

    def receive(self, lapse: Lapse | None, now: float) -> bool:
        """Take in what has come. True: renew at once, somebody wants to know how things stand."""
        renew = False
        for _ in range(PACKETS_AT_ONCE):
            packet = self._next_packet()
            if packet is None:
                break
            letter = unseal(packet, self._keys)
            if letter is None or letter.receiver != self._node or letter.cluster != self._cluster:
                continue
            if letter.sender not in (self.vouching.peers or {}):
                continue
            match letter.content:
                case Question():
                    answer, wanted = self.vouching.asked(letter.sender, letter.content, lapse, now)
                    renew = renew or wanted
                    if answer.kind != "promise" or self._remember():
                        self._send(letter.sender, answer)
                case Answer():
                    if lapse is not None:
                        self.vouching.answered(letter.sender, letter.content, lapse, now)
        return renew

    def _next_packet(self) -> bytes | None:
        if self.socket is None:
            return None
        try:
            return self.socket.recv(PACKET_MAX + 1)
        except OSError:
            return None

    def _send(self, peer: str, content: Question | Answer) -> None:
        address, key = (self.vouching.peers or {}).get(peer), self._keys.get(peer)
        if self.socket is None or not address or key is None:
            return
        packet = seal(Letter(self._cluster, self._node, peer, content), key)
        with contextlib.suppress(OSError):
            self.socket.sendto(packet, (address, self._port))

    # -- memory

    def _remember(self) -> bool:
        """Write the promise down; False when that is not possible: then it must not be given."""
        assert self.vouching.memory is not None
        memory = self.vouching.memory
        text = json.dumps(
            {
                "boot_id": self._boot_id,
                "promised_until": memory.promised_until,
                "last_plain": memory.last_plain,
            }
        )
        try:
            DurableFile(self._path).write(text)
        except OSError:
            return False
        return True

    def _recall(self) -> Memory | None:
        try:
            data = json.loads(read_whole(self._path))
            if data["boot_id"] != self._boot_id:
                return None
            return Memory(float(data["promised_until"]), float(data["last_plain"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None
