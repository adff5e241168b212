"""Actions of the graph as actions in a node's plan, and the book of what each plan shall say.

The book keeps, per node, the actions that were sent and not yet taken back. An action whose result is known stays until the next write,
because a write only to tidy up would cost a round trip; agents never run an id twice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Literal

from backstay.api import (
    HANodePlan,
    HANodePlanSpec,
    Heartbeat,
    Machine,
    PlanAction,
    VouchingSpec,
    WatchdogSpec,
)
from backstay.api.plan import Verb
from backstay.coordinator.membership import Membership, NodeView
from backstay.fencing import DeviceSettings, FenceStep, HostCheck
from backstay.liveness.leases import Pulse
from backstay.state.assemble import Assembly
from backstay.state.assemble_resources import SECRET_MARK
from backstay.state.choices import Requires
from backstay.state.digest import params_digest
from backstay.state.resource import Clone, Primitive, primitives_of
from backstay.transition.graph import Action, ActionKind

_VERBS: Mapping[str, Verb] = {
    "start": "start",
    "stop": "stop",
    "monitor": "monitor",
    "promote": "promote",
    "demote": "demote",
    "notify": "notify",
    "reload": "reload",
    "reload-agent": "reload",
    "migrate_to": "migrate_to",
    "migrate_from": "migrate_from",
    "cancel": "cancel",
    "clear_failcount": "cleanup",
    "delete": "forget",
    "lrm_delete": "forget",
}
_DEFAULT_STOP_MS = 20_000


class ActionWriter:
    """Turns graph actions of one transition into plan actions."""

    def __init__(self, assembly: Assembly, *, epoch: int, number: int) -> None:
        self._assembly = assembly
        self._epoch = epoch
        self._number = number
        self._taken: dict[int, str] = {}
        self._primitives = {
            item.id: item for resource in assembly.state.resources for item in primitives_of(resource)
        }
        self._anonymous = {
            item.id
            for resource in assembly.state.resources
            if isinstance(resource, Clone) and resource.is_anonymous
            for item in primitives_of(resource)
        }

    def id_of(self, action_id: int) -> str:
        """The id that is unique over all time; of an action that was taken over in flight, the one that it had."""
        return self._taken.get(action_id) or f"{self._epoch}-{self._number}-{action_id}"

    def take(self, action_id: int, order: str) -> None:
        """The action is in flight already, under this id."""
        self._taken[action_id] = order

    def is_for_agent(self, action: Action) -> bool:
        """Whether a node's agent has to do something."""
        return action.kind in (ActionKind.RESOURCE, ActionKind.CLUSTER) and action.operation in _VERBS

    def plan_action(self, action: Action, after: Iterable[int]) -> PlanAction:
        """The order to the node's agent."""
        instance = self.name_on_node(action)
        primitive = self._primitives.get(action.base_id or instance)
        verb = _VERBS[action.operation]
        values = self._params(primitive, action)
        # An agent's own parameters travel with every action, since it may be the first that this node hears of the resource.
        return PlanAction(
            id=self.id_of(action.id),
            verb=verb,
            resource=instance,
            group=self._assembly.index.group_of.get(primitive.id, "") if primitive else "",
            agent=str(action.agent or (primitive.agent if primitive else "")),
            interval_ms=action.interval_ms,
            timeout_ms=max(1, action.timeout_ms),
            start_delay_ms=action.start_delay_ms,
            params={name: value for name, value in values.items() if not value.startswith(SECRET_MARK)},
            params_from=self._sources(primitive),
            namespace=self._namespace(primitive),
            meta=dict(action.meta),
            after=[self.id_of(one) for one in after],
            target_rc=action.target_rc or 0,
            requires=self._requires(primitive),
            stop_timeout_ms=_stop_timeout_ms(primitive),
            digest=params_digest(values | _own_of(action)),
            cleanup_operation=str(action.meta.get("operation", "")) if verb == "cleanup" else "",
        )

    @staticmethod
    def verb_of(action: Action) -> str:
        """What the action is called in a plan."""
        return _VERBS.get(action.operation, action.operation)

    def name_on_node(self, action: Action) -> str:
        """The name under which a node's agent keeps the instance. A node runs one instance of an anonymous clone, and its number is
        an affair of one scheduling: the node knows it by the primitive's name, as Pacemaker's do (Pacemaker Explained, "Clones")."""
        return action.base_id if action.base_id in self._anonymous else action.resource or ""

    def _params(self, primitive: Primitive | None, action: Action) -> dict[str, str]:
        own = dict(primitive.params) if primitive else {}
        return {**own, **action.params}

    def _sources(self, primitive: Primitive | None) -> dict[str, object]:
        template = self._assembly.index.templates.get(primitive.id) if primitive else None
        return {name: one.anywhere() for name, one in template.params_from.items()} if template else {}

    def _namespace(self, primitive: Primitive | None) -> str:
        ref = self._assembly.index.objects.get(primitive.id) if primitive else None
        return ref.namespace if ref else ""

    def _requires(self, primitive: Primitive | None) -> str:
        found = self._assembly.requires.get(primitive.id) if primitive else None
        return (found or Requires.FENCING).value


