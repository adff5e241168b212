"""What the operator knows of the API: one copy of each kind that decisions use, parsed once per version.

Every kind is followed by a reflector: one complete list, a watch, and a list again after each gap. A list that fails changes nothing;
a kind that cannot be read is never taken for an empty one. Whoever decides asks `unread` first: a replica that cannot read a kind
leads nothing. Changes only wake the loops; they read the whole state.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, TypeVar

from backstay.api import (
    LEASE_NAMESPACE,
    FenceDevice,
    HACluster,
    HAConstraint,
    HANode,
    HANodePlan,
    HAResource,
    Resource,
    ResourceGroup,
)
from backstay.liveness import LeaseTracker
from backstay.liveness.epochs import epoch_of
from backstay.state.assemble import Objects
from backstay.state.assemble_problem import Problem
from backstay.state.kept import Kept
from backstay_kube import kinds
from backstay_kube.client import KubeClient, Obj
from backstay_kube.errors import ApiError
from backstay_kube.kinds import Kind
from backstay_kube.reflector import Reflector
from backstay_operator.membership import Members, holders_of, members_of, stand_in
from backstay_operator.node_lease import LEASE_DEFAULT_S, LEASE_PREFIX, node_lease
from backstay_operator.reading import Reader
from backstay_operator.unreadable import is_object, legible_cluster, with_placeholders

log = logging.getLogger(__name__)

R = TypeVar("R", bound=Resource)

WATCHED: tuple[Kind, ...] = (
    kinds.HACLUSTER,
    kinds.HANODE,
    kinds.HARESOURCE,
    kinds.RESOURCEGROUP,
    kinds.HACONSTRAINT,
    kinds.FENCEDEVICE,
    kinds.NODE,
)
"""What people and other controllers write, and the DC answers to. Plans and Leases are followed too."""

STATUS_IS_OURS = (kinds.HARESOURCE, kinds.RESOURCEGROUP, kinds.HACONSTRAINT, kinds.FENCEDEVICE)
"""Nothing is decided by what their statuses say, which the DC writes itself: a thousand such writes are no news."""
DECISIVE = (
    "uid",
    "generation",
    "labels",
    "annotations",
    "deletionTimestamp",
    "finalizers",
    "ownerReferences",
)

REREAD_TIMEOUT_S = 10.0
PARSED_MAX = 20_000
"""Versions of objects that are kept as parsed."""
UNREAD_S_MAX = 5.0
"""How long a replica may lead by the copy of a kind that it cannot read any more, in seconds. A watch that broke is usually back
within one; what is decided until then is no staler than what a slow watch brings."""
READ_GAP_PART = 3
"""A silence of a third of the shortest lease is a gap: who did not hear for so long may not judge."""


class World:
    """The local copy of everything, and the ages of the Leases."""

    def __init__(self, client: KubeClient, *, relist_s: float = 30.0) -> None:
        self.client = client
        self.tracker = LeaseTracker(read_gap_s=1.0)
        self.api_gaps = 0
        self.rewinds = 0
        """How often the API's history went back. What was known before is forgotten by then."""
        self.epochs_outlived: dict[str, int] = {}
        """By cluster: the highest that was known when the history last went back."""
        self.doubtful = False
        """It went back, and not everything has been read anew: nobody may decide anything."""
        self.epochs: dict[str, int] = {}
        """By cluster: the highest that was ever seen, also in a past that is no more."""
        self._rewound = asyncio.Event()
        self._clusters: Kept[list[HACluster]] = Kept()
        self._last_clusters: dict[str, HACluster] = {}
        """The last version of each that could be read."""
        self._problems_of_clusters: dict[str, list[Problem]] = {}
        self._nodes_of: dict[str, Kept[Members]] = {}
        self._objects_of: dict[str, Kept[tuple[Objects, list[Problem]]]] = {}
        self._parsed: dict[tuple[Kind, str, str], Resource | Problem] = {}
        self._readers: dict[Kind, Reader] = {}
        self._listeners: list[Callable[[], None]] = []
        self._election_listeners: list[Callable[[], None]] = []
        self._copies = {
            kind: Reflector(
                client,
                kind,
                on_change=partial(self._changed, kind),
                on_rewind=self._went_back,
                relist_s=relist_s,
            )
            for kind in WATCHED
        }
        self.plans = Reflector(
            client, kinds.HANODEPLAN, on_change=self._plan_changed, on_rewind=self._went_back
        )
        self.leases = Reflector(
            client,
            kinds.LEASE,
            namespace=LEASE_NAMESPACE,
            on_change=self._lease_changed,
            on_heard=self._heard,
            on_rewind=self._went_back,
        )

    def listen(self, wake: Callable[[], None]) -> None:
        """Call `wake` whenever something changed."""
        self._listeners.append(wake)

    def listen_elections(self, poke: Callable[[], None]) -> None:
        """Call `poke` whenever a DC Lease changed: several times a second, and of no interest to anybody else."""
        self._election_listeners.append(poke)

    def wake(self) -> None:
        """Have the loops look."""
        for wake in self._listeners:
            wake()

    # -- news

    def accept(self, kind: Kind, obj: Obj) -> None:
        """Take the answer to a write of ours: the object as it stands now."""
        if not is_object(obj):
            log.warning("not an object: a %s without a name", kind.name)
            return
        copy = self._copies[kind]
        before = copy.get(obj["metadata"]["name"], obj["metadata"].get("namespace", ""))
        if copy.accept(obj):
            self._changed(kind, "MODIFIED", obj, before)

    def deleted(self, kind: Kind, name: str, uid: str) -> None:
        """Take a deletion of ours: the object of this uid is gone."""
        copy = self.plans if kind is kinds.HANODEPLAN else self._copies[kind]
        copy.drop(uid, name)
        self.wake()

    def _changed(self, kind: Kind, type_: str, obj: Obj, before: Obj | None) -> None:
        if type_ == "DELETED" or before is None or _concerns(kind, before, obj):
            self.wake()

    def _plan_changed(self, _type: str, obj: Obj, _before: Obj | None) -> None:
        spec = obj.get("spec") or {}
        self.note_epoch(str(spec.get("cluster", "")), epoch_of(spec.get("epoch")))
        self.wake()

    def note_epoch(self, cluster: str, epoch: int) -> None:
        """A DC has used an epoch, whatever becomes of the object that says so. What agents say of epochs is no such proof."""
        if epoch > self.epochs.get(cluster, 0):
            self.epochs[cluster] = epoch

    def _went_back(self) -> None:
        self.doubtful = True
        self.epochs_outlived = dict(self.epochs)
        self._rewound.set()
        self.wake()

    def _heard(self, _at: float, sent_at: float | None) -> None:
        # The tracker may have been told of later renewals meanwhile, so this counts as now.
        if self.tracker.read_succeeded(time.monotonic(), sent_at=sent_at):
            self.api_gaps += 1
            log.warning("the API was silent too long: all lease ages begin again at zero")
            self.wake()

    def _lease_changed(self, type_: str, obj: Obj, _before: Obj | None) -> None:
        name = obj["metadata"]["name"]
        if not name.startswith(LEASE_PREFIX):
            for poke in self._election_listeners:
                poke()
            return
        if type_ == "DELETED":
            self.tracker.forget(name.removeprefix(LEASE_PREFIX))
            self.wake()
            return
        lease = node_lease(obj)
        before = self.tracker.lease(lease.node)
        self.tracker.observe(lease, time.monotonic())
        self.tracker.read_gap_s = self._read_gap_s()
        if before is None or (before.boot_id, before.agent_present) != (lease.boot_id, lease.agent_present):
            self.wake()

    def _read_gap_s(self) -> float:
        """Of the shortest lease that is configured. What a single Lease says must not make all others begin at zero."""
        leases_s = (cluster.spec.heartbeat.lease_s for cluster in self.clusters())
        return min(LEASE_DEFAULT_S, *leases_s, LEASE_DEFAULT_S) / READ_GAP_PART

    def lease_was_stale(self) -> bool:
        """Whether the Leases must be read before anyone is judged."""
        return self.tracker.needs_read(time.monotonic())

    # -- tasks

    async def run(self) -> None:
        """Follow everything, for ever."""
        async with asyncio.TaskGroup() as group:
            for copy in self._followed:
                group.create_task(copy.run())
            group.create_task(self._keep_listening())
            group.create_task(self._follow_rewinds())

    async def _follow_rewinds(self) -> None:
        """When the API's history went back, forget what was known, and read everything anew."""
        while True:
            await self._rewound.wait()
            self._rewound.clear()
            try:
                async with asyncio.timeout(REREAD_TIMEOUT_S):
                    await self._read_anew()
            except (ApiError, TimeoutError) as error:
                log.debug("cannot read everything anew: %s", error)
                self._rewound.set()
                await asyncio.sleep(random.uniform(0.1, 0.4))

    async def _read_anew(self) -> None:
        for copy in self._followed:
            await copy.list_now(anew=True)
        # Versions return, with another content; and so do objects that were deleted.
        self._parsed.clear()
        self._readers.clear()
        self.tracker.begin_anew(time.monotonic())
        if not self._rewound.is_set():
            self.doubtful = False
        self.rewinds += 1
        self.wake()

    @property
    def _followed(self) -> tuple[Reflector, ...]:
        """The copies of all kinds. The Leases come last: their ages count from when everything else is known."""
        return (*self._copies.values(), self.plans, self.leases)

    @property
    def kinds_read(self) -> tuple[str, ...]:
        """The names of all kinds that decisions rest on."""
        return tuple(copy.kind.name for copy in self._followed)

    async def read_everything(self) -> None:
        """Wait until every kind was listed completely once."""
        for copy in self._followed:
            await copy.synced.wait()

    @property
    def is_complete(self) -> bool:
        """Whether every kind is read and followed at this moment: only then may a DC's term begin."""
        return all(copy.is_read for copy in self._followed)

    def unread(self, now: float) -> dict[str, str]:
        """Kinds that this replica cannot read at `now` (monotonic): never yet, or no more for longer than UNREAD_S_MAX. With the
        API's answer."""
        return {
            copy.kind.name: copy.failure or "not read yet"
            for copy in self._followed
            if copy.unread_s(now) > UNREAD_S_MAX
        }

    async def _keep_listening(self) -> None:
        """Read the Leases when the watch was silent for a while, so that silence of nodes is told from silence of the API."""
        while True:
            period = max(0.05, self.tracker.read_gap_s / 3)
            await asyncio.sleep(period)
            silent = time.monotonic() - self.leases.heard_at > period
            if silent or self.lease_was_stale():
                await self.read_leases()

    async def read_leases(self) -> None:
        """List the Leases now. Failure is silence: the tracker draws the conclusion."""
        try:
            async with asyncio.timeout(max(0.2, self.tracker.read_gap_s)):
                await self.leases.list_now()
        except (ApiError, TimeoutError) as error:
            log.debug("cannot read the leases: %s", error)

    # -- reading

    @property
    def tokens(self) -> tuple[object, ...]:
        """Memo keys of everything but plans and Leases: while they stay the very same, so do the objects of those kinds."""
        return tuple(copy.token for copy in self._copies.values())

    def raw(self, kind: Kind) -> Iterable[Obj]:
        """All objects of a kind, in order of namespace and name."""
        return list(self._copies[kind].objects())

    def get(self, kind: Kind, name: str, namespace: str = "") -> Obj | None:
        return self._copies[kind].get(name, namespace)

    def parsed(self, kind: Kind, model: type[R], problems: list[Problem] | None = None) -> list[R]:
        """All objects of a kind that can be read; what can't becomes a problem."""
        found: list[R] = []
        for obj in self.raw(kind):
            item = self._parse(kind, model, obj)
            if isinstance(item, Problem):
                if problems is not None:
                    problems.append(item)
            else:
                found.append(item)
        return found

    def _parse(self, kind: Kind, model: type[R], obj: Obj) -> R | Problem:
        metadata = obj["metadata"]
        cache_key = (kind, metadata.get("uid", ""), metadata.get("resourceVersion", ""))
        item = self._parsed.get(cache_key)
        if item is None:
            item = self._readers.setdefault(kind, Reader()).read(model, obj)
            if len(self._parsed) > PARSED_MAX:
                self._parsed.clear()
            self._parsed[cache_key] = item
        return item  # type: ignore[return-value]

    def clusters(self) -> list[HACluster]:
        """Oldest first."""
        return self._clusters.of(self.tokens, self._find_clusters)

    def _find_clusters(self) -> list[HACluster]:
        found = [self._read_cluster(obj) for obj in self.raw(kinds.HACLUSTER)]
        return sorted(found, key=lambda one: (one.metadata.creation_timestamp or "", one.metadata.name))

    def _read_cluster(self, obj: Obj) -> HACluster:
        """What cannot be read of an HACluster must not end its DC: the last version that could be read counts, or, where this
        replica has seen none, what is left without the fields at fault."""
        name = obj["metadata"]["name"]
        item = self._parse(kinds.HACLUSTER, HACluster, obj)
        self._problems_of_clusters[name] = [item] if isinstance(item, Problem) else []
        if isinstance(item, Problem):
            last = self._last_clusters.get(name)
            same = last is not None and last.metadata.uid == obj["metadata"].get("uid")
            return last if last is not None and same else legible_cluster(obj)
        self._last_clusters[name] = item
        return item

    def nodes_of(self, cluster: HACluster) -> list[str]:
        """Names of the cluster's members (design note 0013): Nodes that it selects and no other holds, and all that it holds."""
        return [*self._membership_of(cluster).members]

    def leaving(self, cluster: HACluster) -> Mapping[str, str]:
        """Members that the cluster does not select any more, and why."""
        return self._membership_of(cluster).leaving

    def _membership_of(self, cluster: HACluster) -> Members:
        kept = self._nodes_of.setdefault(cluster.metadata.name, Kept())
        return kept.of((*self.tokens, self.plans.token), lambda: self._find_members_of(cluster))

    def _find_members_of(self, cluster: HACluster) -> Members:
        return members_of(
            cluster,
            self.clusters(),
            nodes=self.raw(kinds.NODE),
            holders=holders_of(self.plans.objects(), self.raw(kinds.HANODE), self.raw(kinds.HACLUSTER)),
        )

    def addresses(self) -> dict[str, str]:
        """Internal addresses of Kubernetes Nodes, where they have one."""
        found: dict[str, str] = {}
        for obj in self.raw(kinds.NODE):
            for one in (obj.get("status") or {}).get("addresses") or []:
                if one.get("type") == "InternalIP":
                    found.setdefault(obj["metadata"]["name"], str(one.get("address", "")))
        return found

    def owns_namespace(self, cluster: HACluster, namespace: str) -> bool:
        """Whether the cluster runs the resources of this namespace."""
        for other in self.clusters():
            if not other.spec.namespaces or namespace in other.spec.namespaces:
                return other.metadata.name == cluster.metadata.name
        return False

    def objects_of(self, cluster: HACluster) -> tuple[Objects, list[Problem]]:
        """Everything that the cluster's DC needs, and what could not be read."""
        kept = self._objects_of.setdefault(cluster.metadata.name, Kept())
        return kept.of((cluster, *self.tokens, self.plans.token), lambda: self._find_objects_of(cluster))

    def _find_objects_of(self, cluster: HACluster) -> tuple[Objects, list[Problem]]:
        problems: list[Problem] = []
        members = set(self.nodes_of(cluster))

        def mine(items: list[R]) -> tuple[R, ...]:
            return tuple(one for one in items if self.owns_namespace(cluster, one.metadata.namespace or ""))

        labels = {
            obj["metadata"]["name"]: _labels(obj)
            for obj in self.raw(kinds.NODE)
            if obj["metadata"]["name"] in members
        }
        plans = {}
        for obj in self.plans.objects():
            if obj["metadata"]["name"] in members:
                plan = self._parse(kinds.HANODEPLAN, HANodePlan, obj)
                if isinstance(plan, HANodePlan):
                    plans[plan.metadata.name] = plan
                else:
                    problems.append(plan)
        readable = [
            one for one in self.parsed(kinds.HANODE, HANode, problems) if one.metadata.name in members
        ]
        absent = members - {one.metadata.name for one in readable}
        unreadable = {one.name for one in problems if one.kind == kinds.HANODE.name}
        objects = Objects(
            cluster=cluster,
            nodes=(*readable, *(stand_in(name, frozen=name in unreadable) for name in sorted(absent))),
            resources=mine(self.parsed(kinds.HARESOURCE, HAResource, problems)),
            groups=mine(self.parsed(kinds.RESOURCEGROUP, ResourceGroup, problems)),
            constraints=mine(self.parsed(kinds.HACONSTRAINT, HAConstraint, problems)),
            devices=tuple(
                one
                for one in self.parsed(kinds.FENCEDEVICE, FenceDevice, problems)
                if one.spec.cluster == cluster.metadata.name
            ),
            plans=plans,
            node_labels=labels,
            leaving=self.leaving(cluster),
        )
        problems = [one for one in problems if self._concerns_cluster(cluster, one)]
        problems += self._problems_of_clusters.get(cluster.metadata.name, [])
        return with_placeholders(objects, problems, self.get), problems

    def _concerns_cluster(self, cluster: HACluster, problem: Problem) -> bool:
        """Whether the DC of this cluster tells it: it is about an object in a namespace of its own, or in none."""
        return not problem.namespace or self.owns_namespace(cluster, problem.namespace)


def _concerns(kind: Kind, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether a change is one that somebody waits for."""
    if kind is kinds.NODE:  # kubelets write Node statuses all the time; only labels and existence matter
        return _labels(before) != _labels(after)
    if kind not in STATUS_IS_OURS:
        return True
    return any(before["metadata"].get(name) != after["metadata"].get(name) for name in DECISIVE)


def _labels(obj: Mapping[str, Any]) -> Mapping[str, str]:
    labels = obj["metadata"].get("labels")
    return labels if isinstance(labels, Mapping) else {}
