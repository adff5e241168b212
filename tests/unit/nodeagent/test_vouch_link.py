"""The keeper's socket and memory for vouching: what is promised is written down first, and strangers get no answer."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from backstay_nodeagent.vouch_link import MEMORY_FILE, VouchLink
from backstay_nodeagent.vouch_wire import PACKET_MAX, Letter, seal, unseal
from backstay_nodeagent.vouching import Answer, Lapse, Question

KEY, KEY3 = b"k" * 32, b"3" * 32
"""Of the pairs n1-n2 and n1-n3."""
PEER = "127.0.0.2"


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((PEER, 0))
        return int(probe.getsockname()[1])


class Peer:
    """Another member: sends what the test says, and reads the answers."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((PEER, 0))
        self.socket.settimeout(2.0)

    def send(
        self, content: Question | Answer, *, key: bytes = KEY, sender: str = "n2", cluster: str = "c"
    ) -> None:
        packet = seal(Letter(cluster, sender, "n1", content), key)
        self.socket.sendto(packet, ("127.0.0.1", self.port))


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def peer(port: int) -> Iterator[Peer]:
    made = Peer(port)
    yield made
    made.socket.close()


def link(tmp_path: Path, port: int, *, now: float = 100.0, boot: str = "b1") -> VouchLink:
    made = VouchLink(tmp_path, node="n1", boot_id=boot, lease_s=3.0, now=now)
    config = {
        "cluster": "c",
        "keys": {"n2": KEY.hex(), "n3": KEY3.hex()},
        "port": port,
        "peers": {"n2": PEER, "n3": "127.0.0.3", "n4": ""},
    }
    made.configure(config, lease_s=3.0)
    assert made.open(now)
    return made


def receive(one: VouchLink, *, now: float) -> bool:
    """Once something has come in, or at once when nothing will."""
    deadline, renew = time.monotonic() + 0.2, False
    while time.monotonic() < deadline:
        renew = one.receive(None, now) or renew
        time.sleep(0.005)
    return renew


def test_promise_is_on_disk_before_its_answer_leaves_and_marks_renewals_after_a_restart(
    tmp_path: Path, port: int, peer: Peer
) -> None:
    one = link(tmp_path, port, now=100.0)
    one.vouching.memory.promised_until = 0.0  # type: ignore[union-attr]
    peer.send(Question(1, 5, promise=False))
    assert receive(one, now=100.1)
    peer.send(Question(2, 5, promise=True))
    receive(one, now=100.5)
    kept = json.loads((tmp_path / MEMORY_FILE).read_text())
    assert kept["promised_until"] == pytest.approx(105.0)
    one.close()
    again = VouchLink(tmp_path, node="n1", boot_id="b1", lease_s=3.0, now=101.0)
    assert again.vouching.attempted(101.0) == pytest.approx(4.0)


def test_promise_that_cannot_be_written_down_is_not_given(tmp_path: Path, port: int, peer: Peer) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    one = link(folder, port)
    answers: list[object] = []
    one._send = lambda _peer, content: answers.append(content)  # type: ignore[method-assign]
    folder.rmdir()
    peer.send(Question(1, 5, promise=False))
    receive(one, now=100.1)
    peer.send(Question(2, 5, promise=True))
    receive(one, now=100.5)
    assert [type(one).__name__ + getattr(one, "kind", "") for one in answers] == ["Answerwait"]
    one.close()


def test_memory_of_another_boot_is_none_and_the_new_keeper_marks_its_renewals(tmp_path: Path) -> None:
    (tmp_path / MEMORY_FILE).write_text(json.dumps({"boot_id": "b0", "promised_until": 1e9, "last_plain": 0}))
    one = VouchLink(tmp_path, node="n1", boot_id="b1", lease_s=3.0, now=100.0)
    assert 0 < one.vouching.attempted(100.1) <= 4.5
    assert one.vouching.attempted(104.6) == 0.0


@pytest.mark.parametrize(
    "wrong",
    [{"key": b"x" * 32}, {"sender": "n9"}, {"sender": "n3"}, {"sender": "n4"}, {"cluster": "d"}],
    ids=["key", "sender", "another peer's name", "a peer without a key", "cluster"],
)
def test_question_of_a_stranger_changes_nothing(
    tmp_path: Path, port: int, peer: Peer, wrong: dict[str, object]
) -> None:
    one = link(tmp_path, port)
    peer.send(Question(1, 5, promise=True), **wrong)  # type: ignore[arg-type]
    assert not receive(one, now=101.0)
    assert not (tmp_path / MEMORY_FILE).exists()
    one.close()


def test_rubbish_and_floods_are_read_over(tmp_path: Path, port: int, peer: Peer) -> None:
    one = link(tmp_path, port)
    for junk in (b"", b"x" * (PACKET_MAX + 200), b"\xff" * 40):
        peer.socket.sendto(junk, ("127.0.0.1", port))
    receive(one, now=100.1)
    peer.send(Question(1, 5, promise=False))
    assert receive(one, now=100.2)
    one.close()


def test_questions_go_to_every_peer(tmp_path: Path, port: int) -> None:
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((PEER, port))
    listener.settimeout(2.0)
    one = link(tmp_path, port)
    lapse = Lapse(sent_at=98.3, stop_at=100.3, expires_at=101.3, interval_s=1.0, lease_s=3.0)
    one.turn(lapse, 100.0)
    letter = unseal(listener.recv(2048), {"n1": KEY})
    assert letter is not None
    assert (letter.sender, letter.receiver) == ("n1", "n2")
    assert isinstance(letter.content, Question)
    assert letter.content.promise
    listener.close()
    one.close()
