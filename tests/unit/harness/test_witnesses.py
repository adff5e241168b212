"""The witnesses of the fault tests themselves: what counts as an answer, and as lost."""

from __future__ import annotations

import socket
import struct

from harness.arp_questions import OWN_ADDRESS, answer, question
from harness.writer import lost

MINE, THEIRS = bytes.fromhex("02b500000102"), bytes.fromhex("02b500000001")


def reply(*, to: str, operation: int = 2) -> bytes:
    head = MINE + THEIRS + struct.pack("!H", 0x0806)
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation)
    return head + body + THEIRS + socket.inet_aton("10.0.0.3") + MINE + socket.inet_aton(to)


def test_an_answer_to_our_question_tells_address_and_card() -> None:
    assert answer(reply(to=OWN_ADDRESS)) == ("10.0.0.3", "02:b5:00:00:00:01")


def test_gratuitous_answers_questions_and_scraps_are_none() -> None:
    assert answer(reply(to="10.0.0.3")) is None
    assert answer(reply(to=OWN_ADDRESS, operation=1)) is None
    assert answer(question(MINE, "10.0.0.3")) is None
    assert answer(reply(to=OWN_ADDRESS)[:30]) is None


def test_a_promised_record_that_is_not_in_the_journal_is_lost_and_one_not_promised_is_not() -> None:
    assert lost("1\n2\n4\n", promised=4) == [3]
    assert lost("1\n2\n3\n4\n5\n", promised=4) == []
    assert lost("1\n2\n3", promised=4) == [4]
