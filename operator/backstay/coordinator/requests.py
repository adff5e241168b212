"""One-shot requests: move, cleanup, refresh, fence, confirm, describe.

A request stands in `spec.requests[]` of its object until its writer removes it; the DC answers by its id in `status.requests[]`. A move
is in force as a location constraint that stands in no object, from its acceptance until the resource is where it was asked for,
and leaves nothing behind. Everything else is an order to a node's agent, or a fact for the scheduler.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from backstay.api import HANodePlan, HAResource, PlanAction, ResourceGroup
from backstay.api.node import HANode, NodeRequest
from backstay.api.quantities import timestamp
from backstay.api.resource import RequestAck, ResourceRequest
from backstay.coordinator.membership import Membership
from backstay.coordinator.placement_tracker import Places
from backstay.ocf.agentspec import AgentSpec, AgentSpecError
from backstay.state.assemble import Objects
from backstay.state.claims import ObjectRef, ref_of
from backstay.state.constraint import Location
from backstay.state.score import INFINITY

MOVE_LIMIT_S = 120.0
CHORE_LIMIT_S = 60.0

Owner = tuple[str, str, str]
"""Kind, namespace and name of the object that carries a request."""

State = Literal["Accepted", "Done", "Refused", "TimedOut"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A move in force. `node` empty: away from `origin`."""

    owner: Owner
    request: str
    resource: str
    node: str
    origin: tuple[str, ...]
    since: float

    @property
    def key(self) -> str:
        return f"{self.request}:{self.resource}->{self.node or 'elsewhere'}"

    def constraints(self) -> tuple[Location, ...]:
        """Binding while it lasts."""
        if self.node:
            return (
                Location(id=f"move-{self.request}", resource=self.resource, node=self.node, score=INFINITY),
            )
        return tuple(
            Location(id=f"move-{self.request}-{node}", resource=self.resource, node=node, score=-INFINITY)
            for node in self.origin
        )


SWITCHING_ON = "switching it on"


@dataclass(frozen=True, slots=True)
class FenceRequest:
    """An administrator's: `action` off or reboot; empty: as the cluster does it."""

    node: str
    action: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chore:
    """An order outside any transition."""

    owner: Owner
    request: str
    node: str
    action: PlanAction
    since: float


