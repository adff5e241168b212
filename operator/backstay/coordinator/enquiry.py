"""Asks nodes for the meta-data of agents in use: once per agent, on one node, by an order outside any transition.

Level-triggered: what is known is what plan statuses show, so a new DC asks only for what is missing. Bounded: a few questions at a
time, a few tries for each, with growing pauses. While something more urgent is under way only what a new resource waits for is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from backstay.api import HANodePlan, PlanAction
from backstay.coordinator.membership import Membership
from backstay.coordinator.orders import PlanBook
from backstay.verify import AgentBook

AT_ONCE = 8
TRIES_MAX = 3
ANSWER_LIMIT_S = 30.0
PAUSE_S = 30.0
TIMEOUT_MS = 20_000


@dataclass(frozen=True, slots=True)
class _Question:
    node: str
    order: PlanAction
    since: float


class Enquirer:
    """Keeps the questions that are under way. One per DC term."""

    def __init__(self, *, epoch: int) -> None:
        self._epoch = epoch
        self._serial = 0
        self._open: dict[str, _Question] = {}
        self._tries: dict[str, int] = {}
        self._not_before: dict[str, float] = {}

    def may_ask(self, agent: str, book: AgentBook, membership: Membership) -> bool:
        """Whether an answer is on its way, or can be asked for."""
        if agent in self._open:
            return True
        return self._tries.get(agent, 0) < TRIES_MAX and self._node_for(agent, book, membership) != ""

    def step(
        self,
        unknown: Iterable[str],
        *,
        urgent: frozenset[str],
        idle: bool,
        book: AgentBook,
        membership: Membership,
        plans: Mapping[str, HANodePlan],
        plan_book: PlanBook,
        now: float,
    ) -> None:
        """Take answers in, give up what stays unanswered, ask for what is unknown."""
        for agent, question in list(self._open.items()):
            self._follow(agent, question, membership, plans, plan_book, now)
        for agent in sorted(set(unknown)):
            if len(self._open) >= AT_ONCE:
                return
            if agent in self._open or not (idle or agent in urgent):
                continue
            if self._tries.get(agent, 0) >= TRIES_MAX or now < self._not_before.get(agent, now):
                continue
            node = self._node_for(agent, book, membership)
            if node:
                self._ask(agent, node, plan_book, now)

    def _ask(self, agent: str, node: str, plan_book: PlanBook, now: float) -> None:
        self._serial += 1
        order = PlanAction(
            id=f"{self._epoch}-m{self._serial}", verb="meta-data", agent=agent, timeout_ms=TIMEOUT_MS
        )
        self._open[agent] = _Question(node, order, now)
        plan_book.add(node, [order])

    def _follow(
        self,
        agent: str,
        question: _Question,
        membership: Membership,
        plans: Mapping[str, HANodePlan],
        plan_book: PlanBook,
        now: float,
    ) -> None:
        plan = plans.get(question.node)
        results = plan.status.results if plan is not None else []
        if any(one.id == question.order.id and one.state in ("Done", "Failed") for one in results):
            # The order stays in the plan until the next write: one only to tidy up would be a waste.
            del self._open[agent]
            self._count(agent, now)
            return
        view = membership.nodes.get(question.node)
        gone = view is None or not view.usable
        refused = any(one.id == question.order.id for one in results)
        if gone or refused or now - question.since > ANSWER_LIMIT_S:
            plan_book.take_back(question.node, [question.order.id])
            del self._open[agent]
            self._count(agent, now)

    def _count(self, agent: str, now: float) -> None:
        self._tries[agent] = self._tries.get(agent, 0) + 1
        self._not_before[agent] = now + PAUSE_S * 2.0 ** (self._tries[agent] - 1)

    @staticmethod
    def _node_for(agent: str, book: AgentBook, membership: Membership) -> str:
        """The first node that has it and takes orders."""
        having = book.nodes_with(agent)
        return next((node for node in membership.online if node in having), "")
