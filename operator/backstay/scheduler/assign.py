"""Decide which node every primitive goes to.

Resources are taken by priority, then by how much they want their current place. Before one is placed,
everything it follows is placed, and everything that follows it has its wishes added: so a chain of
colocated resources moves as one. A wish that would leave no node at all is dropped.
"""

from collections.abc import Callable
from typing import Protocol

from backstay.scheduler.choose import Room as NodeRoom
from backstay.scheduler.choose import best_node
from backstay.scheduler.colocations import Colocations, Link
from backstay.scheduler.contributions import Entry, Reason
from backstay.scheduler.locations import Row, Scores
from backstay.scheduler.situation import Kind, NodeView, Resource, Situation
from backstay.scheduler.transition import ScoreRow
from backstay.state.choices import PlacementStrategy, Role
from backstay.state.score import INFINITY, add


class Room(Protocol):
    """Accounts for what nodes can carry. `roomiest`: where to go if the nodes are equal otherwise."""

    roomiest: dict[Resource, NodeView]

    def restrict(self, resource: Resource) -> None: ...

    def take(self, resource: Resource, node: NodeView) -> None: ...

    def preference(self, node: NodeView) -> tuple[int, ...]: ...


class Assigner:
    """Places resources one by one. `placed` holds the result: a node, or None for "nowhere"."""

    def __init__(self, situation: Situation, scores: Scores, links: Colocations) -> None:
        self.situation = situation
        self.scores = scores
        self.links = links
        self.placed: dict[Resource, NodeView | None] = {}
        self.roles: dict[Resource, Role] = {}  # of promotable instances
        self.lines: list[ScoreRow] = []
        self._names = scores.names
        self._open_at = [node.index for node in situation.nodes if node.usable]
        self._shut_at = [node.index for node in situation.nodes if not node.usable]
        self.promotion_lines: list[tuple[str, str, int]] = []  # instance, node ("": not placed), score
        self.promotion_parts: list[Entry] = []
        self.settled: set[Resource] = set()  # instances that stay where they are among equal nodes
        self.everywhere: set[Resource] = set()  # clones with an instance for every node that can be used
        self._busy: set[Resource] = set()
        self._merging: set[Resource] = set()
        self.capacity: Room | None = None
        self.assign_clone: Callable[[Assigner, Resource], None] | None = None

    def assign_all(self) -> None:
        """Place everything."""
        for resource in sorted(self.situation.resources, key=self._precedence):
            if not resource.orphan or resource.active_on:
                self.assign(resource)
            else:
                self.placed[resource] = None

    def assign(self, resource: Resource) -> None:
        """Place one resource and whatever it has to wait for."""
        if resource in self.placed or resource in self._busy:
            return
        parent = resource.parent
        if parent is not None and parent not in self.placed and parent not in self._busy:
            self.assign(parent)
            return
        self._busy.add(resource)
        match resource.kind:
            case Kind.PRIMITIVE:
                self._assign_primitive(resource)
            case Kind.GROUP:
                self._assign_group(resource)
            case Kind.CLONE:
                assert self.assign_clone is not None
                self.assign_clone(self, resource)
        self._busy.discard(resource)

    # -- order

    def _precedence(self, resource: Resource) -> tuple[int, int, tuple[int, ...], int]:
        """Smallest first. What wants most to stay goes first, so that nothing is shuffled, even if its node can not be
        used any more."""
        if self.situation.properties.placement_strategy is PlacementStrategy.DEFAULT:
            return (-resource.meta.priority, 0, (), resource.index)
        merged = self.merged(resource, following=True)
        row = [merged[node.index] if node.usable else -INFINITY for node in self.situation.nodes]
        current = -INFINITY
        here = next((leaf.active_on[0] for leaf in resource.leaves() if leaf.active_on), None)
        if here is not None:
            current = merged[here.index]
        return (-resource.meta.priority, -current, tuple(-score for score in row), resource.index)

    # -- primitives

    def _assign_primitive(self, resource: Resource) -> None:
        self._mind_others(resource, mandatory=True)
        before = list(self.scores.rows[resource])
        self._mind_others(resource, mandatory=False)
        if not self._open(self.scores.rows[resource]):
            self.scores.rows[resource] = before  # wishes give way where they leave no place at all
        if self._must_not_run(resource):
            self.scores.ban(resource, reason=Reason.TARGET_ROLE)
        if self.capacity is not None:
            self.capacity.restrict(resource)
        self.log("primitive", resource)
        self.placed[resource] = self._node_for(resource, self.scores.rows[resource])
        node = self.placed[resource]
        if node is not None:
            node.count += 1
            if self.capacity is not None:
                self.capacity.take(resource, node)

    def _mind_others(self, resource: Resource, *, mandatory: bool) -> None:
        """Place those that the resource follows, each seeing what the ones before it meant for the resource; then
        add what those wish that follow it."""
        for link in self.links.of_dependent(resource):
            strict = (
                link.mandatory and link.dependent_role is not Role.PROMOTED
            )  # it may still run unpromoted
            if strict is not mandatory:
                continue
            if resource in self._busy:
                self.assign(link.primary)
            if link.primary in self.placed:
                self.apply(resource, link)
        for link in self.links.of_primary(resource):
            if link.mandatory is mandatory:
                self.heed(resource, link)

    def _must_not_run(self, resource: Resource) -> bool:
        return (
            resource.meta.target_role is Role.STOPPED
            or resource.stop_wanted
            or resource.orphan
            or self.situation.properties.stop_all_resources
        )

    def _node_for(self, resource: Resource, row: Row) -> NodeView | None:
        if not resource.managed:
            return resource.active_on[0] if resource.active_on else None
        current = resource.places[0] if resource.active_on else None
        if resource.handover is not None and resource.handover.source is not None:
            current = resource.handover.source
        room: NodeRoom | None = self.capacity.preference if self.capacity is not None else None
        if resource in self.settled:
            room = _no_room
        best = self._best_of(row)
        if current in best and row[current.index] > 0:
            return current  # among nodes that it would rather be on than not, nothing is moved for the load
        roomiest = None if self.capacity is None else self.capacity.roomiest.get(resource)
        if roomiest in best:
            best = [roomiest]
        if room is not _no_room and self.situation.properties.placement_strategy is PlacementStrategy.MINIMAL:
            current = None  # it does not even matter where it is
        return best_node(best, row, current=current, room=room)

    def _best_of(self, row: Row) -> list[NodeView]:
        """The nodes that have the highest score, if that allows to use them: mostly one."""
        top = max([row[at] for at in self._open_at], default=-1)
        return [self.situation.nodes[at] for at in self._open_at if row[at] == top] if top >= 0 else []

    def log(self, kind: str, resource: Resource) -> None:
        """Keep the scores as they stand, for whoever asks."""
        if resource.orphan:
            return
        row = self.scores.rows[resource]
        names, scores = self._names, tuple(row)
        if self.scores.opted_out:
            seen = [at for at in range(len(row)) if (resource, at) not in self.scores.opted_out]
            names, scores = tuple(names[at] for at in seen), tuple(row[at] for at in seen)
        self.lines.append(ScoreRow(kind, resource.id, names, scores))

    def would_choose(self, resource: Resource, *, without: set[int]) -> NodeView | None:
        """Where an unplaced instance would go as things stand, some nodes left out; nothing is changed. Of equals it
        prefers where it is, whatever the load."""
        leaf = next(resource.leaves())
        kept = {one: list(self.scores.rows[one]) for one in resource.leaves()}
        mark = self.scores.journal.mark()
        for mandatory in (True, False):
            self._mind_others(leaf, mandatory=mandatory)
        if self.capacity is not None:
            self.capacity.restrict(leaf)
        current = leaf.active_on[0] if leaf.active_on else None
        nodes = [node for node in self.situation.nodes if node.index not in without]
        best = best_node(nodes, self.scores.rows[leaf], current=current, room=_no_room)
        self.scores.rows.update(kept)
        self.scores.journal.rewind(mark)
        return best

    # -- groups

    def _assign_group(self, resource: Resource) -> None:
        for one in (resource, *resource.children):
            self.log("group", one)
        for member in resource.children:
            self.assign(member)
        self.placed[resource] = self.placed.get(resource.children[0])

    # -- following others

    def _open(self, row: Row) -> bool:
        return any(row[at] >= 0 for at in self._open_at)

    def apply(self, resource: Resource, link: Link) -> None:
        """Let the place of the link's primary count for the resource."""
        if link.dependent_role in (Role.PROMOTED, Role.UNPROMOTED) and link.score > 0:
            return  # counts when it is chosen who is promoted
        if self._is_idle(resource, link) and link.score < INFINITY:
            return
        nodes = self.places_in_role(link)
        if not nodes:
            if link.score >= INFINITY:
                self.scores.ban(resource, reason=Reason.COLOCATION, source=link.id)
            return
        if link.score >= INFINITY and link.attribute is None and len(nodes) == 1:
            self.scores.ban_elsewhere(resource, nodes[0], reason=Reason.COLOCATION, source=link.id)
            return
        places = dict.fromkeys(self._place(node, link.attribute) for node in nodes)
        if link.score >= INFINITY:
            for node in self.situation.nodes:
                if self._place(node, link.attribute) not in places:
                    self.scores.add(resource, node, -INFINITY, reason=Reason.COLOCATION, source=link.id)
        else:
            for place in places:
                self._wish(resource, link, place)

    def _wish(self, resource: Resource, link: Link, place: str | None) -> None:
        """Count one place of the primary for or against. What is no must is dropped if it would leave no node."""
        before, mark = list(self.scores.rows[resource]), self.scores.journal.mark()
        for node in self.situation.nodes:
            if self._place(node, link.attribute) == place:
                self.scores.add(resource, node, link.score, reason=Reason.COLOCATION, source=link.id)
        must = link.mandatory and link.dependent_role is not Role.PROMOTED  # it may still run unpromoted
        if not must and not self._open(self.scores.rows[resource]):
            self.scores.rows[resource] = before
            self.scores.journal.rewind(mark)

    def _is_idle(self, resource: Resource, link: Link) -> bool:
        """Whether a wish to be together says nothing, as the clone gets an instance on every node anyway."""
        clone = resource.clone
        if clone is None or clone not in self.everywhere or link.score <= 0:
            return False
        return link.dependent.clone is not link.primary.clone

    def places_of(self, resource: Resource) -> list[NodeView]:
        """Where a resource was placed; for a group, where its last member was."""
        if resource.kind is Kind.GROUP:
            return self.places_of(resource.children[-1])
        if resource.kind is Kind.CLONE:
            return [node for child in resource.children for node in self.places_of(child)]
        node = self.placed.get(resource)
        return [] if node is None else [node]

    def places_in_role(self, link: Link) -> list[NodeView]:
        """Where the link's primary is in the role that the link names. An instance of a clone that is
        blocked for a failure is no company for what must have some."""
        if link.primary_role not in (Role.PROMOTED, Role.UNPROMOTED):
            if link.primary.kind is Kind.CLONE and link.score >= INFINITY:
                children = [
                    one for one in link.primary.children if not any(leaf.blocked for leaf in one.leaves())
                ]
                return [node for child in children for node in self.places_of(child)]
            return self.places_of(link.primary)
        leaves = [leaf for leaf in link.primary.leaves() if self.roles.get(leaf) is link.primary_role]
        return [node for leaf in leaves for node in self.places_of(leaf)]

    def with_wishes(self, row: Row, link: Link) -> Row:
        """A row of scores together with what the link's dependent wishes."""
        return self._with_wishes(row, link.dependent, link, factor=link.factor, following=False)

    def _place(self, node: NodeView, attribute: str | None) -> str | None:
        return node.name if attribute is None else node.node.attribute(attribute)

    # -- being followed

    def heed(self, resource: Resource, link: Link) -> None:
        """Add the wishes of a dependent (and of what follows that) to the resource's scores."""
        if not link.influences_primary() or link.dependent_role in (Role.PROMOTED, Role.UNPROMOTED):
            return
        if self._is_idle(resource, link):
            return
        before = self.scores.rows[resource]
        after = self._with_wishes(before, link.dependent, link, factor=link.factor, following=False)
        if after is before or after == before:
            return
        note, source = self.scores.journal.note, link.dependent.id
        for name, new, old in zip(self._names, after, before, strict=True):
            if new != old:
                note(resource.id, name, reason=Reason.DEPENDENT, source=source, score=new - old)
        self.scores.rows[resource] = after

    def merged(self, resource: Resource, *, following: bool) -> Row:
        """The scores of a resource together with those of what it follows (or what follows it)."""
        member = self._end(resource, following=following)
        if member in self._merging:
            return self.scores.rows[member]
        row = list(self.scores.rows[member])
        return self._chain(row, member, factor=1.0, following=following)

    def _end(self, resource: Resource, *, following: bool) -> Resource:
        if resource.kind is Kind.GROUP:
            return resource.children[-1 if following else 0]
        return resource

    def _with_wishes(self, row: Row, source: Resource, link: Link, *, factor: float, following: bool) -> Row:
        group = source.parent
        if (
            not following
            and group is not None
            and group.kind is Kind.GROUP
            and link.primary.parent is not group
        ):
            source = group  # the others have to come along
        member = self._end(source, following=following)
        if member in self._merging:
            return row
        work = self._added(row, self.scores.rows[member], link=link, factor=factor)
        if not self._open(work):
            return row
        return self._chain(work, member, factor=factor, following=following)

    def _chain(self, row: Row, member: Resource, *, factor: float, following: bool) -> Row:
        self._merging.add(member)
        links = self.links.of_dependent(member) if following else self.links.of_primary(member)
        for link in links:
            other = link.primary if following else link.dependent
            if not following and not link.influences_primary():
                continue
            row = self._with_wishes(row, other, link, factor=factor * link.factor, following=following)
        self._merging.discard(member)
        return row

    def _added(self, row: Row, wishes: Row, *, link: Link, factor: float) -> Row:
        if link.attribute is None and factor > 0:  # the common case: every node is a place of its own
            result = list(row)
            for at in self._shut_at:
                result[at] = add(row[at], _scaled(-INFINITY, factor))
            for at in [at for at in self._open_at if wishes[at]]:
                result[at] = add(row[at], _scaled(wishes[at], factor))
            return result
        best = self._best_by_place(wishes, link.attribute)
        cornered = sum(1 for at in self._open_at if wishes[at] >= 0) == 1
        result = list(row)
        for node in self.situation.nodes:
            wish = best.get(self._place(node, link.attribute), -INFINITY)
            if factor < 0 and wish < 0 and not (cornered and row[node.index] >= 0):
                continue  # not wanting a place is no wish that others take it, unless one has no choice
            result[node.index] = add(row[node.index], _scaled(wish, factor))
        return result

    def _best_by_place(self, wishes: Row, attribute: str | None) -> dict[str | None, int]:
        best: dict[str | None, int] = {}
        for node in self.situation.nodes:
            if node.usable:
                place = self._place(node, attribute)
                best[place] = max(best.get(place, -INFINITY), wishes[node.index])
        return best


def _no_room(_: NodeView) -> tuple[int, ...]:
    """Says of all nodes that they are equal."""
    return ()


def _scaled(score: int, factor: float) -> int:
    """A fraction of a score; what is not zero stays so."""
    if not score or not factor:
        return 0
    scaled = score * factor
    rounded = int(scaled + 0.5) if scaled > 0 else -int(-scaled + 0.5)
    if rounded == 0:
        return 1 if scaled > 0 else -1
    return max(-INFINITY, min(INFINITY, rounded))