def _own_of(action: Action) -> dict[str, str]:
    """A recurring operation's digest covers its timeout too: a changed timeout only schedules the monitor anew."""
    return {"CRM_meta_timeout": str(action.timeout_ms)} if action.interval_ms else {}


def _stop_timeout_ms(primitive: Primitive | None) -> int:
    for operation in primitive.operations if primitive else ():
        if operation.name == "stop" and operation.timeout_ms is not None:
            return operation.timeout_ms
    return _DEFAULT_STOP_MS


def fence_order(id_: str, step: FenceStep, target: str, *, delay_ms: int) -> PlanAction:
    """The order to run a fence agent against a node."""
    device = step.device
    command = device.commands[step.action]
    params = dict(device.params) | {"pcmk_host_argument": device.host_argument}
    if device.host_argument != "none":
        # What is written out among the parameters is meant so: a device for one node alone.
        params.setdefault(device.host_argument, step.plug)
    asks = device.host_check.asks and step.action != "on"
    return PlanAction(
        id=id_,
        verb="fence",
        resource=device.name,
        agent=device.agent,
        timeout_ms=command.timeout_ms,
        start_delay_ms=delay_ms,
        params=params | {f"pcmk_{step.action}_action": command.word},
        params_from=dict(device.params_from),
        target=target,
        fence_action=step.action,
        host_check=_CHECKS[device.host_check] if asks else "",
        attempts=command.attempts,
    )


def check_order(id_: str, device: DeviceSettings) -> PlanAction:
    """The order to see whether a fence device answers."""
    command = device.commands["monitor"]
    return PlanAction(
        id=id_,
        verb="fence",
        resource=device.name,
        agent=device.agent,
        timeout_ms=command.timeout_ms,
        params={**device.params, "pcmk_monitor_action": command.word},
        params_from=dict(device.params_from),
        fence_action="monitor",
        attempts=command.attempts,
    )


_CHECKS: Mapping[HostCheck, Literal["dynamic-list", "status"]] = {
    HostCheck.DYNAMIC_LIST: "dynamic-list",
    HostCheck.STATUS: "status",
}


class PlanBook:
    """What every plan shall say now."""

    def __init__(self, *, cluster: str, epoch: int, term: str = "") -> None:
        self._cluster = cluster
        self._term = term
        self._epoch = epoch
        self._actions: dict[str, dict[str, PlanAction]] = {}

    def add(self, node: str, actions: Iterable[PlanAction]) -> None:
        """Send these along with the next write."""
        book = self._actions.setdefault(node, {})
        for action in actions:
            book[action.id] = action

    def take_back(self, node: str, ids: Iterable[str]) -> None:
        """These shall not be run any more, if they have not begun."""
        book = self._actions.get(node, {})
        for id_ in ids:
            book.pop(id_, None)

    def forget_node(self, node: str) -> None:
        """Nothing shall be run there."""
        self._actions.pop(node, None)

    def tidy(self, plans: Mapping[str, HANodePlan], adding: Iterable[str]) -> None:
        """Drop answered actions from plans that are about to be written anyway."""
        for node in adding:
            plan = plans.get(node)
            if plan is not None:
                self.take_back(node, [result.id for result in plan.status.results])

    def holds(self, node: str) -> Mapping[str, PlanAction]:
        """The actions that the node's plan shall hold."""
        return self._actions.get(node, {})

    def specs(
        self,
        membership: Membership,
        *,
        heartbeat: Heartbeat,
        syncs: Mapping[str, int],
        vouching: Mapping[str, VouchingSpec | None],
        watchdog: Mapping[str, WatchdogSpec],
        dismissed: Collection[str],
        beat: int,
        plans: Mapping[str, HANodePlan],
    ) -> dict[str, HANodePlanSpec]:
        """The spec of every node's plan. Actions go only to a node that answers, in the boot that they were meant for.

        So do peers: a node that is silent may live by the promises of those that it knows, until it has read of others."""
        specs = {}
        for name, view in membership.nodes.items():
            actions = list(self._actions.get(name, {}).values()) if view.usable else []
            present = plans[name].spec if name in plans else HANodePlanSpec()
            specs[name] = HANodePlanSpec(
                cluster=self._cluster,
                epoch=self._epoch,
                term=self._term,
                boot_id=view.plan_boot,
                machine=_machine(view, present),
                sync=syncs[name],
                heartbeat=heartbeat,
                beat=beat if view.pulse is Pulse.FRESH else present.beat,
                vouching=vouching.get(name) if view.usable else present.vouching,
                watchdog=watchdog.get(name) if view.usable else present.watchdog,
                dismissed=name in dismissed if view.usable else present.dismissed,
                takes_absences=True,
                actions=actions,
            )
        return specs


def _machine(view: NodeView, present: HANodePlanSpec) -> Machine | None:
    """The machine of the boot that the plan is meant for. What was known of this boot is not lost to a Lease that says less."""
    if not view.plan_boot:
        return None
    same_boot = view.plan_boot == present.boot_id
    if same_boot and (view.former is not None or not view.machine.complete):
        return present.machine
    return Machine(machine_id=view.machine.machine_id, system_uuid=view.machine.system_uuid)
