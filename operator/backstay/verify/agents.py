"""What is known of agents: which node has which, and what they say about themselves.

Filled from plan statuses: `capabilities` (a list of agents and of standards) and `metadata` (documents that were asked for). A document
is read once, and only when somebody wants its agent. What can't be read is `Broken`, an answer like any other. What was read once is
kept though a node drops it for want of room, so that nobody asks for it again and again.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from backstay.api import HANodePlan
from backstay.api.plan import AgentMetadata
from backstay.ocf import LVM, LVM_ACTIVATE
from backstay.ocf.metadata import SIZE_MAX, Metadata, MetadataError, parse_metadata

READ_AT_ONCE = 4
"""Documents read in one look: a new DC has more urgent things to do than to read thirty."""
AGENTS_LISTED_MAX = 2048
"""A node that lists so many may have more."""
LISTED_STANDARDS = ("ocf", "stonith")
"""Nodes list their agents of these by name; of the others they only say whether the standard works."""


@dataclass(frozen=True, slots=True)
class Broken:
    """The agent is there, and its meta-data can't be had."""

    reason: str


@dataclass(frozen=True, slots=True)
class _Copy:
    digest: str
    content: Metadata | Broken


class AgentBook:
    """Knowledge of agents in one cluster. `revision` rises whenever an answer may have changed."""

    def __init__(self) -> None:
        self.revision = 0
        self._having: Mapping[str, frozenset[str]] = {}
        self._standards: Mapping[str, frozenset[str]] = {}
        self._silent: frozenset[str] = frozenset()
        self._full: frozenset[str] = frozenset()
        self._copies: dict[str, _Copy] = {}

    def look(self, plans: Mapping[str, HANodePlan], *, members: Iterable[str], wanted: Iterable[str]) -> bool:
        """Take in what plans say about `wanted` agents. False when documents are left to be read by another look."""
        self._look_at_capabilities(plans, frozenset(members))
        budget = READ_AT_ONCE
        for agent in sorted(set(wanted)):
            copy = _copy_of(plans, agent)
            known = self._copies.get(agent)
            mark = f"{copy.rc}/{copy.digest}" if copy is not None else ""
            if copy is None or (known is not None and known.digest == mark):
                continue
            if budget == 0:
                return False
            budget -= 1
            self._copies[agent] = _Copy(mark, _read(copy))
            self.revision += 1
        return True

    def _look_at_capabilities(self, plans: Mapping[str, HANodePlan], members: frozenset[str]) -> None:
        having: dict[str, frozenset[str]] = {}
        standards: dict[str, frozenset[str]] = {}
        silent: set[str] = set()
        for node in sorted(members):
            plan = plans.get(node)
            capabilities = plan.status.capabilities if plan is not None else None
            if capabilities is None:
                silent.add(node)
            else:
                having[node] = frozenset(capabilities.agents)
                standards[node] = frozenset(capabilities.standards)
        if having == self._having and standards == self._standards and silent == self._silent:
            return
        self._having, self._standards, self._silent = having, standards, frozenset(silent)
        self._full = frozenset(node for node, agents in having.items() if len(agents) >= AGENTS_LISTED_MAX)
        self.revision += 1

    # -- answers

    def nodes_with(self, agent: str) -> tuple[str, ...]:
        """Nodes that have the agent, as far as they say."""
        standard = agent.partition(":")[0]
        if standard not in LISTED_STANDARDS:
            return tuple(node for node, known in sorted(self._standards.items()) if standard in known)
        names = _names_of(agent)
        return tuple(node for node, agents in sorted(self._having.items()) if agents & names)

    def exists(self, agent: str) -> bool | None:
        """None while a member has not said yet what it has."""
        if self.nodes_with(agent):
            return True
        return None if self._silent or self._full or not self._having else False

    def known_agents(self, standard: str) -> frozenset[str]:
        """All agents of a standard that some node lists."""
        prefix = f"{standard}:"
        every = frozenset().union(*self._having.values())
        return frozenset(agent for agent in every if agent.startswith(prefix))

    @property
    def members(self) -> tuple[str, ...]:
        """Nodes that have said what they have."""
        return tuple(sorted(self._having))

    def document(self, agent: str) -> Metadata | Broken | None:
        """What the agent says about itself; None if nobody has asked it, or it has not answered."""
        copy = self._copies.get(agent)
        return copy.content if copy is not None else None


def _names_of(agent: str) -> frozenset[str]:
    """Hosts without the old LVM agent run LVM-activate in its place."""
    return frozenset({agent, str(LVM_ACTIVATE)} if agent == str(LVM) else {agent})


def _copy_of(plans: Mapping[str, HANodePlan], agent: str) -> AgentMetadata | None:
    """One that could be had before one that could not; nodes in order of name."""
    copies = [copy for node in sorted(plans) for copy in plans[node].status.metadata if copy.agent == agent]
    return min(copies, key=lambda copy: copy.rc != 0, default=None)


def _read(copy: AgentMetadata) -> Metadata | Broken:
    if copy.rc != 0 or not copy.xml_gz:
        return Broken(f"it ended with exit code {copy.rc} or printed nothing that can be read")
    try:
        unpacker = zlib.decompressobj(wbits=31)
        raw = unpacker.decompress(base64.b64decode(copy.xml_gz, validate=True), SIZE_MAX + 1)
        return parse_metadata(raw.decode("utf-8", "replace"))
    except (zlib.error, binascii.Error, MetadataError, ValueError) as error:
        return Broken(str(error))