class RequestDesk:
    """Takes requests in, keeps those under way, and has an answer for each."""

    def __init__(self, *, epoch: int, distrusts: bool = False) -> None:
        """`distrusts`: the first look is at a past that may have been answered already, and forgot it."""
        self._distrusts = distrusts
        self._epoch = epoch
        self._moves: dict[tuple[Owner, str], Move] = {}
        self._chores: dict[str, Chore] = {}
        self._acks: dict[tuple[Owner, str], RequestAck] = {}
        self._fences: dict[tuple[Owner, str], FenceRequest] = {}
        self._let_in: dict[tuple[Owner, str], str] = {}
        self._confirms: dict[tuple[Owner, str], str] = {}
        """Confirmations that no object holds yet, by request: the node."""
        self._serial = 0

    # -- what is under way

    @property
    def moves(self) -> tuple[Move, ...]:
        return tuple(self._moves[key] for key in sorted(self._moves))

    @property
    def chores(self) -> tuple[Chore, ...]:
        return tuple(self._chores[key] for key in sorted(self._chores))

    @property
    def fence_requested(self) -> Mapping[str, str]:
        """Nodes that an administrator wants fenced, and how; empty: as the cluster does it."""
        return {one.node: one.action for _, one in sorted(self._fences.items())}

    def take_let_in(self) -> list[tuple[str, str]]:
        """(key, node) of nodes that an administrator wants switched on; each is given out once."""
        fresh = [
            (f"{self._epoch}-on-{key[0][2]}-{key[1]}", node) for key, node in sorted(self._let_in.items())
        ]
        self._let_in.clear()
        return fresh

    def fencing_ended(self, node: str, action: str, *, failure: str, by: str, wall: float) -> None:
        """A fencing of the node has ended: answer those who asked for it. One that failed is not tried again for their sake."""
        for key, ack in list(self._acks.items()):
            if key[0] != ("HANode", "", node) or ack.state != "Accepted":
                continue
            wish = self._fences.get(key)
            if wish is None and not (action == "on" and ack.message == SWITCHING_ON):
                continue
            if wish is not None and action == "on":
                continue
            self._fences.pop(key, None)
            state: State = "Refused" if failure else "Done"
            self._answer(key, state, failure or f"{action} by {by}", wall)

    def settle_confirmed(self, unrecorded: Collection[str], wall: float) -> None:
        """Answer confirmations that are on record; those of `unrecorded` nodes are not."""
        for key, node in list(self._confirms.items()):
            if node not in unrecorded:
                del self._confirms[key]
                self._answer(key, "Done", "taken as dead on the administrator's word", wall)

    def acks(self, owner: Owner) -> list[RequestAck]:
        """All answers to one object's requests."""
        return [ack for (one, _), ack in sorted(self._acks.items()) if one == owner]

    def every_ack(self) -> dict[Owner, list[RequestAck]]:
        """The same for all objects that have any."""
        found: dict[Owner, list[RequestAck]] = {}
        for (owner, _), ack in sorted(self._acks.items()):
            found.setdefault(owner, []).append(ack)
        return found

    # -- steps

    def take(
        self,
        objects: Objects,
        active: Mapping[str, tuple[str, ...]],
        holders: Mapping[str, ObjectRef],
        now: float,
        wall: float,
        heard: Collection[str] = (),
    ) -> list[tuple[str, str]]:
        """Take in new requests. Returns (node, request id) of nodes that an administrator declared dead; not of those `heard`.

        `holders` says whose the ids of resources are (ResourceIndex.objects): a request on an object that asks for
        another's id must not reach what that one runs."""
        confirmed: list[tuple[str, str]] = []
        present: set[tuple[Owner, str]] = set()
        owners: list[HAResource | ResourceGroup] = [*objects.resources, *objects.groups]
        for item in owners:
            owner = _owner(item)
            for request in item.spec.requests:
                key = (owner, request.id)
                present.add(key)
                if not self._is_new(key, item.status.requests):
                    continue
                holder = holders.get(item.resource_id)
                if holder == ref_of(item):
                    self._take_resource_request(key, request, item, objects, active, now, wall)
                else:
                    self._answer(key, "Refused", f"{item.resource_id!r} {_held_by(holder)}", wall)
        for node in objects.nodes:
            owner = _owner(node)
            for wish in node.spec.requests:
                key = (owner, wish.id)
                present.add(key)
                if self._is_new(key, node.status.requests):
                    self._take_node_request(key, wish, node, objects, now, wall, confirmed, heard)
        self._distrusts = False
        for key in [one for one in self._acks if one not in present]:
            self._drop(key)
        return confirmed

    def _is_new(self, key: tuple[Owner, str], acknowledged: Iterable[RequestAck]) -> bool:
        if key in self._acks:
            return False
        for ack in acknowledged:
            if ack.id == key[1] and ack.state != "Accepted":
                self._acks[key] = ack  # answered by an earlier DC
                return False
        return True

    def _answer(self, key: tuple[Owner, str], state: State, message: str, wall: float) -> None:
        self._acks[key] = RequestAck(id=key[1], state=state, message=message, time=timestamp(wall))

    def _drop(self, key: tuple[Owner, str]) -> None:
        self._acks.pop(key, None)
        self._moves.pop(key, None)
        self._fences.pop(key, None)
        self._let_in.pop(key, None)
        self._confirms.pop(key, None)

    def _take_resource_request(
        self,
        key: tuple[Owner, str],
        request: ResourceRequest,
        item: HAResource | ResourceGroup,
        objects: Objects,
        active: Mapping[str, tuple[str, ...]],
        now: float,
        wall: float,
    ) -> None:
        id_ = item.resource_id
        if request.type == "move" and item.spec.clone is not None:
            hint = f"keep it off a node instead: kubectl ha resource ban {id_} NODE"
            self._answer(key, "Refused", f"a clone runs on several nodes and cannot be moved; {hint}", wall)
            return
        if request.type == "move":
            self._take_move(key, request, id_, objects, active, now, wall)
            return
        members = _members(item, objects)
        nodes = [request.node] if request.node else sorted(objects.plans)
        probes = objects.cluster.spec.properties.enable_startup_probes
        orders = 0
        for node in nodes:
            plan = objects.plans.get(node)
            if plan is None:
                continue
            for member in (name for one in members for name in _names_on(plan, one)):
                if request.type == "refresh" or _has_failures(plan, member, request.operation):
                    self._add_chore(key, node, _cleanup(member, request, probes=probes), now)
                    orders += 1
        if orders:
            self._answer(key, "Accepted", f"cleaning up on {orders} place(s)", wall)
        else:
            self._answer(key, "Done", "there was nothing to clean up", wall)

    def _take_move(
        self,
        key: tuple[Owner, str],
        request: ResourceRequest,
        id_: str,
        objects: Objects,
        active: Mapping[str, tuple[str, ...]],
        now: float,
        wall: float,
    ) -> None:
        names = {node.metadata.name for node in objects.nodes}
        origin = active.get(id_, ())
        if request.node and request.node not in names:
            self._answer(key, "Refused", f"node: there is no node {request.node!r} in this cluster", wall)
        elif not request.node and not origin:
            self._answer(key, "Refused", "it is not active anywhere; name the node to move it to", wall)
        elif request.node and origin == (request.node,):
            self._answer(key, "Done", f"it is on {request.node} already", wall)
        else:
            self._moves[key] = Move(
                owner=key[0], request=key[1], resource=id_, node=request.node or "", origin=origin, since=now
            )
            self._answer(key, "Accepted", f"moving to {request.node or 'another node'}", wall)

    def _take_node_request(
        self,
        key: tuple[Owner, str],
        wish: NodeRequest,
        node: HANode,
        objects: Objects,
        now: float,
        wall: float,
        confirmed: list[tuple[str, str]],
        online: Collection[str],
    ) -> None:
        name = node.metadata.name
        match wish.type:
            case "fence" | "confirm" if self._distrusts:
                why = (
                    "it stands in a past to which the API went back, and may have been done before: ask again"
                )
                self._answer(key, "Refused", why, wall)
            case "fence" if wish.action == "on":
                self._let_in[key] = name
                self._answer(key, "Accepted", SWITCHING_ON, wall)
            case "fence" if not objects.cluster.spec.properties.stonith_enabled:
                self._answer(key, "Refused", "stonithEnabled is false: this cluster fences nobody", wall)
            case "fence":
                self._fences[key] = FenceRequest(name, wish.action or "")
                self._answer(key, "Accepted", "fencing", wall)
            case "confirm" if name in online:
                why = "its heartbeat is heard, or not long missed: a node that may be heard is not dead"
                self._answer(key, "Refused", why, wall)
            case "confirm":
                confirmed.append((name, key[1]))
                self._confirms[key] = name
                self._answer(key, "Accepted", "recording that it is dead", wall)
            case "describe":
                wrong = _not_described(wish.agent or "")
                if name not in objects.plans or wrong:
                    self._answer(key, "Refused", f"agent: {wrong or 'this node has no plan yet'}", wall)
                    return
                order = PlanAction(id="", verb="meta-data", agent=wish.agent, timeout_ms=20_000)
                self._add_chore(key, name, order, now)
                self._answer(key, "Accepted", f"asking {name}", wall)

    def _add_chore(self, key: tuple[Owner, str], node: str, action: PlanAction, now: float) -> None:
        self._serial += 1
        # Ids must never repeat, also not after a change of DC: the epoch stands in front.
        order = action.model_copy(update={"id": f"{self._epoch}-r{self._serial}"})
        self._chores[order.id] = Chore(owner=key[0], request=key[1], node=node, action=order, since=now)

    def settle(
        self,
        *,
        plans: Mapping[str, HANodePlan],
        membership: Membership,
        places: Mapping[str, Places],
        placed: Mapping[str, tuple[str, ...]] | None,
        failure: Callable[[str, str], str],
        is_idle: Callable[[str], bool],
        now: float,
        wall: float,
    ) -> list[Chore]:
        """Answer what is over. Returns the chores that ended. `places` is where resources were started with success, `placed` where
        the last scheduling wants them; `failure` says what of a resource failed on a node, empty where nothing did; `is_idle` whether
        nothing is under way for a resource."""
        for key, move in list(self._moves.items()):
            state, message = _move_outcome(move, places, placed, idle=is_idle(move.resource), now=now)
            cause = failure(move.resource, move.node) if state in ("Refused", "TimedOut") else ""
            message += f"; {cause}" if cause else ""
            if state is not None:
                del self._moves[key]
                self._answer(key, state, message, wall)
        return self._settle_chores(plans, membership, now, wall)

    def _settle_chores(
        self, plans: Mapping[str, HANodePlan], membership: Membership, now: float, wall: float
    ) -> list[Chore]:
        ended: list[Chore] = []
        for id_, chore in list(self._chores.items()):
            plan = plans.get(chore.node)
            result = next((one for one in plan.status.results if one.id == id_), None) if plan else None
            view = membership.nodes.get(chore.node)
            gone = view is None or not view.usable
            if result is None and not gone and now - chore.since < CHORE_LIMIT_S:
                continue
            del self._chores[id_]
            ended.append(chore)
            key = (chore.owner, chore.request)
            if any((one.owner, one.request) == key for one in self._chores.values()):
                continue
            if result is not None and result.state == "Done":
                self._answer(key, "Done", "done", wall)
            elif gone:
                self._answer(key, "Refused", f"node {chore.node} is not there to do it", wall)
            else:
                why = result.message if result is not None else "no answer in time"
                self._answer(key, "TimedOut" if result is None else "Refused", why, wall)
        return ended


