"""Questions and answers as packets: a keyed hash (HMAC-SHA256), the sender's name, and JSON. Pure; standard library only.

The key is that of the pair (`vouch_keys`), so a packet proves who sent it, and to whom; the body names both, and their cluster. Nothing
but the name is read before the hash has been checked. A peer may be captured, so what it says is taken in only if it is of the
right type and within bounds; anything else is None.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NoReturn

from backstay_nodeagent.vouching import Answer, Question

PACKET_MAX = 1024
MAC_SIZE = 32
NAME_MAX = 253
WHOLE_MAX = 2**63 - 1
SECONDS_MAX = 1e6
"""Of a promise, and since a renewal; a lease lasts ten minutes at most."""
ANSWERS = ("promise", "refuse", "wait")


@dataclass(frozen=True)
class Letter:
    """A message on its way."""

    cluster: str
    sender: str
    receiver: str
    content: Question | Answer


def seal(letter: Letter, key: bytes) -> bytes:
    """The packet, with the key of sender and receiver."""
    body = json.dumps(
        {
            "cluster": letter.cluster,
            "from": letter.sender,
            "to": letter.receiver,
            "kind": type(letter.content).__name__,
            "content": asdict(letter.content),
        },
        sort_keys=True,
    ).encode()
    name = letter.sender.encode()
    signed = bytes([len(name)]) + name + body
    return hmac.new(key, signed, hashlib.sha256).digest() + signed


def unseal(packet: bytes, keys: Mapping[str, bytes]) -> Letter | None:
    """The letter, if it was sealed with the key of the peer that it is from, and can be read. `keys`: by peer."""
    mac, signed = packet[:MAC_SIZE], packet[MAC_SIZE:]
    if len(packet) > PACKET_MAX or not signed:
        return None
    size = signed[0]
    sender = signed[1 : 1 + size].decode("utf-8", "replace")
    key = keys.get(sender)
    if key is None or not hmac.compare_digest(mac, hmac.new(key, signed, hashlib.sha256).digest()):
        return None
    try:
        data = json.loads(signed[1 + size :], parse_constant=_no_number)
        letter = Letter(_text(data["cluster"]), _text(data["from"]), _text(data["to"]), _content(data))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return letter if letter.sender == sender else None


def _content(data: dict[str, Any]) -> Question | Answer:
    content = data["content"]
    if data["kind"] == "Question":
        promise = content["promise"]
        if not isinstance(promise, bool):
            raise TypeError("promise is no boolean")
        return Question(_whole(content["number"]), _whole(content["episode"]), promise=promise)
    if data["kind"] != "Answer" or content["kind"] not in ANSWERS:
        raise ValueError("neither a question nor an answer")
    return Answer(
        _whole(content["number"]),
        content["kind"],
        _seconds(content["promise_s"]),
        _seconds(content["plain_age_s"]),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > NAME_MAX:
        raise TypeError("no name")
    return value


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= WHOLE_MAX:
        raise TypeError("no whole number within bounds")
    return value


def _seconds(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError("no number")
    if not 0 <= value <= SECONDS_MAX or not math.isfinite(value):
        raise ValueError("no number of seconds within bounds")
    return float(value)


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number")
