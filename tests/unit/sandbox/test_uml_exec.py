"""The command channel of own-kernel hosts, over loopback: the server of a guest and the client of the machine."""

from __future__ import annotations

import os
import pty
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from backstay_sandbox.uml.exec_frames import (
    FRAME_BYTES_MAX,
    HELLO,
    STDIN,
    FrameError,
    FrameReader,
    frame,
)
from backstay_sandbox.uml.exec_server import SESSIONS_MAX, Server

TIMEOUT_S = 20.0


@pytest.fixture
def port() -> Iterator[int]:
    with Server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def client(port: int, *command: str) -> list[str]:
    return [sys.executable, "-P", "-m", "backstay_sandbox.uml.exec_client", "127.0.0.1", str(port), *command]


def run(port: int, *command: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        client(port, *command), input=given, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )


def test_streams_and_status_come_through(port: int) -> None:
    done = run(port, "sh", "-c", "cat; echo aside >&2; exit 3", given="words\n")
    assert (done.stdout, done.stderr, done.returncode) == ("words\n", "aside\n", 3)


def test_large_input_comes_back_whole(port: int) -> None:
    text = "".join(f"{number}\n" for number in range(200_000))
    assert run(port, "cat", given=text).stdout == text


def test_a_command_that_reads_nothing_ends_though_input_is_left(port: int) -> None:
    assert run(port, "true", given="x" * 1_000_000).returncode == 0


def test_the_commands_environment_is_the_clients(port: int) -> None:
    environment = {**os.environ, "BACKSTAY_WORD": "two words"}
    done = subprocess.run(
        client(port, "printenv", "BACKSTAY_WORD"),
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.stdout == "two words\n"


def test_a_program_that_is_not_there_is_told_as_a_shell_would(port: int) -> None:
    done = run(port, "/no/such/program")
    assert done.returncode == 127
    assert "/no/such/program" in done.stderr


def test_a_background_process_does_not_hold_the_client(port: int) -> None:
    start = time.monotonic()
    assert run(port, "sh", "-c", "sleep 15 & echo begun").stdout == "begun\n"
    assert time.monotonic() - start < 10.0


def test_a_command_dies_with_its_client(port: int) -> None:
    with subprocess.Popen(
        client(port, "sh", "-c", "echo $$; exec sleep 1000"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        command = int(process.stdout.readline())
        process.kill()
    deadline = time.monotonic() + TIMEOUT_S
    while os.path.exists(f"/proc/{command}"):
        assert time.monotonic() < deadline, "the command outlives its client"
        time.sleep(0.02)


def test_with_a_terminal_the_command_has_one_too(port: int) -> None:
    main, side = pty.openpty()
    try:
        with subprocess.Popen(client(port, "sh", "-c", "tty; exit 4"), stdin=side, stdout=side) as process:
            assert os.read(main, 1000).startswith(b"/dev/pts/")
            assert process.wait(TIMEOUT_S) == 4
    finally:
        os.close(main)
        os.close(side)


def test_a_client_waits_for_a_server_that_is_still_starting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with subprocess.Popen(client(port, "true"), stdin=subprocess.DEVNULL) as process:
        time.sleep(0.3)
        with Server(("127.0.0.1", port)) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
            thread.start()
            assert process.wait(TIMEOUT_S) == 0
            server.shutdown()
            thread.join()


def test_one_session_more_than_allowed_is_sent_away(port: int) -> None:
    held = [socket.create_connection(("127.0.0.1", port), TIMEOUT_S) for _ in range(SESSIONS_MAX)]
    try:
        with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as one_more:
            assert one_more.recv(1) == b""
    finally:
        for connection in held:
            connection.close()


def test_frames_come_out_whole_however_they_arrive() -> None:
    sent = frame(HELLO, b"{}") + frame(STDIN, b"words") + frame(STDIN, b"")
    reader = FrameReader()
    got = [one for byte in sent for one in reader.feed(bytes([byte]))]
    assert got == [(HELLO, b"{}"), (STDIN, b"words"), (STDIN, b"")]


def test_a_frame_that_is_too_long_is_refused_before_it_is_collected() -> None:
    head = frame(STDIN, b"")[:1] + (FRAME_BYTES_MAX + 1).to_bytes(4, "big")
    with pytest.raises(FrameError):
        FrameReader().feed(head)
