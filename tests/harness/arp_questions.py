"""The program of `ArpWatch`; it needs nothing but Python's own library.

``python -I -S arp_questions.py ADDRESS ...``, in the client's network namespace, asks for each address every EVERY_S. It writes one
JSON object per line: ``{"address": ..., "answered_by": [mac, ...], "at": ...}`` for a question that more than one card answered,
and once a second ``{"asked": n, "answered": n}``. An answer counts for the question before it; gratuitous ones are meant for others
and do not count.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import sys
import time
from typing import Any

ETH_P_ARP, REPLY = 0x0806, 2
CARD, OWN_ADDRESS = "eth0", "10.0.0.200"
EVERY_S, TELL_EVERY_S = 0.05, 1.0


def question(mac: bytes, address: str) -> bytes:
    """An ARP request to everybody."""
    head = b"\xff" * 6 + mac + struct.pack("!H", ETH_P_ARP)
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1)
    return head + body + mac + socket.inet_aton(OWN_ADDRESS) + bytes(6) + socket.inet_aton(address)


def answer(frame: bytes) -> tuple[str, str] | None:
    """Address and card of a reply to one of our questions; None for any other frame."""
    if len(frame) < 42 or struct.unpack_from("!H", frame, 20)[0] != REPLY:
        return None
    if frame[38:42] != socket.inet_aton(OWN_ADDRESS):
        return None
    return socket.inet_ntoa(frame[28:32]), frame[22:28].hex(":")


def main(addresses: list[str]) -> None:
    """For ever."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ARP)) as card:
        card.bind((CARD, ETH_P_ARP))
        mac = card.getsockname()[4]
        asked = answered = 0
        tell_at = time.monotonic()
        while True:
            for address in addresses:
                card.send(question(mac, address))
            asked += len(addresses)
            found = collect(card, until=time.monotonic() + EVERY_S)
            answered += len(found)
            for address, cards in found.items():
                if len(cards) > 1:
                    tell({"address": address, "answered_by": sorted(cards), "at": time.monotonic()})
            if time.monotonic() >= tell_at:
                tell_at = time.monotonic() + TELL_EVERY_S
                tell({"asked": asked, "answered": answered})


def collect(card: socket.socket, *, until: float) -> dict[str, set[str]]:
    """Cards that answered, by address."""
    found: dict[str, set[str]] = {}
    while (left := until - time.monotonic()) > 0:
        if not select.select([card], [], [], left)[0]:
            break
        got = answer(card.recv(2048))
        if got is not None:
            found.setdefault(got[0], set()).add(got[1])
    return found


def tell(event: dict[str, Any]) -> None:
    print(json.dumps(event), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