def never(_resource: str) -> bool:
    """No resource is idle: what was asked for is not in the last scheduling yet."""
    return False


def _move_outcome(
    move: Move,
    places: Mapping[str, Places],
    placed: Mapping[str, tuple[str, ...]] | None,
    *,
    idle: bool,
    now: float,
) -> tuple[State | None, str]:
    place = places.get(move.resource)
    where = place.nodes if place is not None else ()
    arrived = where == (move.node,) if move.node else bool(where) and not set(where) & set(move.origin)
    if arrived and idle:
        return "Done", f"it is on {' '.join(where)}"
    if now - move.since > MOVE_LIMIT_S:
        return "TimedOut", f"it did not arrive within {MOVE_LIMIT_S:.0f} s"
    target = placed.get(move.resource, ()) if placed is not None and idle else None
    if target is not None and move.node and target != (move.node,):
        instead = f"would run on {' '.join(target)}" if target else "could run nowhere"
        return "Refused", f"it cannot run on {move.node}: with this request it {instead}"
    if target is not None and not move.node and not target:
        return "Refused", "no other node can run it"
    return None, ""


def _not_described(agent: str) -> str:
    """Why no node runs the agent for its meta-data; empty if one does. Anything else on a host is no agent."""
    if not agent:
        return "name the agent to describe"
    try:
        AgentSpec.parse(agent)
    except AgentSpecError as error:
        return str(error)
    return ""


