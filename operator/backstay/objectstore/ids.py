"""Where uids and generated names come from: handed in, so that a simulation repeats itself to the letter."""

import hashlib
from typing import Protocol

# Kubernetes leaves out vowels and look-alikes, so that no word appears in a generated name.
SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
SUFFIX_LENGTH = 5


class IdSource(Protocol):
    """A source of names that never repeats a uid."""

    def uid(self) -> str:
        """A fresh RFC 4122 uid."""
        ...

    def suffix(self) -> str:
        """A fresh suffix for generateName; it may repeat, as the real one may."""
        ...


class CountingIds:
    """Ids drawn from a counter and a seed: the same seed gives the same ids in the same order."""

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._count = 0

    def _digest(self) -> bytes:
        self._count += 1
        return hashlib.sha256(f"{self._seed}/{self._count}".encode()).digest()

    def uid(self) -> str:
        raw = bytearray(self._digest()[:16])
        raw[6] = raw[6] & 0x0F | 0x40  # version 4
        raw[8] = raw[8] & 0x3F | 0x80  # RFC 4122 variant
        text = raw.hex()
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def suffix(self) -> str:
        return suffix_from(self._digest())


def suffix_from(raw: bytes) -> str:
    """Five letters of the suffix alphabet from at least five random bytes."""
    return "".join(SUFFIX_ALPHABET[byte % len(SUFFIX_ALPHABET)] for byte in raw[:SUFFIX_LENGTH])
