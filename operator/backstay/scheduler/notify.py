"""Notifications: clones that ask for it are told before and after their instances start, stop, are promoted or
demoted.

Planned when it is settled what happens, because who is told depends on who starts and who stops. Before an
operation everyone active is told; afterwards everyone who then is.
"""

from backstay.scheduler.actions import Act
from backstay.scheduler.plan import Plan
from backstay.scheduler.plan_group import is_begun, mark
from backstay.scheduler.situation import Kind, NodeView, Resource
from backstay.transition.graph import ActionKind

_TOLD_OF_FENCING = ("post_notify_stonith", "confirmed-post_notify_stonith")
_TOLD_OF_STOP = ("post_notify_stop", "notified")
OPERATIONS = {"demote": "demoted", "stop": "stopped", "start": "running", "promote": "promoted"}


def plan_notifications(plan: Plan) -> None:
    """Tell the instances of every clone that wants it."""
    for resource in plan.situation.resources:
        if resource.kind is Kind.CLONE and resource.meta.raw.notify:
            previous: Act | None = None
            for operation in OPERATIONS:
                acts = [act for act in _acts(plan, resource, operation) if act.required and act.runnable]
                if acts or is_begun(plan, resource, operation):
                    previous = _Telling(plan, resource, operation, acts).everyone(after=previous)


def _acts(plan: Plan, clone: Resource, operation: str) -> list[Act]:
    return [act for leaf in clone.leaves() for act in plan.actions.of(leaf, operation)]


class _Telling:
    """The notifications around one operation of one clone."""

    def __init__(self, plan: Plan, clone: Resource, operation: str, acts: list[Act]) -> None:
        self.plan = plan
        self.clone = clone
        self.operation = operation
        self.acts = acts
        self.done = OPERATIONS[operation]

    def _before(self) -> Act:
        """Tell everyone active; what is told confirms."""
        begin, confirmed = self._marks(f"pre_notify_{self.operation}")
        for leaf, node in self._present() if self._is_heard() else ():
            self._tell(leaf, node, f"pre_notify_{self.operation}", begin, confirmed)
        self.plan.actions.relate(confirmed, mark(self.plan, self.clone, self.operation))
        return begin

    def everyone(self, *, after: Act | None) -> Act:
        """Make it all; returns the mark that everyone was told it is over."""
        before = self._before()
        if after is not None:
            self.plan.actions.relate(after, before)
        done = mark(self.plan, self.clone, self.done)
        if self.acts and done.required and not done.runnable:
            return before  # it will not come to that: no instance gets as far as it has to
        begin, confirmed = self._marks(f"post_notify_{self.done}")
        self.plan.actions.relate(done, begin)
        self.plan.actions.relate(mark(self.plan, self.clone, f"confirmed-pre_notify_{self.operation}"), begin)
        for leaf, node in self._audience() if self._is_heard() else ():
            self._tell(leaf, node, f"post_notify_{self.operation}", begin, confirmed)
        self._tell_in_absence()
        self._hold_followers(done, confirmed)
        return confirmed

    def _is_heard(self) -> bool:
        """Of starts and promotions that turned out impossible nobody is told."""
        return bool(self.acts) or self.operation in ("stop", "demote")

    def _present(self) -> list[tuple[Resource, NodeView]]:
        """Who is there beforehand; what has been stopped by then is not, what was started is."""
        if self.operation in ("stop", "demote"):
            return _active(self.clone)
        staying = self._staying()
        return staying if self.operation == "start" else self._with_started(staying)

    def _staying(self) -> list[tuple[Resource, NodeView]]:
        stops = _acts(self.plan, self.clone, "stop")
        stopped = {act.resource for act in stops if act.required and act.runnable}
        return [(leaf, node) for leaf, node in _active(self.clone) if leaf not in stopped]

    def _marks(self, name: str) -> tuple[Act, Act]:
        begin, confirmed = mark(self.plan, self.clone, name), mark(self.plan, self.clone, f"confirmed-{name}")
        begin.required = confirmed.required = True
        self.plan.actions.relate(begin, confirmed)
        return begin, confirmed

    def _tell(self, leaf: Resource, node: NodeView, name: str, begin: Act, confirmed: Act) -> None:
        act = self.plan.actions.make(leaf, name, node=node)
        act.required = True
        self.plan.actions.relate(begin, act)
        self.plan.actions.relate(act, confirmed)

    def _audience(self) -> list[tuple[Resource, NodeView]]:
        """Who is active afterwards."""
        if self.operation == "stop":
            changed = {act.resource for act in self.acts}
            return [(leaf, node) for leaf, node in _active(self.clone) if leaf not in changed]
        if self.operation == "demote":
            return _active(self.clone)
        return self._with_started(self._staying())

    def _with_started(self, staying: list[tuple[Resource, NodeView]]) -> list[tuple[Resource, NodeView]]:
        present = {leaf for leaf, _ in staying}
        starting = [
            (act.resource, act.node)
            for act in _acts(self.plan, self.clone, "start")
            if act.required and act.runnable and act.resource is not None and act.node is not None
        ]
        return staying + [one for one in starting if one[0] not in present]

    def _tell_in_absence(self) -> None:
        """An instance whose node was cut off counts as told: of the fencing if its node knew it by its own number, else of
        the stop."""
        if self.operation != "stop":
            return
        for act in self.acts:
            if not act.pseudo or act.node is None or act.resource is None:
                continue
            by_number = act.resource.node_name == act.resource.id
            names = _TOLD_OF_FENCING if by_number else _TOLD_OF_STOP
            told, noted = (
                self.plan.actions.make(act.resource, name, node=None, kind=ActionKind.PSEUDO)
                for name in names
            )
            for one in (told, noted):
                one.required = one.pseudo = True
            fence = self.plan.fencing.get(act.node.name)
            if fence is not None:
                self.plan.actions.relate(fence, told)
            self.plan.actions.relate(told, noted)
            for leaf, node in self._audience():
                other = self.plan.actions.find(leaf, "post_notify_stop", node=node)
                if other is not None:
                    self.plan.actions.relate(told, other)
                    self.plan.actions.relate(other, noted)

    def _hold_followers(self, done: Act, confirmed: Act) -> None:
        """What is ordered after the clone waits until everyone was told, and so do the monitors of all its instances."""
        for leaf in self.clone.leaves():
            for monitor in self.plan.actions.recurring(leaf):
                if monitor.required and monitor.target_rc != 7:
                    self.plan.actions.relate(confirmed, monitor)
        inside = {self.clone, *self.clone.leaves()}
        for relation in list(done.after):
            then = relation.then
            if then.resource is not None and then.resource not in inside:
                self.plan.actions.relate(confirmed, then)


def _active(clone: Resource) -> list[tuple[Resource, NodeView]]:
    return [
        (leaf, node)
        for leaf in clone.leaves()
        if leaf.managed
        for node in leaf.active_on
        if node.online and not node.unclean
    ]
