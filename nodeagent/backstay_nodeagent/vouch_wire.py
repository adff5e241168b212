"""Questions and answers as packets: JSON with a keyed hash (HMAC-SHA256) before it. Pure; standard library only.

A packet names its sender, its receiver and their cluster, so that it proves nothing to anybody else. What does not fit, or was made
without the key, is None.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import asdict, dataclass

from backstay_nodeagent.vouching import Answer, Question

PACKET_MAX = 1024
MAC_SIZE = 32


@dataclass(frozen=True)
class Letter:
    """A message on its way."""

    cluster: str
    sender: str
    receiver: str
    content: Question | Answer


def seal(letter: Letter, key: bytes) -> bytes:
    """The packet."""
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
    return hmac.new(key, body, hashlib.sha256).digest() + body


def unseal(packet: bytes, key: bytes) -> Letter | None:
    """The letter, if it was sealed with this key and can be read."""
    mac, body = packet[:MAC_SIZE], packet[MAC_SIZE:]
    if len(packet) > PACKET_MAX or not hmac.compare_digest(mac, hmac.new(key, body, hashlib.sha256).digest()):
        return None
    try:
        data = json.loads(body)
        content = data["content"]
        made = (
            Question(int(content["number"]), int(content["episode"]), promise=bool(content["promise"]))
            if data["kind"] == "Question"
            else Answer(
                int(content["number"]),
                str(content["kind"]),
                float(content["promise_s"]),
                float(content["plain_age_s"]),
            )
        )
        return Letter(str(data["cluster"]), str(data["from"]), str(data["to"]), made)
    except (ValueError, KeyError, TypeError):
        return None
