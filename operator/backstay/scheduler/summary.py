"""What a transition means for every resource: start, stop, move, recover, restart, and for nodes: fence."""

from collections.abc import Iterator

from backstay.scheduler.actions import Act
from backstay.scheduler.migrate import goes_on
from backstay.scheduler.plan import Plan
from backstay.scheduler.situation import NodeView, Resource
from backstay.scheduler.transition import Change, Verb
from backstay.state.choices import Role


def summarize(plan: Plan) -> tuple[Change, ...]:
    """Fenced nodes first, then resources in configuration order."""
    changes = [
        Change(
            verb=Verb.FENCE,
            to_node=act.node.name,
            reason=act.reason,
            fencing_action=act.fencing_action or "",
        )
        for act in reversed([*plan.unfencing, *plan.fencing.values()])
        if act.node is not None
    ]
    for leaf in plan.situation.leaves():
        if leaf.managed:
            changes += _Telling(plan, leaf).changes()
    return tuple(changes)


class _Telling:
    """What happens to one primitive."""

    def __init__(self, plan: Plan, leaf: Resource) -> None:
        self.plan = plan
        self.leaf = leaf
        self.role = plan.placement.role.get(leaf, Role.STARTED)
        target = plan.target(leaf)
        start = None if target is None else plan.actions.find(leaf, "start", node=target)
        if start is not None and start.inhibited:
            target = start = None
        self.target = target
        self.start = start

    def changes(self) -> Iterator[Change]:
        target, start = self.target, self.start
        if not self.leaf.active_on:
            if target is not None and start is not None and target in self.leaf.dangling:
                yield self._same(Verb.RESTART, target, Role.STOPPED, _because(start), not start.runnable)
            elif target is not None and start is not None and start.required:
                yield self._started(target, start)
            return
        if target is None or start is None or (start.required and not start.runnable):
            yield from self._stopped()
        elif target is self.leaf.places[0] and not goes_on(self.leaf, target):
            yield from self._stays(target, start)
        else:
            yield self._moved(target, start)

    def _act(self, operation: str, node: NodeView) -> Act | None:
        return self.plan.actions.find(self.leaf, operation, node=node)

    def _role_on(self, node: NodeView) -> Role:
        """Of several copies none is trusted to be a lesser one."""
        return self.leaf.role if node in self.leaf.active_on else Role.STOPPED

    def _started(self, target: NodeView, start: Act) -> Change:
        promote = self._act("promote", target) if self.role is Role.PROMOTED else None
        return Change(
            verb=Verb.START if promote is None else Verb.PROMOTE,
            resource=self.leaf.id,
            to_node=target.name,
            from_role=Role.STOPPED,
            to_role=self.role,
            reason=_because(promote or start),
            blocked=not start.runnable or (promote is not None and not promote.runnable),
        )

    def _stopped(self) -> Iterator[Change]:
        # Where it was to go on, what is told is the end of the copy that is meant.
        for node in self.leaf.active_on if self.target is None else self.leaf.places[:1]:
            stop = self._act("stop", node)
            if stop is None or not stop.required:
                continue
            yield Change(
                verb=Verb.STOP,
                resource=self.leaf.id,
                from_node=node.name,
                from_role=self._role_on(node),
                to_role=Role.STOPPED,
                reason=_because(self.start, stop),
                blocked=not stop.runnable,
            )

    def _moved(self, target: NodeView, start: Act) -> Change:
        current = self.leaf.places[0]
        if goes_on(self.leaf, target) and self.leaf.handover is not None:
            current = self.leaf.handover.source or current
        stop = self._act("stop", current)
        verb = Verb.RECOVER if self.leaf.failed else Verb.MOVE
        if self._act("migrate_to", current) is not None and self._role_on(current) is self.role:
            verb = Verb.MIGRATE
        return Change(
            verb=verb,
            resource=self.leaf.id,
            from_node=current.name,
            to_node=target.name,
            from_role=self._role_on(current),
            to_role=self.role,
            reason=_because(start, stop),
            blocked=stop is not None and not stop.runnable,
        )

    def _stays(self, target: NodeView, start: Act) -> Iterator[Change]:
        stop, reload = self._act("stop", target), self._act("reload-agent", target)
        before = self._role_on(target)
        if start.required:
            if stop is None or not stop.required:
                if self.leaf.role is Role.STOPPED:
                    yield self._same(Verb.RESTART, target, before, _because(start), not start.runnable)
                    return
                yield self._same(Verb.RECOVER, target, before, _because(start, stop), not start.runnable)
                return
            verb = Verb.RECOVER if self.leaf.failed else Verb.RESTART
            yield self._same(verb, target, before, _because(start, stop), not start.runnable)
        elif before is Role.PROMOTED and self.role is not Role.PROMOTED:
            demote = self._act("demote", target)
            if demote is not None and demote.required:
                yield self._same(Verb.DEMOTE, target, before, _because(demote), not demote.runnable)
        elif before is not Role.PROMOTED and self.role is Role.PROMOTED:
            promote = self._act("promote", target)
            if promote is not None and promote.required:
                yield self._same(Verb.PROMOTE, target, before, _because(promote), not promote.runnable)
        elif before is Role.PROMOTED and self._is_repromoted(target):
            yield self._same(Verb.REPROMOTE, target, before, "", False)
        elif reload is not None and reload.required:
            yield self._same(Verb.RELOAD, target, before, reload.reason, False)

    def _is_repromoted(self, target: NodeView) -> bool:
        demote = self._act("demote", target)
        return demote is not None and demote.required

    def _same(self, verb: Verb, node: NodeView, before: Role, reason: str, blocked: bool) -> Change:
        return Change(
            verb=verb,
            resource=self.leaf.id,
            from_node=node.name,
            to_node=node.name,
            from_role=before,
            to_role=self.role,
            reason=reason,
            blocked=blocked,
        )


def _because(*acts: Act | None) -> str:
    for act in acts:
        if act is not None and act.reason:
            return act.reason
    return ""
