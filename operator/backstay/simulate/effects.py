"""Pretend that an action was done: the state that follows from its success."""

from collections import Counter
from dataclasses import replace

from backstay.simulate.op_spec import OpSpec
from backstay.state.choices import OpStatus
from backstay.state.cluster import ClusterState
from backstay.state.history import FailCount, OpRecord, ResourceHistory
from backstay.state.node import Node
from backstay.state.resource import primitives_of
from backstay.state.score import INFINITY
from backstay.transition.graph import Action, ActionKind

_RC_NOT_RUNNING = 7


class World:
    """A state that can be changed step by step."""

    def __init__(self, state: ClusterState) -> None:
        self._state = state
        self._nodes = {node.name: node for node in state.nodes}
        times = Counter((one.node, one.resource) for one in state.histories)
        self._histories = {key: one for one in state.histories if times[key := (one.node, one.resource)] == 1}
        # Where a node has several histories of one resource they stay as they are, and results get one of their own.
        self._twofold = [one for one in state.histories if times[(one.node, one.resource)] > 1]
        self._fail_counts = list(state.fail_counts)

    @property
    def state(self) -> ClusterState:
        """The state as it is now. Histories stay sorted by node: of several copies the first read is the one meant."""
        turn = {name: position for position, name in enumerate(self._nodes)}
        return replace(
            self._state,
            nodes=tuple(self._nodes.values()),
            histories=tuple(
                sorted(
                    (*self._twofold, *self._histories.values()),
                    key=lambda one: turn.get(one.node, len(turn)),
                )
            ),
            fail_counts=tuple(self._fail_counts),
        )

    def apply(self, action: Action, *, rc: int | None = None) -> None:
        """Let an action succeed, or end with the given return code."""
        match action.kind:
            case ActionKind.PSEUDO:
                return
            case ActionKind.FENCING:
                self._fence(action)
            case ActionKind.CLUSTER:
                self._bookkeeping(action)
            case ActionKind.RESOURCE:
                self._operate(action, rc)

    def _fence(self, action: Action) -> None:
        assert action.node is not None
        if action.fencing_action == "on":
            return
        self.lose(action.node, clean=True)

    def lose(self, name: str, *, clean: bool) -> None:
        """A node goes away: fenced (clean), or nobody knows how."""
        node: Node = self._nodes[name]
        self._nodes[name] = replace(
            node,
            online=False,
            seen=node.seen or clean,
            unclean=not clean,
            unclean_reason="" if clean else "peer is no longer part of the cluster",
            pending=False,
            shutdown=False,
            left=False,
            fence_requested=node.fence_requested and not clean,
            transient={} if clean else node.transient,
        )
        if clean:
            self._histories = {key: one for key, one in self._histories.items() if key[0] != name}
            self._twofold = [one for one in self._twofold if one.node != name]
            self._fail_counts = [one for one in self._fail_counts if one.node != name]

    def join(self, name: str) -> None:
        """A node comes (back) up, with nothing running on it."""
        self.lose(name, clean=True)
        self._nodes[name] = replace(self._nodes[name], online=True, seen=True)

    def stand_by(self, name: str) -> None:
        """A node that is to run nothing."""
        self._nodes[name] = replace(self._nodes[name], standby=True)

    def inject(self, spec: OpSpec) -> None:
        """A result that an operation had on a node; a failure is counted. What was active there and was not named stays."""
        agent = next(
            (
                one.agent
                for resource in self._state.resources
                for one in primitives_of(resource)
                if one.id == spec.resource.partition(":")[0]
            ),
            None,
        )
        history = self._histories.get((spec.node, spec.resource)) or ResourceHistory(
            resource=spec.resource, node=spec.node, agent=agent
        )
        probe = spec.operation == "monitor" and not spec.interval_ms
        expected = _RC_NOT_RUNNING if probe else 0
        failed = spec.rc not in ((0, _RC_NOT_RUNNING, 8) if probe else (0,))
        record = OpRecord(
            id=f"{spec.resource}_{'last_failure_0' if failed else spec.operation}",
            operation=spec.operation,
            interval_ms=spec.interval_ms,
            call_id=1 + max((one.call_id for one in history.operations), default=0),
            rc=spec.rc,
            target_rc=expected,
            status=OpStatus.ERROR if failed else OpStatus.DONE,
            last_rc_change=self._state.now,
            last_run=self._state.now,
        )
        same = (spec.operation, spec.interval_ms)
        kept = tuple(one for one in history.operations if (one.operation, one.interval_ms) != same)
        self._histories[(spec.node, spec.resource)] = replace(history, operations=(*kept, record))
        if failed:
            self._count_failure(spec)

    def _count_failure(self, spec: OpSpec) -> None:
        resource = spec.resource.partition(":")[0]
        fatal = spec.operation == "stop" or (
            spec.operation == "start" and self._state.properties.start_failure_is_fatal
        )
        key = (resource, spec.node, spec.operation, spec.interval_ms)
        before, others = 0, []
        for one in self._fail_counts:
            if (one.resource, one.node, one.operation, one.interval_ms) == key:
                before = one.count
            else:
                others.append(one)
        count = INFINITY if fatal else min(INFINITY, before + 1)
        failure = FailCount(
            resource=resource,
            node=spec.node,
            operation=spec.operation,
            interval_ms=spec.interval_ms,
            count=count,
            last_failure=self._state.now,
        )
        self._fail_counts = [*others, failure]

    def _bookkeeping(self, action: Action) -> None:
        if action.operation == "clear_failcount":
            name = action.base_id or action.resource
            self._fail_counts = [
                one
                for one in self._fail_counts
                if not (one.node == action.node and one.resource.partition(":")[0] == name)
            ]
        elif action.operation == "lrm_delete":
            self._forget(action)

    def _forget(self, action: Action) -> None:
        names = (action.resource, action.xml_id)
        for name in names:
            self._histories.pop((action.node or "", name or ""), None)
        self._twofold = [one for one in self._twofold if one.node != action.node or one.resource not in names]

    def _operate(self, action: Action, rc: int | None) -> None:
        if action.operation == "delete":
            self._forget(action)
            return
        if action.operation in ("cancel", "notify", "reload-agent"):
            return  # what was found last stays on record
        self.record(action, rc=_natural_rc(action) if rc is None else rc)

    def _history(self, action: Action) -> ResourceHistory:
        node, name = action.node or "", action.xml_id or action.resource or ""
        return self._histories.get((node, name)) or ResourceHistory(
            resource=name, node=node, agent=action.agent
        )

    def record(self, action: Action, *, rc: int) -> None:
        """Add a result to the history of the action's node."""
        history = self._history(action)
        call_id = 1 + max((one.call_id for one in history.operations), default=0)
        # Of operations that do not recur only the last is remembered, as in a node's own history.
        last = "last_0" if not action.interval_ms else f"{action.operation}_{action.interval_ms}"
        identity = f"{history.resource}_{last}"
        same = (action.operation, action.interval_ms)
        kept = tuple(
            one
            for one in history.operations
            if (one.operation, one.interval_ms) != same and one.id != identity
        )
        expected = action.target_rc if action.target_rc is not None else 0
        record = OpRecord(
            id=identity,
            operation=action.operation,
            interval_ms=action.interval_ms,
            call_id=call_id,
            rc=rc,
            target_rc=expected,
            status=OpStatus.DONE,
            migrate_source=action.meta.get("migrate_source"),
            migrate_target=action.meta.get("migrate_target"),
            last_rc_change=self._state.now,
            last_run=self._state.now,
        )
        self._histories[(history.node, history.resource)] = replace(history, operations=(*kept, record))


def _natural_rc(action: Action) -> int:
    return action.target_rc if action.target_rc is not None else 0
