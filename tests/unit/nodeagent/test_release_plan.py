"""The keeper's plan says at each time what one that is made wholly anew would say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from backstay.ocf.agentspec import Standard
from backstay.ocf.exitcode import ExitCode, OpStatus
from backstay_nodeagent.invocation import HostPaths, Invocation, NotHere
from backstay_nodeagent.operation import Outcome
from backstay_nodeagent.orders import Order, SecretRef
from backstay_nodeagent.release_plan import ReleasePlan
from backstay_nodeagent.resources import ResourceBook
from backstay_nodeagent.secret_store import SecretStore
from unit.nodeagent.brain_driver import order

DONE = Outcome(rc=ExitCode.OK, status=OpStatus.DONE)


class CountingInvoker:
    """In an Invoker's place: finds everything but `missing`, and counts how often it was asked."""

    paths = HostPaths()

    def __init__(self) -> None:
        self.asked = 0
        self.missing: frozenset[str] = frozenset()

    def invocation(self, order: Order, params: Mapping[str, str]) -> Invocation | NotHere:
        self.asked += 1
        if order.resource in self.missing:
            return NotHere(ExitCode.ERROR_INSTALLED, "gone")
        return Invocation(
            standard=Standard.OCF, name="x", argv=("x", order.verb.value, order.resource), env=dict(params)
        )


class Node:
    def __init__(self, directory: Path) -> None:
        async def read(_ref: SecretRef) -> str:
            return self.secret

        self.secret = "one"
        self.book = ResourceBook({})
        self.secrets = SecretStore(directory, read)
        self.invoker = CountingInvoker()
        self.plan = ReleasePlan(self.invoker, self.secrets)  # type: ignore[arg-type]

    def start(self, name: str, **more: Any) -> Order:
        made = order(f"1-1-{name}", "start", name, agent="ocf:x:y", requires="quorum", **more)
        self.book.begins(made)
        self.book.ended(made, DONE)
        return made

    def chains(self) -> list[list[dict[str, Any]]]:
        text = self.plan.text(self.book)
        anew = ReleasePlan(self.invoker, self.secrets)  # type: ignore[arg-type]
        assert text == anew.text(self.book)
        return json.loads(text)["chains"]  # type: ignore[no-any-return]

    def asked(self) -> int:
        before = self.invoker.asked
        self.plan.text(self.book)
        return self.invoker.asked - before


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_another_start_asks_about_nothing_that_runs_already(node: Node) -> None:
    for number in range(20):
        node.start(f"r{number:02d}", group="g")
    assert node.asked() == 20
    node.start("r20", group="g")
    assert node.asked() == 1
    assert [step["resource"] for step in node.chains()[0]] == [
        f"r{number:02d}" for number in range(20, -1, -1)
    ]


def test_what_stops_leaves_the_plan_and_what_is_promoted_is_demoted_first(node: Node) -> None:
    node.start("a")
    node.start("b")
    assert [[step["verb"] for step in chain] for chain in node.chains()] == [["stop"], ["stop"]]
    promote = order("1-1-p", "promote", "b", agent="ocf:x:y", requires="quorum")
    node.book.begins(promote)
    assert [[step["verb"] for step in chain] for chain in node.chains()] == [["stop"], ["demote", "stop"]]
    stop = order("1-1-s", "stop", "a", agent="ocf:x:y")
    node.book.ended(stop, DONE)
    assert {step["resource"] for chain in node.chains() for step in chain} == {"b"}


def test_another_timeout_is_taken_over(node: Node) -> None:
    node.start("a", stop_timeout_ms=1000)
    assert node.chains()[0][0]["timeout_s"] == 1.0
    node.book.of(order("x", "start", "a")).active = False
    node.start("a", stop_timeout_ms=2000)
    assert node.chains()[0][0]["timeout_s"] == 2.0


def test_what_was_not_there_is_looked_for_again(node: Node) -> None:
    node.invoker.missing = frozenset({"a"})
    node.start("a")
    assert node.chains() == []
    node.invoker.missing = frozenset()
    assert [step["resource"] for step in node.chains()[0]] == ["a"]
