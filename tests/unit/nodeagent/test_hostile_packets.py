"""Packets of a captured peer: sealed with the right key, and saying what no honest keeper says."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from backstay_nodeagent.vouch_wire import PACKET_MAX, unseal
from backstay_nodeagent.vouching import KEEPS_PER_LEASE, Answer, Lapse, Memory, Question, Vouching

KEY = b"k" * 32
QUESTION = '{"cluster":"c","from":"n2","to":"n1","kind":"Question","content":{"number":%s,"episode":%s,"promise":%s}}'
ANSWER = '{"cluster":"c","from":"n2","to":"n1","kind":"Answer","content":{"number":1,"kind":%s,"promise_s":%s,"plain_age_s":%s}}'


def packet(body: str, sender: str = "n2") -> bytes:
    signed = bytes([len(sender)]) + sender.encode() + body.encode()
    return hmac.new(KEY, signed, hashlib.sha256).digest() + signed


ODD_NUMBERS = [
    "Infinity",
    "-Infinity",
    "NaN",
    "1e999",
    "-1",
    "1.5",
    "true",
    "null",
    '"1"',
    '"²"',
    "[]",
    "9" * 400,
    str(2**63),
]


@pytest.mark.parametrize("number", ODD_NUMBERS)
def test_question_with_a_number_that_is_none_is_no_letter(number: str) -> None:
    assert unseal(packet(QUESTION % (number, 1, "true")), {"n2": KEY}) is None
    assert unseal(packet(QUESTION % (1, number, "true")), {"n2": KEY}) is None


@pytest.mark.parametrize(
    "seconds", ["Infinity", "NaN", "1e999", "-1", "1e7", "true", "null", '"1"', "9" * 400]
)
def test_answer_with_seconds_that_are_none_is_no_letter(seconds: str) -> None:
    assert unseal(packet(ANSWER % ('"promise"', seconds, 1)), {"n2": KEY}) is None
    assert unseal(packet(ANSWER % ('"promise"', 1, seconds)), {"n2": KEY}) is None


@pytest.mark.parametrize(
    "body",
    [
        *(
            "",
            "{",
            "[]",
            "7",
            "null",
            "[" * 900,
            '{"kind":"Question"}',
            ANSWER % ('"yes"', 1, 1),
            ANSWER % ("{}", 1, 1),
        ),
        QUESTION % (1, 1, "1"),
        (QUESTION % (1, 1, "true")).replace('"from":"n2"', '"from":"n3"'),
        (QUESTION % (1, 1, "true")).replace('"c"', "7"),
    ],
)
def test_body_that_is_no_letter_is_none(body: str) -> None:
    assert unseal(packet(body), {"n2": KEY}) is None


@pytest.mark.parametrize("raw", [b"", b"x", b"x" * 32, b"x" * 33, b"\xff" * 200, b"x" * (PACKET_MAX + 1)])
def test_packet_without_a_right_hash_is_none(raw: bytes) -> None:
    assert unseal(raw, {"n2": KEY}) is None


def test_honest_packets_are_read() -> None:
    assert unseal(packet(QUESTION % (1, 1, "true")), {"n2": KEY}) is not None
    assert unseal(packet(ANSWER % ('"promise"', 4.5, 0)), {"n2": KEY}) is not None


def test_promise_of_a_million_seconds_counts_for_three_leases() -> None:
    made = Vouching(started_at=0.0, lease_s=3.0, memory=Memory(0.0, 0.0), peers={"n2": "a", "n3": "b"})
    lapse = Lapse(sent_at=100.0, stop_at=102.0, expires_at=103.0, interval_s=1.0, lease_s=3.0)
    question = made.due(lapse, 101.7)
    assert question is not None
    made.answered("n2", Answer(question.number, "promise", 1e6, 5.0), lapse, 101.8)
    until = made.keep_until(101.8)
    assert until is not None
    assert until <= 101.7 + 3 * 3.0


def test_peer_with_an_outage_in_every_packet_makes_nobody_renew_each_time() -> None:
    made = Vouching(started_at=0.0, lease_s=3.0, memory=Memory(0.0, 0.0), peers={"n2": "a"})
    asked = [
        made.asked("n2", Question(1, number, promise=False), None, 100.0 + number / 100)
        for number in range(600)
    ]
    assert sum(renew for _, renew in asked) <= 1 + 6.0 / 3.0 * KEEPS_PER_LEASE