def _held_by(holder: ObjectRef | None) -> str:
    if holder is None:
        return "is not known to the DC: see the object's conditions"
    place = "/".join(one for one in (holder.namespace, holder.name) if one)
    return f"is the id of {holder.kind} {place}: set another spec.resourceId"


def _owner(item: HAResource | ResourceGroup | HANode) -> Owner:
    return (type(item).info.kind, item.metadata.namespace or "", item.metadata.name)


def _members(item: HAResource | ResourceGroup, objects: Objects) -> list[str]:
    if isinstance(item, HAResource):
        return [item.resource_id]
    by_name = {(one.metadata.namespace, one.metadata.name): one.resource_id for one in objects.resources}
    found = [
        member.name or by_name.get((item.metadata.namespace, member.resource or ""), "")
        for member in item.spec.members
    ]
    return [one for one in found if one]


def _names_on(plan: HANodePlan, resource: str) -> list[str]:
    """The names that a node has for the resource: its own, and those of a clone's numbered instances."""
    known = {one.resource for one in plan.status.history}
    known |= {one.resource for one in plan.status.failures}
    numbered = sorted(one for one in known if one.rpartition(":")[0] == resource)
    return [resource, *numbered] if resource in known or not numbered else numbered


def _has_failures(plan: HANodePlan, resource: str, operation: str | None) -> bool:
    failed = [one for one in plan.status.failures if one.resource == resource]
    if operation:
        return any(one.operation == operation for one in failed)
    bad = any(
        one.resource == resource
        and one.rc != one.target_rc
        and not (one.operation == "monitor" and one.rc == 7)
        for one in plan.status.history
    )
    return bool(failed) or bad


def _cleanup(resource: str, request: ResourceRequest, *, probes: bool) -> PlanAction:
    """Without probes nobody would find out what runs once its history is forgotten: then only failures are (here Pacemaker takes
    what runs for stopped, and starts it elsewhere)."""
    verb: Literal["cleanup", "forget"] = "cleanup" if request.operation or not probes else "forget"
    return PlanAction(
        id="", verb=verb, resource=resource, cleanup_operation=request.operation or "", timeout_ms=20_000
    )
