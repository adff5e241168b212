"""Inside a guest: runs commands for `backstay-sandbox exec`, one per connection.

Listens on the guest's management card only, where nobody but the machine itself is; so there is no password.  A
command whose client goes away is killed with its process group.  It is over when its own process ends; what it left
in the background neither holds the connection nor dies with it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import socket
import socketserver
import struct
import subprocess
import sys
import termios
import threading
import time
from typing import Any

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

SESSIONS_MAX = 32
HELLO_TIMEOUT_S = 5.0
STDIN_BYTES_MAX = 256 * 1024
LAST_WORDS_S = 0.1
SEE_OFF_S = 5.0


class Session(socketserver.BaseRequestHandler):
    """One command."""

    request: socket.socket

    def handle(self) -> None:
        notice_death(self.request)
        self.frames = FrameReader()
        self.stdin = bytearray()
        self.stdin_ended = False
        try:
            hello = self._hello()
            if hello is not None:
                self._run(hello)
                self._see_off()
        except (OSError, FrameError, ValueError) as error:
            print(f"exec: dropped a connection: {error}", file=sys.stderr, flush=True)

    def _hello(self) -> Hello | None:
        self.request.settimeout(HELLO_TIMEOUT_S)
        hello: Hello | None = None
        while hello is None:
            received = self.request.recv(CHUNK_BYTES)
            if not received:
                return None
            for kind, content in self.frames.feed(received):
                if kind == HELLO:
                    hello = json.loads(content)
                else:
                    self._take(kind, content)
        self.request.settimeout(None)
        return hello

    def _run(self, hello: Hello) -> None:
        try:
            command = Terminal(hello) if hello["terminal"] else Pipes(hello)
        except OSError as error:
            self._send(RESULT, json.dumps({"error": str(error)}).encode())
            return
        try:
            if self._pump(command):
                status = command.process.wait()
                self._send(RESULT, json.dumps({"status": status}).encode())
        finally:
            command.end()

    def _see_off(self) -> None:
        """Take in what is still on its way before closing: a close with input left unread is a reset, which may cost the client the
        result that it has not read yet."""
        self.request.shutdown(socket.SHUT_WR)
        self.request.settimeout(SEE_OFF_S)
        deadline = time.monotonic() + SEE_OFF_S
        while time.monotonic() < deadline and self.request.recv(CHUNK_BYTES):
            pass

    def _pump(self, command: Command) -> bool:
        """Carry bytes until the command has ended (True) or the client has gone (False)."""
        outputs = dict(command.outputs)
        ended = os.pidfd_open(command.process.pid)
        deadline: float | None = None
        try:
            while outputs or deadline is None:
                wanted = [ended] if deadline is None else []
                if len(self.stdin) < STDIN_BYTES_MAX:
                    wanted.append(self.request.fileno())
                writable = [command.stdin] if self.stdin and command.stdin is not None else []
                timeout = None if deadline is None else max(0.0, deadline - time.monotonic())
                readable, ready, _ = select.select([*wanted, *outputs], writable, [], timeout)
                if not readable and not ready:
                    break  # it has ended, and what holds its output is silent
                if self.request.fileno() in readable and not self._listen():
                    return False
                for descriptor in [one for one in readable if one in outputs]:
                    if not self._forward(descriptor, outputs[descriptor]):
                        del outputs[descriptor]
                if ended in readable and deadline is None:
                    deadline = time.monotonic() + LAST_WORDS_S
                self._feed(command)
        finally:
            os.close(ended)
        return True

    def _listen(self) -> bool:
        received = self.request.recv(CHUNK_BYTES)
        for kind, content in self.frames.feed(received):
            self._take(kind, content)
        return bool(received)

    def _take(self, kind: bytes, content: bytes) -> None:
        if kind != STDIN:
            raise FrameError(f"a frame of kind {kind!r}")
        self.stdin += content
        self.stdin_ended = self.stdin_ended or not content

    def _feed(self, command: Command) -> None:
        """Hand on standard input as far as the command takes it."""
        if command.stdin is None:
            self.stdin.clear()
            return
        try:
            if self.stdin:
                del self.stdin[: os.write(command.stdin, self.stdin)]
        except BlockingIOError:
            return
        except BrokenPipeError:
            command.close_stdin()
            return
        if self.stdin_ended and not self.stdin:
            command.close_stdin()

    def _forward(self, descriptor: int, kind: bytes) -> bool:
        try:
            content = os.read(descriptor, CHUNK_BYTES)
        except OSError:  # a terminal whose last user has gone
            return False
        if content:
            self._send(kind, content)
        return bool(content)

    def _send(self, kind: bytes, content: bytes) -> None:
        self.request.sendall(frame(kind, content))


class Command:
    """A running command: its process and our ends of its streams."""

    process: subprocess.Popen[bytes]
    outputs: dict[int, bytes]
    stdin: int | None

    def close_stdin(self) -> None:
        if self.stdin is not None:
            os.close(self.stdin)
            self.stdin = None

    def end(self) -> None:
        """Nothing of it stays, unless it ended by itself and left something behind on purpose."""
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.close_stdin()
        for descriptor in self.outputs:
            os.close(descriptor)


class Pipes(Command):
    """With three pipes."""

    def __init__(self, hello: Hello) -> None:
        (stdin, self.stdin), (out, stdout), (err, stderr) = os.pipe(), os.pipe(), os.pipe()
        os.set_blocking(self.stdin, False)
        self.outputs = {out: STDOUT, err: STDERR}
        try:
            self.process = subprocess.Popen(
                hello["argv"],
                env=hello["env"],
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                cwd="/",
                start_new_session=True,
            )
        except OSError:
            for descriptor in (self.stdin, *self.outputs):
                os.close(descriptor)
            raise
        finally:
            for descriptor in (stdin, stdout, stderr):
                os.close(descriptor)


class Terminal(Command):
    """With a terminal of its own, which is its controlling one."""

    def __init__(self, hello: Hello) -> None:
        main, side = pty.openpty()
        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", *(hello["terminal"] or (24, 80)), 0, 0))
        try:
            self.process = subprocess.Popen(
                ["setsid", "--ctty", "--wait", *hello["argv"]],
                env=hello["env"],
                stdin=side,
                stdout=side,
                stderr=side,
                cwd="/",
                process_group=0,
            )
        except OSError:
            os.close(main)
            raise
        finally:
            os.close(side)
        self.outputs = {main: STDOUT}
        self.stdin = os.dup(main)


class Server(socketserver.ThreadingTCPServer):
    """A thread per connection, SESSIONS_MAX of them; whoever comes then is sent away."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = SESSIONS_MAX

    def __init__(self, address: tuple[str, int]) -> None:
        super().__init__(address, Session)
        self._places = threading.BoundedSemaphore(SESSIONS_MAX)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()


def main() -> None:
    with Server((sys.argv[1], int(sys.argv[2]))) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
