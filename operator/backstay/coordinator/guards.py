"""What the DC keeps about fencing from step to step: devices as configured, fencings under way, device checks, what was done.

Assumes one instance per term. What must outlive the term stands in objects: the boot that was ended and the boot that was let in are
written at once (`Fenced`, `LetIn`), the history by the statuses.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from backstay.api import FencingRecord, HANode
from backstay.api.quantities import timestamp
from backstay.coordinator.device_watch import DeviceWatch
from backstay.coordinator.fencings import CrewNews, CrewView, Fenced, FencingCrew, FencingWish
from backstay.coordinator.membership import Membership
from backstay.coordinator.orders import PlanBook
from backstay.coordinator.story import StoryItem, Tale
from backstay.fencing import FenceMap, settings_of
from backstay.liveness.nodes import NodeCondition
from backstay.liveness.quorum import has_majority
from backstay.ocf.metadata import Metadata
from backstay.scheduler.situation import Situation
from backstay.state.assemble import Objects
from backstay.state.choices import Role
from backstay.state.cluster import ClusterProperties
from backstay.verify.agents import Broken

RECORDS_MAX = 10
DescribeAgent = Callable[[str], Metadata | Broken | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class LetIn:
    """A node was unfenced: in this boot, by these devices."""

    node: str
    boot_id: str
    devices: str


class FencingDesk:
    """See the module. `look` at every judgement, `step` once a step."""

    def __init__(self, *, epoch: int) -> None:
        self.crew = FencingCrew()
        self.watch = DeviceWatch(epoch=epoch)
        self.fences = FenceMap()
        self.records: dict[str, tuple[FencingRecord, ...]] = {}
        self.uses: dict[str, tuple[float, str]] = {}
        self._let_in: dict[str, LetIn] = {}
        self._failures: dict[str, int] = {}
        self._switching_on: list[tuple[str, str]] = []

    def look(self, objects: Objects, describe: DescribeAgent) -> FenceMap:
        """Take the configuration in. `describe` gives an agent's meta-data, as far as it is known."""
        self.fences = FenceMap(
            devices=tuple(
                settings_of(device, _known(describe(device.spec.agent))) for device in objects.devices
            ),
            topology=tuple(objects.cluster.spec.fencing_topology),
            labels=objects.node_labels,
        )
        return self.fences

    # -- letting in

    def let_in(self, nodes: Iterable[HANode], boots: Mapping[str, str]) -> frozenset[str]:
        """Nodes that need no unfencing in their present boot, because it was done, or because no device asks for it."""
        found = []
        for node in nodes:
            name = node.metadata.name
            doors = _names(self.fences, name)
            own, read = self._let_in.get(name), node.status.unfenced
            done = own is not None and (own.boot_id, own.devices) == (boots.get(name), doors)
            done = done or (read is not None and (read.boot_id, read.devices) == (boots.get(name), doors))
            if done or not doors:
                found.append(name)
        return frozenset(found)

    def note_let_in(self, fenced: Fenced, membership: Membership) -> list[LetIn]:
        """A node was let in, or switched on, which lets nobody in: a device that unfences needs the node's own boot."""
        view = membership.nodes.get(fenced.node)
        doors = _names(self.fences, fenced.node)
        if view is None or not doors or view.boot_id != fenced.boot_id:
            return []
        self._let_in[fenced.node] = LetIn(node=fenced.node, boot_id=fenced.boot_id, devices=doors)
        return [self._let_in[fenced.node]]

    def switch_on(self, key: str, node: str) -> None:
        """An administrator wants the node's power on; sent at the next step."""
        self._switching_on.append((key, node))

    # -- steps

    def step(
        self,
        objects: Objects,
        membership: Membership,
        *,
        book: PlanBook,
        idle: bool,
        awaits_bite: Callable[[str], bool],
        spared: Collection[str],
        now: float,
        wall: float,
    ) -> CrewNews:
        """Drive what is under way, and check devices."""
        for key, node in self._switching_on:
            self.crew.begin(
                FencingWish(
                    key=key,
                    target=node,
                    action="on",
                    levels=self.fences.levels(node),
                    boot_id="",
                    why="request",
                )
            )
        self._switching_on.clear()
        view = CrewView(
            plans=objects.plans,
            membership=membership,
            awaits_bite=awaits_bite,
            spared=spared,
            executors=lambda device: self.watch.executors(device, membership, objects.plans),
            now=now,
            wall=wall,
        )
        news = self.crew.step(view, book)
        self._note(news, wall)
        changes = self.watch.step(
            self.fences.devices,
            membership=membership,
            plans=objects.plans,
            book=book,
            idle=idle and not self.crew.targets,
            now=now,
            wall=wall,
        )
        for device, check in changes:
            words = f"cannot be reached: {check.message}" if check.message else "can be reached again"
            told = f"fence device {device} {words} (checked from {check.node})"
            news.story.append(StoryItem(tale=Tale.DEVICE, message=told, warning=bool(check.message)))
        return news

    def bitten(self, node: str, boot_id: str, wall: float) -> tuple[Fenced, list[tuple[str, FencingRecord]]]:
        """The node's watchdog has reset it."""
        by = "its own watchdog"
        records = self.crew.prove_dead(node, by, wall)
        if not records:
            why = "silent for longer than takeoverDelay"
            record = FencingRecord(action="watchdog", succeeded=True, by=by, why=why, time=timestamp(wall))
            records = [(node, record)]
        self._note(CrewNews(records=records), wall)
        return Fenced(node=node, boot_id=boot_id, action="watchdog", by=by), records

    def _note(self, news: CrewNews, wall: float) -> None:
        for node, record in news.records:
            self.records[node] = (record, *self.records.get(node, ()))[:RECORDS_MAX]
            self._failures[node] = 0 if record.succeeded else self._failures.get(node, 0) + 1
        for use in news.uses:
            self.uses[use.device] = (wall, use.words)

    def gave_up(self, nodes: Collection[str], *, max_attempts: int) -> bool:
        """Whether one of the nodes could not be fenced for so many times in a row (stonithMaxAttempts)."""
        return any(self._failures.get(node, 0) >= max_attempts for node in nodes)


def _known(document: Metadata | Broken | None) -> Metadata | None:
    return document if isinstance(document, Metadata) else None


def _names(fences: FenceMap, node: str) -> str:
    return " ".join(one.name for one in fences.doors(node))


def priority_delays_ms(
    situation: Situation, membership: Membership, *, properties: ClusterProperties
) -> dict[str, int]:
    """priority-fencing-delay, by target: a head start for the lost nodes whose resources matter most, where those that are left are no
    majority ("Pacemaker Explained", Cluster Options). A node's priority is the sum of those of its resources; a promoted one
    counts one more."""
    delay_ms = properties.priority_fencing_delay_ms
    nodes = membership.nodes
    if delay_ms <= 0 or has_majority(members=len(nodes), alive=len(membership.online)):
        return {}
    weights = dict.fromkeys(nodes, 0)
    for leaf in situation.leaves():
        for node in leaf.active_on:
            extra = 1 if leaf.meta.priority and leaf.activities[node.name].role is Role.PROMOTED else 0
            if node.name in weights:
                weights[node.name] += leaf.meta.priority + extra
    top = max(weights.values(), default=0)
    if top == min(weights.values(), default=0):
        return {}
    lost = [name for name, view in nodes.items() if view.verdict.condition is NodeCondition.UNCLEAN]
    return {name: delay_ms for name in lost if weights[name] == top}
