"""Whose history is whose: nodes know anonymous clone instances by the primitive's name, often without number.

Every node on which an anonymous clone is active has one instance of it, the lowest that no other node has,
whatever number the node uses; what is not running has no identity and may share. A node that comes too late gets a
surplus instance, which will be stopped. Histories of unknown resources become orphans.
"""

from collections.abc import Callable, Iterator

from backstay.numerals import whole
from backstay.scheduler.situation import Kind, NodeView, Resource, Situation
from backstay.scheduler.verdicts import is_plain_absence
from backstay.state.choices import NodeKind, Requires
from backstay.state.history import Absence, ResourceHistory

Orphan = Callable[[Situation, ResourceHistory], Resource]
Activeness = Callable[[Resource, NodeView, ResourceHistory], bool]


def assign_histories(
    situation: Situation, orphan: Orphan, is_active: Activeness
) -> Iterator[tuple[Resource, NodeView, ResourceHistory]]:
    """Every history with the instance it belongs to, in the order in which the state has them; but what says just that a
    node does not have a resource, as most do, is put down at once."""
    claims = _Claims(situation, is_active)
    alone = {
        name: (instances[0], instances[0].absent, instances[0].agent)
        for name, instances in situation.instances_of.items()
        if len(instances) == 1 and instances[0].kind is Kind.PRIMITIVE and instances[0].clone is None
    }
    node_by_name = situation.node_by_name
    for history in situation.state.histories:
        name = history.node
        node = node_by_name.get(name)
        if node is None:
            continue
        found_alone = alone.get(history.resource)
        if found_alone is not None:
            single, absent, agent = found_alone
            if (  # what `_put_down` would find out, for the bulk of a large cluster's histories
                isinstance(history.operations, Absence)
                and history.agent is agent
                and name not in absent
                and name not in single.activities
                and history.shutdown_lock_at is None
            ):
                absent[name] = history
            elif _says_anything(history) and not _put_down(single, history):
                yield single, node, history
            continue
        if not _says_anything(history):
            continue
        found = claims.find(history, node, orphan)
        if found is not None and (found.clone is not None or not _put_down(found, history)):
            yield found, node, history
    claims.name_the_unknown()


def _says_anything(history: ResourceHistory) -> bool:
    """Whether anything was ever done there."""
    return bool(history.operations) or history.shutdown_lock_at is not None


def _put_down(resource: Resource, history: ResourceHistory) -> bool:
    """Whether the history says just that its node does not have the resource, and is the first from there."""
    node = history.node
    if not is_plain_absence(resource, history) or node in resource.absent or node in resource.activities:
        return False
    resource.absent[node] = history
    return True


