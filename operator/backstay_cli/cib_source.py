"""Reads CIBs from files and from stdin, plain or compressed (gzip, bzip2, xz), as Pacemaker saves its scheduler inputs."""

from __future__ import annotations

import sys
import zlib
from typing import Protocol

from backstay_cli.errors import CliError

CIB_BYTES_MAX = 256 << 20
"""Of the unpacked text: what decompresses to more is refused."""

STDIN = "-"


def read_cib(path: str) -> bytes:
    """The XML in a file, or on stdin for "-". Raises CliError."""
    name = "stdin" if path == STDIN else path
    try:
        if path == STDIN:
            raw = sys.stdin.buffer.read(CIB_BYTES_MAX + 1)
        else:
            with open(path, "rb") as file:
                raw = file.read(CIB_BYTES_MAX + 1)
    except OSError as error:
        raise CliError(f"cannot read {name}: {error.strerror or error}") from None
    return unpacked(raw, name=name)


def unpacked(raw: bytes, *, name: str) -> bytes:
    """The bytes themselves, or what they are compressed from, by their first bytes. Raises CliError."""
    unpacker = _unpacker(raw)
    try:
        text = raw if unpacker is None else unpacker.decompress(raw, CIB_BYTES_MAX + 1)
    except (OSError, ValueError, EOFError, zlib.error) as error:
        raise CliError(f"{name} is damaged: {error}") from None
    if len(text) > CIB_BYTES_MAX:
        raise CliError(f"{name} is larger than {CIB_BYTES_MAX >> 20} MiB")
    if unpacker is not None and not unpacker.eof:
        raise CliError(f"{name} is damaged: it ends too early")
    if not text.strip():
        raise CliError(f"{name} is empty")
    return text


class _Unpacker(Protocol):
    """The face that the standard library's decompressors share."""

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...

    @property
    def eof(self) -> bool: ...


def _unpacker(raw: bytes) -> _Unpacker | None:
    if raw.startswith(b"\x1f\x8b"):
        return zlib.decompressobj(wbits=31)
    if raw.startswith(b"BZh"):
        import bz2

        return bz2.BZ2Decompressor()
    if raw.startswith(b"\xfd7zXZ\x00"):
        import lzma

        return lzma.LZMADecompressor()
    return None
