"""The actions a transition may need, before it is settled which of them really are.

Every action is optional at first (it would happen only if something requires it: a restart) or required,
and runnable or not. Relations between two actions say how one's fate decides the other's; `settle` works
that out.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Flag, auto

from backstay.scheduler.causes import Cause, Why
from backstay.scheduler.situation import NodeView, Resource
from backstay.transition.graph import ActionKind


class Bond(Flag):
    """How the first and the then action of a relation are tied; without any flag, only their order is."""

    ORDER = 0
    NEEDS = auto()  # then can not run if first is required but can not run
    PULLS_THEN = auto()  # if first is required, so is then
    PULLS_FIRST = auto()  # if then is required, so is first
    NEW_ONLY = auto()  # NEEDS counts only if then is required for reasons of its own (asymmetric orders)
    RESTART = auto()  # stop and start of one instance on one node
    PAIR = auto()  # interleaved instances: without the first, then is left out altogether
    SILENT = auto()  # no order: the two only share their fate
    DOWN = (
        auto()
    )  # then, if it comes back afterwards, can only happen while first is down: no migration will do
    PLAIN = auto()  # means the start or stop as such, not a migration in its place


@dataclass(slots=True, eq=False)
class Handing:
    """A move that may become a live migration: until something turns out to stand in the way (`on` never comes back)."""

    stop: "Act"  # on the source
    start: "Act"  # on the target
    there: "Act | None" = None  # a stop on the target, of a migration found half-way
    on: bool = True


@dataclass(slots=True, eq=False)
class Act:
    """A possible action. `reason` says why it became required or impossible, for the summary."""

    kind: ActionKind
    operation: str
    resource: Resource | None = None
    node: NodeView | None = None
    interval_ms: int = 0
    required: bool = False
    runnable: bool = True
    reason: str = ""
    obstacle: str = ""  # what is in its way, which only shows when it is to be run: it is begun all the same
    pseudo: bool = False
    target_rc: int | None = None
    timeout_ms: int | None = None
    fencing_action: str | None = None
    partner: NodeView | None = None  # of a migration: the other node
    needs_any: int = 0  # it can run as long as so many of what it needs can; 0: all of it
    again: bool = False  # a start already under way: repeated, and nothing follows from it
    inhibited: bool = False  # its partner is missing: it is as if it had not been planned
    barred: bool = False  # it must be with something that can not happen: it is not even begun
    placeholder: bool = False  # stands for something that will not happen
    recounted: bool = False  # a mark that is passed although no instance acts
    pulled: bool = False  # required by what comes before it
    announced: bool = False  # a mark that is begun, even if it turns out that no member can act
    handing: Handing | None = None  # it is the stop or the start of that move
    sequence: int = 0
    before: "list[Relation]" = field(default_factory=list)  # relations in which this is `then`
    after: "list[Relation]" = field(default_factory=list)  # relations in which this is `first`

    @property
    def name(self) -> str:
        """`rsc1 start`, for reasons."""
        return f"{self.resource.id if self.resource else ''} {self.operation}".strip()

    @property
    def happens(self) -> bool:
        """Whether it will be carried out, as far as is settled."""
        return (self.required or self.again) and self.runnable and not self.placeholder

    @property
    def handed_over(self) -> bool:
        """Whether a migration takes its place, as far as is known."""
        return self.handing is not None and self.handing.on

    def __repr__(self) -> str:
        where = f" on {self.node.name}" if self.node else ""
        every = f"={self.interval_ms}" if self.interval_ms else ""
        flags = ("required" if self.required else "optional") + ("" if self.runnable else ", unrunnable")
        return f"<{self.name}{every}{where}: {flags}>"


@dataclass(frozen=True, slots=True, eq=False)
class Relation:
    first: Act
    then: Act
    bond: Bond
    bits: int  # the bond as a number: `settle` asks for its flags again and again
    cause: Cause


Key = tuple[str, str, int, str]


class ActionSet:
    """All acts, found by what they are. Relations are made because of `cause` (see `because`)."""

    def __init__(self) -> None:
        self.cause = Cause(Why.SAME)
        self.acts: list[Act] = []
        self._by_key: dict[Key, Act] = {}
        self._of_resource: dict[tuple[Resource, str], list[Act]] = {}
        self._related: dict[tuple[Act, Act], Bond] = {}

    def find(
        self, resource: Resource, operation: str, *, node: NodeView | None, interval_ms: int = 0
    ) -> Act | None:
        """The act if it was made."""
        return self._by_key.get(_key(resource, operation, node, interval_ms))

    def make(
        self,
        resource: Resource,
        operation: str,
        *,
        node: NodeView | None,
        interval_ms: int = 0,
        kind: ActionKind = ActionKind.RESOURCE,
    ) -> Act:
        """The act, made optional and runnable if it is new."""
        key = _key(resource, operation, node, interval_ms)
        found = self._by_key.get(key)
        if found is None:
            found = Act(kind=kind, operation=operation, resource=resource, node=node, interval_ms=interval_ms)
            self._by_key[key] = found
            self.add(found)
            self._of_resource.setdefault((resource, operation), []).append(found)
        return found

    def add(self, act: Act) -> Act:
        """Take in an act that is not found by resource."""
        act.sequence = len(self.acts)
        self.acts.append(act)
        return act

    def of(self, resource: Resource, operation: str) -> list[Act]:
        """Every act of that operation (interval 0) of a resource."""
        return [act for act in self._of_resource.get((resource, operation), ()) if act.interval_ms == 0]

    def recurring(self, resource: Resource) -> Iterator[Act]:
        for act in self._of_resource.get((resource, "monitor"), ()):
            if act.interval_ms:
                yield act

    @contextmanager
    def because(self, why: Why, source: str = "") -> Iterator[None]:
        """The cause of all relations that are made within."""
        outer, self.cause = self.cause, Cause(why, source)
        yield
        self.cause = outer

    def relate(self, first: Act, then: Act, bond: Bond = Bond.ORDER) -> None:
        """Order two acts; a second relation between the same two adds its flags."""
        if first is then:
            return
        old = self._related.get((first, then))
        if old is not None and (old | bond) == old:
            return
        self._related[(first, then)] = bond if old is None else old | bond
        relation = Relation(first, then, bond, bond.value, self.cause)
        first.after.append(relation)
        then.before.append(relation)


def _key(resource: Resource, operation: str, node: NodeView | None, interval_ms: int) -> Key:
    return (resource.id, operation, interval_ms, "" if node is None else node.name)
