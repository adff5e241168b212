"""One cluster's task in an operator replica: take part in the election, and while leading, turn views into orders and carry them out.

Replicas that do not lead follow everything all the same, so that a new DC has watched the Leases by itself and need not begin at zero.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial

from backstay.api import FenceDevice, HACluster, HAResource, ResourceGroup
from backstay.api.quantities import timestamp, timestamp_seconds
from backstay.coordinator import (
    Coordinator,
    Fenced,
    LetIn,
    Orders,
    Picture,
    Quarantine,
    StoryItem,
    Tale,
    View,
    error_of_trial,
    reason_lines,
    summary_lines,
    with_why,
)
from backstay.liveness import LeaseTracker
from backstay.liveness.epochs import ClaimPatience, demand_of, epoch_of, heed, written_epoch
from backstay.state.assemble import Objects
from backstay.state.assemble_problem import Problem
from backstay.state.claims import ObjectRef
from backstay.state.kept import Kept
from backstay_kube import kinds
from backstay_kube.client import KubeClient, Obj
from backstay_kube.errors import ApiConflict, ApiError, ApiNotFound
from backstay_operator import presence
from backstay_operator.drive import PlanDriver, Superseded
from backstay_operator.election import Elector
from backstay_operator.events import EventWriter
from backstay_operator.exposition import SceneCollector, Shown, lease_ages_of
from backstay_operator.history import HistoryWriter
from backstay_operator.members import (
    ensure_member,
    ensure_members,
    let_go,
    remove_strangers,
    strays_of,
)
from backstay_operator.metrics import Metrics
from backstay_operator.publish import Publisher, uid_of
from backstay_operator.secret_grants import Grants, SecretGrants, wanted_grants
from backstay_operator.statuses import Scene
from backstay_operator.thought import StepFailed, Think, Thought, at_once
from backstay_operator.validation import Stray, cautious, conditions_of, untold
from backstay_operator.world import World

log = logging.getLogger(__name__)

MEMBERS_EVERY_S = 5.0
MEMBERS_RETRY_S = 1.0
DOUBT_PAUSE_S = 0.1
PATH_TIMEOUT_S = 2.0
AFTER_FAILURE_S = 1.0
STEP_PAUSE_S = 0.05
"""After a step that raised; twice as long after each further one in a row."""
STEP_PAUSE_MAX_S = 10.0
RECORD_AGAIN_S = (0.1, 0.4)
"""After a proof of death could not be recorded."""
NO_REASONS: Mapping[str, str] = {}


class Term:
    """One term of one DC: everything that dies with the leadership."""

    def __init__(
        self, coordinator: Coordinator, driver: PlanDriver, *, since: float, rewinds: int = 0
    ) -> None:
        self.rewinds = rewinds
        """Of the API, before this term."""
        self.coordinator = coordinator
        self.driver = driver
        self.since = since
        self.told_problems: frozenset[Problem] = frozenset()


class ClusterTask:
    """Runs for as long as the HACluster exists."""

    def __init__(
        self,
        world: World,
        client: KubeClient,
        *,
        cluster: str,
        identity: str,
        metrics: Metrics,
        scenes: SceneCollector,
        think: Think = at_once,
    ) -> None:
        self.name = cluster
        self._think = think
        self._heard = LeaseTracker(read_gap_s=world.tracker.read_gap_s)
        """What the world's tracker knew when the step began: it goes on hearing meanwhile."""
        self.identity = identity
        self._world = world
        self._client = client
        self._metrics = metrics
        self._scenes = scenes
        self._elector = Elector(
            client,
            world.leases,
            cluster=cluster,
            identity=identity,
            is_eligible=self._may_lead,
        )
        self._publisher = Publisher(client, world, may_write=self._elector.leads)
        self._events = EventWriter(client, component="backstay-operator", host=host_of(identity))
        self._history = HistoryWriter(client, cluster=cluster)
        self._woken = asyncio.Event()
        self._term: Term | None = None
        self._members_due = self._members_retry = float("-inf")
        """When HANodes are looked after next; when one that is missing is created, if it could not be (monotonic seconds)."""
        self._rewinds = world.rewinds
        """Of the API, as far as a term of ours has told of them."""
        self._untold_past = False
        """A past stands in the HACluster that no term of ours has told of: its beginning failed after that was written."""
        self._grants = SecretGrants(client)
        self._wanted_grants: Kept[Grants] = Kept()
        self._known_epoch: Kept[int] = Kept()
        self._claims = ClaimPatience()
        self._why: Kept[Mapping[str, str]] = Kept()
        self._quarantine = Quarantine()
        self._failed_steps = 0
        """In a row."""

    def wake(self) -> None:
        """Something changed."""
        self._woken.set()

    def poke(self) -> None:
        """The DC Lease may have changed."""
        self._elector.poke()

    async def run(self) -> None:
        """For ever; cancelled when the operator ends or the HACluster is gone."""
        await self._world.read_everything()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._kept_up("election", lambda: self._elector.run(self._woken.set)))
                group.create_task(self._kept_up("statuses", self._publisher.run))
                group.create_task(self._kept_up("events", self._events.run))
                group.create_task(self._kept_up("transitions", self._history.run))
                group.create_task(self._loop())
        finally:
            self._scenes.hide(self.name)
            await self._elector.release()

    def _may_lead(self) -> bool:
        """Whether every kind that decisions rest on can be read; a term that is under way outlasts a short gap."""
        if self._world.is_complete:
            return True
        return self._term is not None and not self._world.unread(time.monotonic())

    async def _kept_up(self, part: str, run: Callable[[], Awaitable[None]]) -> None:
        """Run one part for ever: what it raises for one object is logged and counted, and it starts again."""
        while True:
            try:
                await run()
            except Exception:  # the outermost loop of this part
                log.exception("%s failed; going on", part, extra={"cluster": self.name})
                self._metrics.failed(self.name, part)
            await asyncio.sleep(random.uniform(0.5, 1.0) * AFTER_FAILURE_S)

    async def _loop(self) -> None:
        while True:
            self._woken.clear()
            pause = 1.0
            cluster = self._cluster()
            if cluster is not None:
                self._elector.follow(cluster.spec.heartbeat)
            if self._elector.leads():
                try:
                    pause = await self._lead()
                except Superseded as error:
                    log.warning("superseded: %s", error, extra={"cluster": self.name})
                    self._elector.lost()
                    self._term = None
                except (ApiError, TimeoutError) as error:
                    # No answer in time is an outage like any other: the next round tries again.
                    log.warning("cannot do a DC's work: %r", error, extra={"cluster": self.name})
                    pause = 0.2
                except StepFailed as error:
                    pause = self._step_failed(error)
                except Exception:  # the outermost loop: one object must not end the DC
                    log.exception("a round of the DC failed; going on", extra={"cluster": self.name})
                    self._metrics.failed(self.name, "round")
            elif self._term is not None:
                log.warning(
                    "no longer DC", extra={"cluster": self.name, "epoch": self._term.coordinator.epoch}
                )
                self._term = None
            if self._term is None:
                self._stand_back()
            try:
                async with asyncio.timeout(max(0.0, pause)):
                    await self._woken.wait()
            except TimeoutError:
                continue

    def _step_failed(self, error: StepFailed) -> float:
        """Keep the former decisions, tell whose fault it is, and begin a new term, since this one's memory may be half
        written. Seconds until then: longer from failure to failure."""
        log.error("a step of the DC failed: %s", error, exc_info=error, extra={"cluster": self.name})
        self._metrics.failed(self.name, "step")
        for problem in error.problems:
            ref = ObjectRef(problem.kind, problem.namespace, problem.name)
            self._tell_item(StoryItem(tale=Tale.PROBLEM, message=problem.message, subject=ref, warning=True))
        self._metrics.quarantined(self.name, self._quarantine.problems)
        self._term = None
        self._failed_steps += 1
        return float(min(STEP_PAUSE_MAX_S, STEP_PAUSE_S * 2 ** min(self._failed_steps - 1, 10)))

    def _cluster(self) -> HACluster | None:
        return next((one for one in self._world.clusters() if one.metadata.name == self.name), None)

    async def _lead(self) -> float:
        """One step as the DC; seconds until the next is due."""
        cluster = self._cluster()
        if cluster is None:
            return 1.0
        if self._world.doubtful:
            return DOUBT_PAUSE_S
        if self._term is not None and self._is_outdated(self._term):
            self._term = None
        if self._term is None:
            if not self._world.is_complete:
                return DOUBT_PAUSE_S  # a kind of which a part is unknown must not look like an empty one
            self._term = await self._begin_term(cluster)
            self._grants.forget()
        await self._mind_members(cluster)
        await self._grant_secrets()
        if self._world.lease_was_stale():
            await self._world.read_leases()
        return await self._step(self._term)

    def _is_outdated(self, term: Term) -> bool:
        """Whether hosts remember a newer epoch, though we hold the Lease and nobody newer has written: theirs is of a cluster that once
        had this name, or etcd went back in time. They refuse us until our epoch is above what they know."""
        plans = self._world.plans
        written = self._known_epoch.of(
            (plans.token,), lambda: written_epoch(plans.objects(), of_cluster=self.name)
        )
        ours = term.coordinator.epoch
        if self._world.rewinds != term.rewinds:
            # Nodes are asked anew, under an epoch that is above all that they or we remember.
            log.warning("the API went back in time; a new term begins", extra={"cluster": self.name})
            return True
        if written <= ours and not self._claims.may_begin_term(
            list(plans.objects()), self.name, ours=ours, now=time.monotonic()
        ):
            return False
        log.warning(
            "hosts or plans have a newer epoch than ours; a new term begins above it",
            extra={"cluster": self.name, "ours": ours, "written": written},
        )
        return True

    async def _grant_secrets(self) -> None:
        """Before the step: the order to start something must not come before the right to read its Secrets."""
        clusters = self._world.clusters()
        if clusters[0].metadata.name != self.name:
            return
        wanted = self._wanted_grants.of(self._world.tokens, self._find_wanted_grants)
        await self._grants.ensure(wanted, clusters)

    def _find_wanted_grants(self) -> Grants:
        return wanted_grants(
            self._world.parsed(kinds.HARESOURCE, HAResource),
            self._world.parsed(kinds.RESOURCEGROUP, ResourceGroup),
            self._world.parsed(kinds.FENCEDEVICE, FenceDevice),
        )

    async def _mind_members(self, cluster: HACluster) -> None:
        """Now and then, and at once where an HANode is missing, unless that could not be mended a moment ago."""
        now = time.monotonic()
        if now < self._members_due and not (self._members_missing(cluster) and now >= self._members_retry):
            return
        done = await ensure_members(self._world, cluster)
        self._members_retry = 0.0 if done else now + MEMBERS_RETRY_S * random.uniform(0.5, 1.0)
        await remove_strangers(self._world, cluster)
        self._members_due = time.monotonic() + MEMBERS_EVERY_S

    def _members_missing(self, cluster: HACluster) -> bool:
        return any(self._world.get(kinds.HANODE, name) is None for name in self._world.nodes_of(cluster))

    async def _begin_term(self, cluster: HACluster) -> Term:
        """Raise the epoch, which from then on makes every older DC's writes void. Raises ApiError."""
        async with asyncio.timeout(PATH_TIMEOUT_S):
            fresh = await self._client.get(kinds.HACLUSTER, self.name)
            status = fresh.get("status") or {}
            self._world.note_epoch(self.name, epoch_of(status.get("epoch")))
            plans, known = list(self._world.plans.objects()), self._world.epochs.get(self.name, 0)
            epoch = max(known, written_epoch(plans), heed(plans, self.name, known=known).highest) + 1
            rewinds = self._world.rewinds
            rewound = self._untold_past or self._is_rewound(status, rewinds)
            begun: Obj = {"epoch": epoch, "dc": host_of(self.identity), "dcSince": timestamp(time.time())}
            body = {
                "metadata": {"resourceVersion": fresh["metadata"]["resourceVersion"]},
                "status": begun | ({"rewoundEpoch": epoch} if rewound else {}),
            }
            try:
                answer = await self._client.patch(kinds.HACLUSTER, self.name, body, subresource="status")
            except ApiConflict:
                log.debug("the HACluster changed meanwhile; trying again")
                raise
            self._untold_past = rewound
            number = max(int(status.get("transitionNumber", 0)), await self._history.last_number())
        self._world.accept(kinds.HACLUSTER, answer)
        self._world.note_epoch(self.name, epoch)
        log.info("term begins", extra={"cluster": self.name, "dc": self.identity, "epoch": epoch})
        self._metrics.elected(self.name)
        coordinator = Coordinator(
            cluster=self.name,
            epoch=epoch,
            number=number,
            tracker=self._heard,
            homes=self._homes(cluster),
            term=self.identity,
            rewound=rewound,
        )
        self._rewinds, self._untold_past = rewinds, False
        driver = PlanDriver(self._client, self._world.plans, epoch=epoch, may_write=self._elector.leads)
        return Term(coordinator, driver, since=time.time(), rewinds=rewinds)

    def _is_rewound(self, status: Obj, rewinds: int) -> bool:
        """Whether a past begins here, and none that an earlier DC has answered for: one that we saw, one that an agent saw, or one that
        plans prove, since an epoch stands in the HACluster before any plan carries it."""
        plans, covered = list(self._world.plans.objects()), epoch_of(status.get("rewoundEpoch"))
        known = max(self._world.epochs.get(self.name, 0), epoch_of(status.get("epoch")))
        remembered = max(
            written_epoch(plans, of_cluster=self.name), heed(plans, self.name, known=known).highest
        )
        seen = rewinds != self._rewinds and covered <= self._world.epochs_outlived.get(self.name, 0)
        demanded = demand_of(plans, self.name, known=known) > covered
        return seen or demanded or remembered > epoch_of(status.get("epoch"))

    def _homes(self, cluster: HACluster) -> dict[str, str]:
        """Where resources were by the last published statuses, so that a move across a change of DC is told as one."""
        objects, _ = self._world.objects_of(cluster)
        homes = {item.resource_id: item.status.node for item in objects.resources}
        for group in objects.groups:
            homes[group.resource_id] = group.status.node
            homes.update({member.name: member.node for member in group.status.members})
        return {id_: node for id_, node in homes.items() if node and " " not in node}

    async def _step(self, term: Term) -> float:
        cluster = self._cluster()
        assert cluster is not None
        objects, unreadable = self._world.objects_of(cluster)
        careful = cautious(objects, unreadable)
        self._heard.copy_from(self._world.tracker)
        view = View(
            now=time.monotonic(),
            wall=time.time(),
            objects=careful,
            addresses=self._world.addresses(),
        )
        thought = await self._think(partial(self._thought, term, view))
        orders = thought.orders
        # First of all: the next step goes by a proof only if an object tells of it, and so does a DC that follows.
        recorded = await asyncio.gather(
            *(self._record_fenced(one, epoch=term.coordinator.epoch) for one in orders.fenced)
        )
        if not all(recorded):
            orders.wake_in = min(orders.wake_in, random.uniform(*RECORD_AGAIN_S))
        await term.driver.send(thought.due)
        await asyncio.gather(*(self._record_let_in(one) for one in orders.let_in))
        if orders.needs_list:
            await self._world.read_leases()
            orders.wake_in = 0.01
        unreadable = [*unreadable, *self._quarantine.problems]
        self._metrics.quarantined(self.name, self._quarantine.problems)
        scene = self._scene(term, thought, objects, unreadable)
        self._tell(term, orders, scene, careful, unreadable, thought.took_s * 1000)
        self._publisher.show(scene)
        self._measure(orders, scene, thought.took_s, now=view.now)
        if orders.leavers and self._elector.leads():
            await let_go(self._world, cluster, orders.leavers)
        return orders.wake_in - (time.monotonic() - view.now)

    def _thought(self, term: Term, view: View) -> Thought:
        """Touches nothing but the term, and what is never changed in place: the loop goes on meanwhile."""
        started = time.perf_counter()

        def trial(objects: Objects) -> Exception | None:
            return error_of_trial(view, objects, self._heard)

        admitted = self._quarantine.admit(view.objects, trial, view.now)
        try:
            orders = term.coordinator.step(replace(view, objects=admitted))
            took_s = time.perf_counter() - started
            thought = Thought(
                orders, due=term.driver.due(orders.plans), why=self._reasons(orders.picture), took_s=took_s
            )
        except Exception as error:  # whatever it is, the cluster goes on
            raise StepFailed(self._quarantine.examine(admitted, trial, error, view.now)) from error
        self._quarantine.passed(admitted)
        self._failed_steps = 0
        return thought

    def _measure(self, orders: Orders, scene: Scene, seconds: float, *, now: float) -> None:
        """Count what happened at `now`, and show what is; the rendering is done when somebody scrapes."""
        index = orders.picture.assembly.index
        for item in orders.story:
            lost_after_s = None
            if item.tale is Tale.NODE_LOST:
                lost_after_s = self._heard.ages(now).get(str(item.facts["node"]))
            group = index.group_of.get(str(item.facts.get("resource", "")), "")
            self._metrics.told(self.name, item, group=group, lost_after_s=lost_after_s)
        self._metrics.stepped(self.name, orders, seconds)
        self._metrics.tidy(self.name, resources=index.objects, nodes=orders.picture.membership.nodes)
        shown = Shown(
            scene=scene,
            lease_ages=lease_ages_of(self._world.tracker.ages),
            agent_present=self._agent_present,
            queues=self._queues,
        )
        self._scenes.show(self.name, shown)

    def _agent_present(self, node: str) -> bool:
        lease = self._world.tracker.lease(node)
        return lease is not None and lease.agent_present

    def _queues(self) -> dict[str, int]:
        return {"events": self._events.depth, "transitions": self._history.depth}

    def _stand_back(self) -> None:
        """Nothing of a cluster that another replica leads is shown by this one."""
        self._metrics.stands(self.name)
        self._scenes.hide(self.name)

    async def _record_fenced(self, fenced: Fenced, *, epoch: int) -> bool:
        """Whether the API has taken it. A DC that follows must know that this boot is dead."""
        status: dict[str, object] = {
            "fenced": {
                "bootId": fenced.boot_id,
                "action": fenced.action,
                "by": fenced.by,
                "time": timestamp(time.time()),
                "epoch": epoch,
            }
        }
        return await self._record(fenced.node, status)

    async def _record_let_in(self, one: LetIn) -> None:
        status: dict[str, object] = {
            "unfenced": {"bootId": one.boot_id, "devices": one.devices, "time": timestamp(time.time())}
        }
        await self._record(one.node, status)

    async def _record(self, node: str, status: dict[str, object]) -> bool:
        """Whether the API has taken it. An HANode that was deleted meanwhile is created first."""
        try:
            async with asyncio.timeout(PATH_TIMEOUT_S):
                answer = await self._patch_member(node, {"status": status})
        except (ApiError, TimeoutError) as error:
            log.warning("cannot record the fencing of %s, and shall try again: %r", node, error)
            return False
        self._world.accept(kinds.HANODE, answer)
        return True

    async def _patch_member(self, node: str, body: Obj) -> Obj:
        """Of its status. Raises ApiError."""
        try:
            return await self._client.patch(kinds.HANODE, node, body, subresource="status")
        except ApiNotFound:
            await ensure_member(self._world, self.name, node)
            return await self._client.patch(kinds.HANODE, node, body, subresource="status")

    def _strays(self) -> tuple[Stray, ...]:
        cluster = self._cluster()
        assert cluster is not None
        return strays_of(self._world, cluster)

    def _tell(
        self,
        term: Term,
        orders: Orders,
        scene: Scene,
        objects: Objects,
        unreadable: list[Problem],
        decide_ms: float,
    ) -> None:
        for item in orders.story:
            self._tell_item(with_why(item, scene.why))
        for run in orders.begun:
            for line in summary_lines(run.context.transition):
                log.info(line, extra={"transition": run.context.number})
            self._history.begun(run, decide_ms=decide_ms, dc=host_of(self.identity))
        for run in orders.settled:
            self._history.settled(run, dc=host_of(self.identity))
        for ended in orders.finished:
            self._history.ended(ended.run, duration_s=ended.duration_s, dc=host_of(self.identity))
        strays = self._strays()
        problems = frozenset(
            (*orders.picture.assembly.problems, *unreadable, *(one.problem for one in strays))
        )
        fresh = problems - term.told_problems
        shown = conditions_of(objects, [one.node for one in strays]) if fresh else {}
        for problem in untold(fresh, shown):
            ref = ObjectRef(problem.kind, problem.namespace, problem.name)
            self._tell_item(StoryItem(tale=Tale.PROBLEM, message=problem.message, subject=ref, warning=True))
        term.told_problems = problems

    def _tell_item(self, item: StoryItem) -> None:
        level = logging.WARNING if item.warning else logging.INFO
        facts = {
            f"ha_{key}" if key in ("name", "args", "module") else key: value
            for key, value in item.facts.items()
        }
        where = {"object": f"{item.subject.kind}/{item.subject.name}"} if item.subject else {}
        log.log(level, item.message, extra={**where, **facts})
        ref = item.subject or ObjectRef("HACluster", "", self.name)
        if item.event:
            self._events.tell(item, ref, uid_of(self._world, ref.kind, ref.namespace, ref.name))

    def _scene(self, term: Term, thought: Thought, objects: Objects, unreadable: list[Problem]) -> Scene:
        orders = thought.orders
        coordinator = term.coordinator
        return Scene(
            picture=orders.picture,
            objects=objects,
            problems=(*orders.picture.assembly.problems, *unreadable),
            acks=coordinator.desk.every_ack(),
            why=thought.why,
            epoch=coordinator.epoch,
            number=coordinator.number,
            dc=host_of(self.identity),
            dc_since=term.since,
            operators=self._operators(),
            dc_node=host_of(self.identity),
            now=time.time(),
            strays=self._strays(),
        )

    def _reasons(self, picture: Picture) -> Mapping[str, str]:
        """Why everything is where it is: as many sentences as resources, so made once per scheduling."""
        transition, assembly = picture.transition, picture.assembly
        if transition is None:
            return NO_REASONS
        parts = (transition, assembly.state.resources)
        return self._why.of(parts, lambda: reason_lines(transition, assembly))

    def _operators(self) -> tuple[str, ...]:
        """Hosts or pods of the replicas whose presence is young; one that was killed fades after three of its own periods."""
        now = time.time()
        found = {
            host_of(obj["spec"].get("holderIdentity", ""))
            for obj in self._world.leases.objects()
            if obj["metadata"]["name"].startswith(presence.PREFIX) and _is_young(obj, now)
        }
        return tuple(sorted(found))


def _is_young(lease: Obj, now: float) -> bool:
    """By the wall clock, which is good enough for what decides nothing."""
    spec = lease["spec"]
    age = now - timestamp_seconds(spec.get("renewTime") or "1970-01-01T00:00:00Z")
    return age < float(spec.get("leaseDurationSeconds") or 30)


def host_of(identity: str) -> str:
    """Identities are HOST_RANDOM, so that a restarted replica is told from its predecessor."""
    return identity.rsplit("_", 1)[0]
