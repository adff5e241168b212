"""On the machine: runs one command in a guest, as `nsenter` does on a host that is a namespace.

``exec_client.py ADDRESS PORT COMMAND ...`` is started inside the network namespace that the guest's management card
is plugged into.  The command gets this process's environment and standard input, its output comes out here, and its
status becomes ours (128 + n for signal n).  With a terminal on standard input and output, it gets one of its own.
Ends with status 255 and a word when the guest is not there, or goes away.  Standard library only.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import socket
import sys
import termios
import time
import tty
from collections.abc import Iterator

from backstay_sandbox.uml.exec_frames import (
    CHUNK_BYTES,
    HELLO,
    RESULT,
    STDERR,
    STDIN,
    STDOUT,
    FrameError,
    FrameReader,
    Hello,
    frame,
    notice_death,
)

CONNECT_TIMEOUT_S = 3.0
REFUSED_TIMEOUT_S, REFUSED_POLL_S = 15.0, 0.05
"""A host that has booted a moment ago is still starting the far end."""
GONE = 255


def main() -> None:
    address, port, *argv = sys.argv[1:]
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    size = shutil.get_terminal_size()
    hello: Hello = {
        "argv": argv,
        "env": dict(os.environ),
        "terminal": [size.lines, size.columns] if terminal else None,
    }
    try:
        with connect((address, int(port))) as connection:
            connection.settimeout(None)
            notice_death(connection)
            connection.sendall(frame(HELLO, json.dumps(hello).encode()))
            with raw_terminal() if terminal else contextlib.nullcontext():
                status = carry(connection)
    except (OSError, FrameError) as error:
        print(f"the host does not answer: {error}", file=sys.stderr)
        status = GONE
    sys.exit(status)


def connect(address: tuple[str, int]) -> socket.socket:
    deadline = time.monotonic() + REFUSED_TIMEOUT_S
    while True:
        try:
            return socket.create_connection(address, CONNECT_TIMEOUT_S)
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
        time.sleep(REFUSED_POLL_S)


def carry(connection: socket.socket) -> int:
    """Carry bytes both ways until the command has ended; its exit status."""
    frames = FrameReader()
    sources = [connection.fileno(), 0]
    while True:
        readable, _, _ = select.select(sources, [], [])
        if 0 in readable:
            content = os.read(0, CHUNK_BYTES)
            connection.sendall(frame(STDIN, content))
            if not content:
                sources.remove(0)
        if connection.fileno() in readable:
            received = connection.recv(CHUNK_BYTES)
            if not received:
                raise ConnectionError("it went away")
            for kind, content in frames.feed(received):
                if kind == RESULT:
                    return status_of(json.loads(content))
                write_all({STDOUT: 1, STDERR: 2}[kind], content)


def status_of(result: dict[str, object]) -> int:
    if "error" in result:
        print(result["error"], file=sys.stderr)
        return 127
    status = int(str(result["status"]))
    return status if status >= 0 else 128 - status


def write_all(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]


@contextlib.contextmanager
def raw_terminal() -> Iterator[None]:
    """Keys go to the guest as they are; the terminal is given back as it was."""
    before = termios.tcgetattr(0)
    tty.setraw(0)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)


if __name__ == "__main__":
    main()
