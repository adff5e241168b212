"""A whole cluster in memory: the real coordinator, and nodes that do what their plans say, under a clock of the test's own.

Nodes answer a plan at once, operations succeed unless the test says otherwise, and everything that ran is in `log`. `DoubleActive` is
raised at the moment a resource is started where another live node still runs it.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

from backstay.api import (
    FenceDevice,
    HACluster,
    HANode,
    HANodePlan,
    HAResource,
    OperationRecord,
    ResourceGroup,
)
from backstay.api.node import FencedStatus, UnfencedStatus
from backstay.api.plan import (
    ActionResult,
    AgentMetadata,
    Capabilities,
    PendingOperation,
    PlanAction,
)
from backstay.api.quantities import timestamp
from backstay.api.resource import RequestAck
from backstay.coordinator import Coordinator, Leaver, Orders, View
from backstay.liveness import LeaseTracker, NodeLease, WatchdogClaim
from backstay.liveness.machine import MachineIdentity
from backstay.state.assemble import Objects
from backstay.state.claims import ref_of
from backstay_nodeagent.documents import document_of
from harness.model_node import DoubleActive, ModelNode

EPOCH_WALL = 1_790_000_000.0


Verdict = Callable[[ModelNode, PlanAction], int]


class ModelCluster:
    """Drive with `run(seconds)`; break with `crash`, `cut`, `heal`, `boot`, `outcome`."""

    def __init__(self, *names: str, cluster: HACluster) -> None:
        self.nodes = {
            name: ModelNode(name, machine=MachineIdentity(f"{name}-machine", f"{name}-uuid"))
            for name in names
        }
        self.former_machines: list[ModelNode] = []
        """Machines that are cut off, and whose name another machine has taken."""
        self.switch_reaches_former = True
        """Whether the power switch of such a name is still that of the former machine."""
        self.cluster = cluster
        self.hanodes = {
            name: HANode.parse({"metadata": {"name": name, "uid": name, "generation": 1}}) for name in names
        }
        self.resources: list[HAResource] = []
        self.groups: list[ResourceGroup] = []
        self.constraints: list[object] = []
        self.devices: list[FenceDevice] = []
        self.now = 1000.0
        self.log: list[str] = []
        self.fence_log: list[str] = []
        self.delays: list[int] = []
        """Of fence orders, in the order of `fence_log`."""
        self.supplies: dict[str, set[str]] = {}
        """Fence devices that all must be off for a host to lose power; where nothing stands, any device is enough."""
        self.dark: dict[str, set[str]] = {}
        self.story: list[str] = []
        self.summaries: list[str] = []
        self.outcome: Verdict = lambda _node, action: action.target_rc
        self.takes: Callable[[ModelNode, PlanAction], float] = lambda _node, _action: 0.0
        self.unseen: list[tuple[ModelNode, PlanAction]] = []
        self.deaf: set[str] = set()
        self.agents: dict[str, str] = {}
        """Agents that every node has, with their meta-data; empty: nodes say nothing about their agents."""
        self.answers_enquiries = True
        self.wall_shift = 0.0
        self.slow = False
        """Agents do one thing at a time, and report it."""
        self.vouches = False
        """Whether keepers know of challenges and promises."""
        self.claim: WatchdogClaim | None = None
        """What renewals say of a watchdog, of nodes that were told to arm it."""
        self.lists = True
        """Whether the DC lists the Leases; False: it hears of them by watch alone."""
        self.tracker = LeaseTracker(read_gap_s=1.0)
        self.epoch = 0
        self.leaving: dict[str, str] = {}
        self.left: dict[str, str] = {}
        """Members whose objects were deleted, and by what proof."""
        self.hidden: set[str] = set()
        """HANodes that cannot be read."""
        self.records = True
        """Whether the API takes records of fencings; False: each of those writes is lost."""
        self.plans_made = 0
        self.watchers: list[Callable[[Objects, Orders], None]] = []
        """Told of every step of the DC."""
        self.dc: Coordinator | None = None
        self.orders: Orders | None = None
        self.new_dc()

    # -- the administrator

    def add(self, *items: HAResource | ResourceGroup | FenceDevice) -> None:
        for item in items:
            item.metadata.uid = item.metadata.uid or f"{type(item).__name__}-{item.metadata.name}"
            item.metadata.generation = item.metadata.generation or 1
            if isinstance(item, HAResource):
                self.resources.append(item)
            elif isinstance(item, ResourceGroup):
                self.groups.append(item)
            else:
                self.devices.append(item)

    def set_node(self, name: str, **fields: object) -> None:
        node = self.hanodes[name]
        spec = node.spec.model_copy(update=fields)
        metadata = node.metadata.model_copy(update={"generation": node.metadata.generation + 1})
        self.hanodes[name] = node.model_copy(update={"spec": spec, "metadata": metadata})

    def set_cluster(self, **fields: object) -> None:
        spec = self.cluster.spec.model_copy(update=fields)
        generation = self.cluster.metadata.generation + 1
        metadata = self.cluster.metadata.model_copy(update={"generation": generation})
        self.cluster = self.cluster.model_copy(update={"spec": spec, "metadata": metadata})

    def set_status(self, name: str, **fields: object) -> None:
        node = self.hanodes[name]
        self.hanodes[name] = node.model_copy(update={"status": node.status.model_copy(update=fields)})

    def set_published(self, name: str, state: str) -> None:
        """What a DC before has written into the node's status."""
        self.set_status(name, state=state)

    def request(self, resource: str, request: dict[str, object]) -> None:
        """Write a one-shot request into a resource."""
        for number, item in enumerate(self.resources):
            if item.resource_id == resource:
                changed = item.model_dump(by_alias=True, exclude_none=True)
                changed["spec"].setdefault("requests", []).append(request)
                changed["metadata"]["generation"] += 1
                self.resources[number] = HAResource.parse(changed)

    def request_node(self, name: str, request: dict[str, object]) -> None:
        """Write a one-shot request into a node."""
        changed = self.hanodes[name].model_dump(by_alias=True, exclude_none=True)
        changed["spec"].setdefault("requests", []).append(request)
        changed["metadata"]["generation"] += 1
        self.hanodes[name] = HANode.parse(changed)

    def node_acks(self, name: str) -> list[RequestAck]:
        assert self.dc is not None
        return self.dc.desk.acks(("HANode", "", name))

    def acks(self, resource: str) -> list[RequestAck]:
        """The DC's answers."""
        assert self.dc is not None
        item = next(one for one in self.resources if one.resource_id == resource)
        return self.dc.desk.acks(("HAResource", item.metadata.namespace or "", item.metadata.name))

    def set_resource(self, name: str, **meta: object) -> None:
        for number, item in enumerate(self.resources):
            if item.resource_id == name:
                changed = item.model_dump(by_alias=True, exclude_none=True)
                changed["spec"].setdefault("meta", {}).update(meta)
                changed["metadata"]["generation"] += 1
                self.resources[number] = HAResource.parse(changed)

    def leave(self, name: str, why: str) -> None:
        """The cluster does not select the node any more."""
        self.leaving[name] = why

    def stay(self, name: str) -> None:
        del self.leaving[name]

    # -- the adversary

    def publish(self, name: str) -> None:
        """What the DC writes into the HANode's status, as far as it matters to the next."""
        plan = self.nodes[name].plan
        assert plan is not None
        self.set_status(name, boot_id=plan.status.boot_id, agent_version=plan.status.agent_version)

    def delete_plan(self, name: str) -> None:
        """The agent reports all of it again once there is another plan, and it obeys."""
        node = self.nodes[name]
        assert node.plan is not None
        node.kept = node.plan.status
        node.plan = None

    def hide_hanode(self, name: str) -> None:
        """It is deleted or cannot be read: the DC is handed a stand-in."""
        self.hidden.add(name)

    def delete_all_of(self, name: str) -> None:
        """Its Node, its HANode and its HANodePlan."""
        self.delete_plan(name)
        del self.hanodes[name]

    def new_dc(self, *, fresh_eyes: bool = False) -> None:
        """A new DC takes over; with `fresh_eyes` one that has not watched before."""
        self.epoch += 1
        if fresh_eyes:
            self.tracker = LeaseTracker(read_gap_s=1.0)
        self.dc = Coordinator(cluster="c", epoch=self.epoch, number=0, tracker=self.tracker, homes={})

    def crash(self, name: str) -> None:
        node = self.nodes[name]
        node.up = False
        node.active.clear()
        node.running.clear()

    def cut(self, name: str) -> None:
        self.nodes[name].linked = False

    def heal(self, name: str) -> None:
        self.nodes[name].linked = True

    def boot(self, name: str) -> None:
        node = self.nodes[name]
        self.nodes[name] = ModelNode(
            name, boot=node.boot + 1, plan=node.plan, renewals=node.renewals, machine=node.machine
        )

    def usurp(self, name: str, machine: MachineIdentity) -> ModelNode:
        """Another machine registers under the name of one that is cut off, which goes on. Returns the former."""
        former = self.nodes[name]
        assert not former.linked, "two machines that reach the API are no case of this model"
        plan = former.plan.model_copy(deep=True) if former.plan is not None else None
        self.nodes[name] = ModelNode(
            name, boot=former.boot + 1, plan=plan, renewals=former.renewals, machine=machine
        )
        self.former_machines.append(former)
        return former

    # -- time

    def run(self, seconds: float, *, step: float = 0.05) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += step
            for node in [*self.nodes.values(), *self.former_machines]:
                self._live(node)
            self._decide()

    def _live(self, node: ModelNode) -> None:
        if not node.up:
            return
        if not node.linked:
            self._cut_off(node)
            return
        node.renewals += 1
        beat = (node.plan.spec.beat if node.plan is not None else 0) if self.vouches else None
        lease = NodeLease(
            node=node.name,
            token=str(node.renewals),
            boot_id=node.boot_id,
            duration_s=3.0,
            beat=beat,
            vouching_s=1.0 if node.promised else 0.0,
            watchdog=self.claim if node.plan is not None and node.plan.spec.watchdog else None,
            machine=node.machine,
        )
        self.tracker.observe(lease, self.now)
        node.renewed_at = self.now  # type: ignore[attr-defined]
        if node.plan is not None and node.obeys and node.name not in self.deaf:
            self._obey(node)

    def _cut_off(self, node: ModelNode) -> None:
        if self.now - getattr(node, "renewed_at", self.now) < 2.0 or node.released or node.vouched:
            return
        free = [name for name, requires in node.active.items() if requires in ("quorum", "nothing")]
        for name in free:
            del node.active[name]
            node.unsent.append(name)
        node.released = bool(free)

    def _obey(self, node: ModelNode) -> None:
        plan = node.plan
        assert plan is not None
        for name in node.unsent:
            self._record(node, name, "stop", 0, 0)
        node.unsent.clear()
        if node.kept is not None:
            plan.status, node.kept = node.kept, None
        status = plan.status
        if status.boot_id != node.boot_id:
            status = type(status)(boot_id=node.boot_id, agent_version="model")
            plan = plan.model_copy(update={"status": status})
            node.plan = plan
        if node.released and plan.spec.sync > node.synced:
            node.released = False
        node.synced = plan.spec.sync
        results = [one for one in status.results if any(one.id == action.id for action in plan.spec.actions)]
        failed = {one.id for one in results if one.state != "Done"}

        def end(action: PlanAction) -> None:
            state, rc = self._execute(node, action, failed)
            if state != "Done":
                failed.add(action.id)
            if any(one.id == action.id for one in plan.spec.actions):
                results.append(ActionResult(id=action.id, state=state, rc=rc))

        for late, action in [one for one in self.unseen if one[0] is node]:
            self.unseen.remove((late, action))
            end(action)
        for action, ends_at in list(node.running.values()):
            if ends_at <= self.now:
                del node.running[action.id]
                end(action)
        for action in plan.spec.actions:
            if action.id in node.done or plan.spec.boot_id != node.boot_id:
                continue
            if self._must_wait(node, action):
                continue
            node.done.add(action.id)
            takes_s = self.takes(node, action)
            if takes_s and not any(one in failed for one in action.after):
                self._begin(node, action, takes_s)
                continue
            end(action)
            if self.slow:
                break
        status.results = results
        put_there = [one for one in status.pending if one.action_id not in node.done]
        status.pending = put_there + [
            PendingOperation(
                action_id=one.id,
                resource=one.resource,
                verb=one.verb,
                interval_ms=one.interval_ms,
                target=one.target,
                started=timestamp(self.wall),
            )
            for one, _ in node.running.values()
        ]
        status.observed_generation = plan.metadata.generation
        status.observed_epoch = plan.spec.epoch
        status.released = node.released
        status.recording_trouble = "No space left on device" if node.disk_full else ""
        status.vouching_key = sha256(node.boot_id.encode()).hexdigest() if self.vouches else ""
        if self.agents:
            status.capabilities = Capabilities(standards=["ocf"], agents=sorted(self.agents))

    def _must_wait(self, node: ModelNode, action: PlanAction) -> bool:
        """Whether an operation on its resource runs, or one that must come first. What stops a resource ends its monitors."""
        busy = [one for one, _ in node.running.values() if one.resource and one.resource == action.resource]
        for one in busy:
            ended = one.verb == "monitor" and one.interval_ms and action.verb in ("stop", "demote", "cancel")
            if not ended:
                return True
            del node.running[one.id]
            self.log.append(f"{node.name} ended monitor {one.resource}")
        return any(one in node.running for one in action.after)

    def _begin(self, node: ModelNode, action: PlanAction, takes_s: float) -> None:
        """Nobody may start what runs, or is being started or stopped, on another live node."""
        node.running[action.id] = (action, self.now + takes_s)
        self.log.append(f"{node.name} begins {action.verb} {action.resource or action.target}")
        if action.verb == "start":
            self._assert_alone(node, action)

    def _assert_alone(self, node: ModelNode, action: PlanAction) -> None:
        resource = action.resource
        if "clone" in action.meta and action.meta.get("globally_unique") != "true":
            return
        for other in [*self.nodes.values(), *self.former_machines]:
            if other is node or not other.up:
                continue
            active = resource in other.active
            active |= any(
                one.resource == resource and one.verb == "start" for one, _ in other.running.values()
            )
            if active:
                raise DoubleActive(f"{resource} on {node.name} and {other.name} at {self.now}")

    def _execute(self, node: ModelNode, action: PlanAction, failed: set[str]) -> tuple[str, int | None]:
        if any(one in failed for one in action.after):
            return "Skipped", None
        if node.disk_full and action.verb in ("start", "promote", "migrate_to", "migrate_from", "reload"):
            return "Refused", None
        if action.verb == "fence":
            return self._fence(node, action)
        if action.verb == "meta-data":
            self._describe(node, action.agent)
            return "Done", 0
        if action.verb in ("cancel", "cleanup", "forget"):
            node.forget(action)
            return "Done", 0
        rc = self._operate(node, action)
        expected = rc == action.target_rc
        self._record(node, action.resource, action.verb, rc, action.target_rc, action=action)
        if not expected and not (action.verb == "monitor" and action.interval_ms == 0):
            node.count_failure(action, rc, wall=self.wall)
        return ("Done" if expected else "Failed"), rc

    def _fence(self, node: ModelNode, action: PlanAction) -> tuple[str, int | None]:
        """A host with several devices loses its power when all of them have cut it off."""
        if action.fence_action == "monitor":
            return ("Done", 0) if self.outcome(node, action) == 0 else ("Failed", 1)
        how = "" if action.fence_action == "reboot" else f" {action.fence_action}"
        self.log.append(f"{node.name} fence {action.target}{how}")
        self.fence_log.append(f"{node.name}: {action.resource} {action.fence_action} {action.target}")
        self.delays.append(action.start_delay_ms)
        if self.outcome(node, action) != 0:
            return "Failed", 1
        supplies = self.supplies.get(action.target, {action.resource})
        dark = self.dark.setdefault(action.target, set())
        if action.fence_action == "on":
            dark.discard(action.resource)
        elif action.fence_action == "off":
            dark.add(action.resource)
        if (action.fence_action == "reboot" and supplies <= {action.resource}) or supplies <= dark:
            self._lose_power(action.target)
        return "Done", 0

    def _lose_power(self, name: str) -> None:
        former = [node for node in self.former_machines if node.name == name and node.up]
        if former and self.switch_reaches_former:
            former[-1].up = False
            former[-1].active.clear()
        else:
            self.crash(name)

    def _describe(self, node: ModelNode, agent: str) -> None:
        assert node.plan is not None
        self.log.append(f"{node.name} meta-data {agent}")
        if self.answers_enquiries and agent in self.agents:
            document = document_of(agent, 0, self.agents[agent])
            copy = AgentMetadata(agent=agent, digest=document.digest, xml_gz=document.xml_gz)
            node.plan.status.metadata = [*node.plan.status.metadata, copy]

    def _operate(self, node: ModelNode, action: PlanAction) -> int:
        rc = self.outcome(node, action)
        self.log.append(
            f"{node.name} {action.verb} {action.resource}" + ("" if rc == action.target_rc else f" rc={rc}")
        )
        if action.verb == "start" and rc == 0:
            self._assert_alone(node, action)
            node.active[action.resource] = action.requires
        if action.verb == "stop" and rc == 0:
            node.active.pop(action.resource, None)
        if action.verb == "monitor":
            natural = 0 if action.resource in node.active else 7
            return natural if rc == action.target_rc else rc
        return rc

    def _record(
        self,
        node: ModelNode,
        resource: str,
        verb: str,
        rc: int,
        target: int,
        *,
        action: PlanAction | None = None,
    ) -> None:
        node.calls += 1
        assert node.plan is not None
        interval = action.interval_ms if action else 0
        kept = [
            one
            for one in node.plan.status.history
            if (one.resource, one.operation, one.interval_ms) != (resource, verb, interval)
        ]
        if verb == "stop":
            kept = [one for one in kept if one.resource != resource or one.interval_ms == 0]
        record = OperationRecord(
            resource=resource,
            operation=verb,
            interval_ms=interval,
            agent=action.agent if action else "ocf:heartbeat:Dummy",
            action_id=action.id if action else "",
            call_id=node.calls,
            rc=rc,
            target_rc=target,
            status="Done" if rc in (target, 0, 7) else "Error",
            last_run=timestamp(self.wall),
            last_change=timestamp(self.wall),
            digest=action.digest if action else "",
        )
        node.plan.status.history = [*kept, record]

    def fail_monitor(self, name: str, resource: str, rc: int = 7) -> None:
        """A recurring monitor finds the resource gone, behind the cluster's back."""
        node = self.nodes[name]
        assert node.plan is not None
        node.active.pop(resource, None)
        record = next(
            one
            for one in node.plan.status.history
            if one.resource == resource and one.operation == "monitor" and one.interval_ms
        )
        action = PlanAction(
            id=record.action_id,
            verb="monitor",
            resource=resource,
            interval_ms=record.interval_ms,
            agent=record.agent,
            digest=record.digest,
        )
        self._record(node, resource, "monitor", rc, 0, action=action)
        node.count_failure(action, rc, wall=self.wall)

    def ran_unseen(self, name: str, resource: str) -> None:
        """The agent of a deaf node has run the start that it was sent, and not yet said so."""
        node = self.nodes[name]
        assert node.plan is not None
        (action,) = [one for one in node.plan.spec.actions if (one.verb, one.resource) == ("start", resource)]
        node.done.add(action.id)
        self.unseen.append((node, action))

    @property
    def wall(self) -> float:
        return EPOCH_WALL + self.now + self.wall_shift

    def _decide(self) -> None:
        assert self.dc is not None
        self.tracker.read_succeeded(self.now, sent_at=self.now if self.lists else None)
        objects = Objects(
            cluster=self.cluster,
            nodes=tuple(self._shown(name, node) for name, node in self.hanodes.items()),
            leaving=dict(self.leaving),
            resources=tuple(self.resources),
            groups=tuple(self.groups),
            constraints=tuple(self.constraints),  # type: ignore[arg-type]
            devices=tuple(self.devices),
            plans={name: node.plan for name, node in self.nodes.items() if node.plan is not None},
        )
        addresses = {name: name for name in self.nodes} if self.vouches else {}
        view = View(
            now=self.now,
            wall=self.wall,
            objects=objects,
            addresses=addresses,
        )
        orders = self.dc.step(view)
        self.orders = orders
        self.story += [item.message for item in orders.story]
        for watch in self.watchers:
            watch(objects, orders)
        owned: dict[object, list[str]] = {}
        for id_, ref in orders.picture.assembly.index.objects.items():
            owned.setdefault(ref, []).append(id_)
        for item in (*self.resources, *self.groups):
            item.status.ids = sorted(owned.get(ref_of(item), []))
        for leaver in orders.leavers:
            self._let_go(leaver)
        for name, spec in orders.plans.items():
            node = self.nodes[name]
            if name in self.left and name not in self.hanodes:
                continue
            if node.plan is None:
                self.plans_made += 1
                metadata = {"name": name, "uid": f"{name}-{self.plans_made}", "generation": 1}
                node.plan = HANodePlan.parse({"metadata": metadata})
                node.plan.spec = spec
                if name not in self.hanodes:  # held by its plan, it is given an HANode
                    self.hanodes[name] = HANode.parse(
                        {"metadata": {"name": name, "uid": f"{name}-2", "generation": 1}}
                    )
                    self.leaving[name] = "its Node was deleted"
            elif node.plan.spec.wire() != spec.wire():
                node.plan.spec = spec
                node.plan.metadata.generation += 1
        for fenced in orders.fenced if self.records else ():
            record = FencedStatus(boot_id=fenced.boot_id, time=timestamp(self.wall), epoch=self.epoch)
            status = self.hanodes[fenced.node].status.model_copy(update={"fenced": record})
            self.hanodes[fenced.node] = self.hanodes[fenced.node].model_copy(update={"status": status})

        for one in orders.let_in:
            unfenced = UnfencedStatus(boot_id=one.boot_id, devices=one.devices, time=timestamp(self.wall))
            status = self.hanodes[one.node].status.model_copy(update={"unfenced": unfenced})
            self.hanodes[one.node] = self.hanodes[one.node].model_copy(update={"status": status})

    def _shown(self, name: str, node: HANode) -> HANode:
        return HANode.parse({"metadata": {"name": name}}) if name in self.hidden else node

    def _let_go(self, leaver: Leaver) -> None:
        node = self.nodes[leaver.node]
        if node.up and node.active:
            raise DoubleActive(f"{leaver.node} was let go and runs {sorted(node.active)}")
        self.left[leaver.node] = leaver.proof
        node.plan = None
        self.hanodes.pop(leaver.node, None)
        self.leaving.pop(leaver.node, None)

    # -- questions

    def where(self, resource: str) -> list[str]:
        return [name for name, node in self.nodes.items() if resource in node.active]

    def actions(self, *, since: int = 0) -> list[str]:
        """What ran, without probes and recurring monitors."""
        return [line for line in self.log[since:] if " monitor " not in line and " meta-data " not in line]