class _Claims:
    def __init__(self, situation: Situation, is_active: Activeness) -> None:
        self._situation = situation
        self._is_active = is_active
        self._holder: dict[Resource, dict[int, str]] = {}  # clone -> instance -> the node it is active on
        self._bare: set[str] = set()  # primitives that some node knows by their plain name

    def find(self, history: ResourceHistory, node: NodeView, orphan: Orphan) -> Resource | None:
        base = base_of(history.resource)
        for name in (history.resource, base):
            instances = self._situation.instances_of.get(name)
            if instances and instances[0].kind is Kind.PRIMITIVE:
                if instances[0].clone is not None and not tells(self._situation, node):
                    return None  # nor does it matter what that node called it
                if name == history.resource:
                    self._bare.add(name)
                    if instances[0].clone is not None and instances[0].clone.meta.raw.globally_unique:
                        continue  # instances that are told apart go by number; this is none of them
                return self._instance(instances, history, node)
        return orphan(self._situation, history)

    def name_the_unknown(self) -> None:
        """Instances without history go by the name that other nodes use."""
        for name in sorted(self._bare):
            for one in self._situation.instances_of[name]:
                clone = one.clone
                if clone is not None and not clone.meta.raw.globally_unique and not one.known_as:
                    one.known_as = name

    def _instance(
        self, instances: list[Resource], history: ResourceHistory, node: NodeView
    ) -> Resource | None:
        clone = instances[0].clone
        if clone is None:
            return instances[0]
        if clone.meta.raw.globally_unique:
            found = next((one for one in instances if one.id == history.resource), None)
            if found is None and self._is_active(instances[0], node, history):
                found = self._surplus(clone, history)
            return found
        base = instances[0].base_id
        held = self._holder.setdefault(clone, {})
        active = self._is_active(instances[0], node, history)
        position = self._position(clone, held, node, base)
        if active and self._is_lost_to(node, clone, instances[0]):
            position = (
                None  # no instance waits for this node: it may start elsewhere before the node is cut off
            )
        if position is None:
            if not active:  # any instance may keep in mind that the node was asked
                return next((one for one in instances if node.name not in one.activities), None)
            self._surplus(clone, history)
            held[len(clone.children) - 1] = node.name
            return _within(clone.children[-1], base)
        if active:
            held[position] = node.name
        return _within(clone.children[position], base)

    def _is_lost_to(self, node: NodeView, clone: Resource, instance: Resource) -> bool:
        """Whether what runs there counts as surplus: it needs no fencing, and there are more nodes than instances, so
        that another node can take its place."""
        needs_fencing = instance.meta.requires in (Requires.FENCING, Requires.UNFENCING)
        members = sum(1 for one in self._situation.nodes if one.node.kind is NodeKind.MEMBER)
        configured = sum(1 for one in clone.children if not one.surplus)
        return (node.unclean or not node.online) and not needs_fencing and configured < members

    def _position(self, clone: Resource, held: dict[int, str], node: NodeView, base: str) -> int | None:
        """The instance that a history from a node belongs to: the first one there that does not have the same running
        already, one of those too many included; on a node that has none yet, the first that no node has."""
        here = [at for at in range(len(clone.children)) if held.get(at) == node.name]
        if not here:
            return next((at for at in range(len(clone.children)) if at not in held), None)
        return next((at for at in here if not self._is_taken(clone.children[at], base, node)), None)

    def _is_taken(self, child: Resource, base: str, node: NodeView) -> bool:
        known = _within(child, base).activities.get(node.name)
        return known is not None and known.active

    def _surplus(self, clone: Resource, history: ResourceHistory) -> Resource:
        """One more instance than configured, which was found running."""
        number = len(clone.children)
        if clone.meta.raw.globally_unique:
            told = whole(history.resource.rpartition(":")[2])
            number = number if told is None else told
        child = _copy(clone.children[0], clone, number)
        clone.children.append(child)
        for one in _family(child):
            self._situation.instances_of.setdefault(one.base_id, []).append(one)
        return _within(child, base_of(history.resource))


def _copy(model: Resource, parent: Resource, number: int) -> Resource:
    made = Resource(
        id=f"{model.base_id}:{number}",
        base_id=model.base_id,
        kind=model.kind,
        meta=model.meta,
        parent=parent,
        primitive=model.primitive,
        surplus=True,
    )
    made.children = [_copy(child, made, number) for child in model.children]
    return made


def _family(child: Resource) -> list[Resource]:
    return [child, *child.children]


def _within(child: Resource, base: str) -> Resource:
    if child.kind is Kind.GROUP:
        return next((member for member in child.children if member.base_id == base), child.children[0])
    return child


def tells(situation: Situation, node: NodeView) -> bool:
    """Whether something may still run there: it is here, or is to be cut off, or was left alone on purpose."""
    properties, left_alone = situation.properties, node.node.maintenance
    if node.online or (left_alone and properties.trust_maintenance):
        return True
    return properties.fencing_enabled and (left_alone or node.unclean or node.node.left)


def base_of(name: str) -> str:
    """An instance's name without its number."""
    head, colon, number = name.rpartition(":")
    return head if colon and whole(number) is not None else name
