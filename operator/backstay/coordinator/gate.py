"""The gate between what people write and what is started: verification inside the DC's loop.

Nothing here ever delays a failover: what has a history on some node passes at once, verified or not. Only a resource that is new waits
for its agent's meta-data, and no longer than HOLD_NEW_S. What is found faulty is held back until it is mended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import chain

from backstay.api import HANodePlan
from backstay.coordinator.enquiry import Enquirer
from backstay.coordinator.membership import Membership
from backstay.coordinator.orders import PlanBook
from backstay.coordinator.past import Past, past_code
from backstay.liveness.nodes import NodeCondition
from backstay.state.assemble import Assembly, Objects
from backstay.state.assemble_problem import Problem
from backstay.state.kept import Kept
from backstay.verify import (
    AgentBook,
    Verification,
    check_constraints,
    check_safety,
    problems_of,
    verify,
    wanted_agents,
    withhold,
)

HOLD_NEW_S = 2.0
VERIFYING = "Verifying"
READ_ON_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Gated:
    """The assembly with what is held back, and why: resource id -> code of the error, VERIFYING, or a `past_code`."""

    assembly: Assembly
    held: Mapping[str, str]
    wake_in: float


class Gate:
    """One per DC term."""

    def __init__(self, *, epoch: int) -> None:
        self.book = AgentBook()
        self._enquirer = Enquirer(epoch=epoch)
        self._past = Past()
        self._since: dict[str, float] = {}
        self._wanted: frozenset[str] = frozenset()
        self._urgent: frozenset[str] = frozenset()
        self._versions: object = None
        self._revision = -1
        self._judgement: Verification | None = None
        self._recorded: Kept[frozenset[str]] = Kept()

    def look(
        self,
        objects: Objects,
        assembly: Assembly,
        *,
        active: Mapping[str, tuple[str, ...]],
        membership: Membership,
        now: float,
    ) -> Gated:
        """Judge, and hold back. `active`: resource instance -> nodes."""
        versions = _versions(objects)
        if versions != self._versions:
            self._versions = versions
            self._wanted = wanted_agents(objects)
            self._judgement = None
        read_all = self.book.look(objects.plans, members=_speakers(objects, membership), wanted=self._wanted)
        judgement = self._judge(objects, assembly)
        findings = judgement.conclude(objects.plans)
        waiting = self._waiting(judgement, objects.plans, membership, now)
        fencing = objects.cluster.spec.properties.stonith_enabled
        lost = self._past.held(membership, assembly.requires, active, fencing_enabled=fencing)
        held = {
            **dict.fromkeys(waiting, VERIFYING),
            **dict.fromkeys(lost, past_code(membership)),
            **findings.faulty,
            **assembly.faulty,
        }
        problems = (*assembly.problems, *findings.problems)
        until = min((self._since[id_] + HOLD_NEW_S for id_ in waiting), default=now + 60.0)
        return Gated(
            assembly=replace(withhold(assembly, held, active), problems=problems),
            held=held,
            wake_in=max(0.0, until - now) if read_all else READ_ON_S,
        )

    def ask(
        self, objects: Objects, *, membership: Membership, plan_book: PlanBook, busy: bool, now: float
    ) -> None:
        """Put questions for nodes into the plan book."""
        in_doubt = any(one.verdict.condition is NodeCondition.UNCLEAN for one in membership.nodes.values())
        self._enquirer.step(
            [agent for agent in sorted(self._wanted) if self.book.document(agent) is None],
            urgent=self._urgent,
            idle=not busy and not in_doubt,
            book=self.book,
            membership=membership,
            plans=objects.plans,
            plan_book=plan_book,
            now=now,
        )

    def _judge(self, objects: Objects, assembly: Assembly) -> Verification:
        if self._judgement is None or self.book.revision != self._revision:
            self._revision = self.book.revision
            judgement = verify(objects, self.book, index=assembly.index)
            told = (*_of_constraints(objects, assembly), *_of_safety(objects, assembly))
            self._judgement = replace(judgement, others=(*judgement.others, *told))
        return self._judgement

    def _waiting(
        self,
        judgement: Verification,
        plans: Mapping[str, HANodePlan],
        membership: Membership,
        now: float,
    ) -> tuple[str, ...]:
        """New resources whose agent is about to say what it needs."""
        ids = {one.id for one in judgement.resources}
        for gone in self._since.keys() - ids:
            del self._since[gone]
        unknown = [one for one in judgement.resources if self._is_unknown(one.template.agent)]
        waiting = []
        agents = set()
        if unknown:
            known = self._recorded.of(_records(plans), lambda: _recorded(plans))
            for one in unknown:
                since = self._since.setdefault(one.id, now)
                agent = one.template.agent
                if one.id in known or now - since >= HOLD_NEW_S:
                    continue
                if self._enquirer.may_ask(agent, self.book, membership):
                    waiting.append(one.id)
                    agents.add(agent)
        self._urgent = frozenset(agents)
        return tuple(waiting)

    def _is_unknown(self, agent: str) -> bool:
        return agent in self._wanted and self.book.document(agent) is None


_TOLD_ELSEWHERE = frozenset({"ReferenceNotFound", "UnknownNode"})
"""By assembly, and by the checks of places."""


def _of_constraints(objects: Objects, assembly: Assembly) -> tuple[Problem, ...]:
    """Constraints that never count or contradict one another: warnings, since the others of the pair may be the wrong one."""
    faults = [one for one in check_constraints(assembly.state) if one.code not in _TOLD_ELSEWHERE]
    problems = problems_of(faults, objects, assembly.index)
    return tuple(replace(one, severity="warning") for one in problems if one.kind == "HAConstraint")


_SWITCHES = frozenset({"Maintenance", "AllStopped"})
"""Thrown for a time and shown elsewhere: they make no configuration unsound."""


def _of_safety(objects: Objects, assembly: Assembly) -> Iterable[Problem]:
    """What endangers data or availability, though it can be started."""
    faults = [one for one in check_safety(assembly.state) if one.code not in _SWITCHES]
    return problems_of(faults, objects, assembly.index)


def _versions(objects: Objects) -> tuple[object, ...]:
    """What the judgement depends on, but for what is known of agents."""
    items = (*objects.resources, *objects.groups, *objects.constraints, *objects.devices)
    return (
        (objects.cluster.metadata.uid, objects.cluster.metadata.generation),
        tuple((item.metadata.uid, item.metadata.generation, item.key) for item in items),
        tuple((node.metadata.name, node.metadata.generation) for node in objects.nodes),
    )


def _speakers(objects: Objects, membership: Membership) -> list[str]:
    """Nodes whose word on what they have is needed: those online, and those that have spoken."""
    return [
        name
        for name, view in membership.nodes.items()
        if view.usable or (name in objects.plans and objects.plans[name].status.capabilities is not None)
    ]


def _records(plans: Mapping[str, HANodePlan]) -> tuple[object, ...]:
    return tuple(
        chain.from_iterable((*one.status.history, None, *one.status.absences) for one in plans.values())
    )


def _recorded(plans: Mapping[str, HANodePlan]) -> frozenset[str]:
    """Resources that some node has a record of."""
    return frozenset(
        name.partition(":")[0]
        for plan in plans.values()
        for name in (
            *(record.resource for record in plan.status.history),
            *(resource for one in plan.status.absences for resource in one.resources),
        )
    )
