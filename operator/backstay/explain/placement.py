"""`explain(state, resource)`: where it shall run, and for every node its score, what that is made of, and what would change it."""

from backstay.explain.model import Explanation, NodeVerdict, Part
from backstay.explain.ordering import reasons_of
from backstay.explain.promotion import outcome_of, promotion_of, promotion_parts_of
from backstay.explain.reasons import part_of
from backstay.explain.scene import Scene, scene_of
from backstay.scheduler.contributions import Reason
from backstay.scheduler.situation import NodeView, Resource
from backstay.state.choices import NodeKind, PlacementStrategy
from backstay.state.cluster import ClusterState
from backstay.state.score import INFINITY, add
from backstay.state.score import text as score_text


class UnknownResource(ValueError):
    """There is none of that name. `known` are those that there are."""

    def __init__(self, name: str, known: frozenset[str]) -> None:
        super().__init__(f"there is no resource {name!r} in this cluster")
        self.name = name
        self.known = known


def explain(state: ClusterState, name: str) -> tuple[Explanation, ...]:
    """One explanation for each instance: of a primitive one, of a group one for each member, of a clone one for each instance.
    Raises UnknownResource."""
    scene = scene_of(state)
    found = scene.before.by_id.get(name)
    leaves = [] if found is None else list(found.leaves())
    if not leaves:
        leaves = list(scene.before.instances_of.get(name, ()))
        leaves = [leaf for one in leaves for leaf in one.leaves()]
    if not leaves:
        one = scene.leaf(name)
        if one is None:
            raise UnknownResource(name, frozenset(scene.before.by_id))
        leaves = [one]
    reasons = reasons_of(scene)
    return tuple(
        Explanation(
            resource=leaf.id,
            agent=str(leaf.agent),
            active=tuple(node.name for node in leaf.active_on),
            chosen=_chosen(leaf, scene),
            role=_role(leaf, scene),
            headline=_headline(leaf, scene),
            promotion=promotion_of(leaf, scene),
            promotion_parts=promotion_parts_of(leaf, scene),
            promotion_outcome=outcome_of(leaf, scene),
            nodes=_verdicts(leaf, scene),
            actions=tuple(one for one in reasons if one.resource == leaf.id),
        )
        for leaf in leaves
    )


def _chosen(leaf: Resource, scene: Scene) -> str | None:
    placed = scene.placed.get(leaf.id)
    return None if placed is None else placed.node


def _role(leaf: Resource, scene: Scene) -> str:
    placed = scene.placed.get(leaf.id)
    return "Stopped" if placed is None else placed.role.value


def _headline(leaf: Resource, scene: Scene) -> str:
    chosen = _chosen(leaf, scene)
    active = [node.name for node in leaf.active_on]
    blocked = next((one.reason for one in scene.transition.blocked if one.resource == leaf.id), "")
    if blocked:
        where = f"runs on {', '.join(active)} and" if active else "is stopped and"
        return f"{leaf.id} {where} cannot be changed: {blocked}"
    if not leaf.managed and active:
        return f"{leaf.id} runs on {', '.join(active)} and is not managed: the cluster leaves it alone"
    if chosen is None:
        where = f"runs on {', '.join(active)} and has to stop" if active else "is stopped"
        return f"{leaf.id} {where}: {why_nowhere(leaf, scene)}"
    if (
        chosen in active
        and len(active) == 1
        and leaf.role.value != _role(leaf, scene)
        and leaf.clone is not None
    ):
        return f"{leaf.id} runs on {chosen} as {leaf.role.value} and shall be {_role(leaf, scene)} there"
    if chosen in active and len(active) == 1:
        return f"{leaf.id} runs on {chosen}, and that is its place"
    if active:
        return f"{leaf.id} runs on {', '.join(active)} and shall run on {chosen}"
    return f"{leaf.id} does not run and shall be started on {chosen}"


def why_nowhere(leaf: Resource, scene: Scene) -> str:
    """What stands against it on each node that could be used."""
    usable = [node for node in scene.before.nodes if not obstacle_of(node)]
    if not usable:
        return "no node can run anything now"
    reasons = []
    for node in usable:
        worst = [part for part in _parts(leaf, node, scene) if part.score <= -INFINITY]
        reasons.append(worst[0].sentence if worst else "its score is negative")
    if len(set(reasons)) == 1:
        return reasons[0]
    return "; ".join(f"{node.name}: {reason}" for node, reason in zip(usable, reasons, strict=True))


def obstacle_of(view: NodeView) -> str:
    """Why nothing can be placed on a node; "" if something can."""
    node = view.node
    if node.kind is NodeKind.PING:
        return "it is no cluster node"
    if view.unclean:
        return f"it is unclean ({view.unclean_reason or 'nobody knows what runs there'}) and has to be fenced first"
    if not node.online:
        return "it is offline"
    if node.pending:
        return "it is joining"
    if node.shutdown:
        return "it is shutting down"
    if node.maintenance:
        return "it is in maintenance: what runs there is left alone, and nothing new is started"
    if view.standby_on_failure:
        return "it is in standby because of a failure (on-fail=standby)"
    return "it is in standby" if view.standby else ""


def _verdicts(leaf: Resource, scene: Scene) -> tuple[NodeVerdict, ...]:
    chosen = _chosen(leaf, scene)
    verdicts = []
    for node in scene.before.nodes:
        parts = _parts(leaf, node, scene)
        score = scene.scores.get((leaf.id, node.name), _total(parts))
        verdicts.append(
            NodeVerdict(
                node=node.name,
                score=score,
                chosen=node.name == chosen,
                obstacle=obstacle_of(node),
                parts=parts,
                change="" if node.name == chosen else _change(leaf, node, scene, parts=parts, score=score),
                won=_won(leaf, node, scene) if node.name == chosen else "",
            )
        )
    return tuple(sorted(verdicts, key=lambda one: (not one.chosen, bool(one.obstacle), -one.score, one.node)))


def _won(leaf: Resource, chosen: NodeView, scene: Scene) -> str:
    if not leaf.managed:
        return "it is left where it is"
    scores = {
        node.name: scene.scores.get((leaf.id, node.name), 0)
        for node in scene.before.nodes
        if not obstacle_of(node)
    }
    open_ = sorted(name for name, score in scores.items() if score >= 0)
    if open_ == [chosen.name]:
        return "it is the only node where it can run"
    best = scores.get(chosen.name, 0)
    equals = [name for name in open_ if scores[name] == best and name != chosen.name]
    if not equals:
        return "it has the highest score"
    by_load = scene.before.properties.placement_strategy is PlacementStrategy.DEFAULT
    room = "with fewer resources so far" if by_load else "with more room"
    return (
        f"{', '.join(equals)} would do as well: of equals the node {room} is taken, then the one where it runs, "
        "then the first by name"
    )


def _parts(leaf: Resource, node: NodeView, scene: Scene) -> tuple[Part, ...]:
    found = scene.parts.get((leaf.id, node.name), ())
    # Nobody wants to be on a node that cannot be used: that is the node's fault, and said there.
    found = tuple(
        one
        for one in found
        if not (one.reason is Reason.DEPENDENT and one.score <= -INFINITY and obstacle_of(node))
    )
    parts = [part_of(one, leaf, scene) for one in found if one.score]
    logged = scene.scores.get((leaf.id, node.name))
    if logged is not None and logged != _total(parts):
        # Wishes of others give way where they would leave no node at all.
        parts = [part for part in parts if part.reason != Reason.DEPENDENT.value]
        rest = logged - _total(parts)
        if abs(logged) < INFINITY and rest:
            parts.append(Part("placing", "", rest, "what placing the others added or took back", ""))
    return tuple(sorted(parts, key=lambda part: part.score))


def _total(parts: list[Part] | tuple[Part, ...]) -> int:
    total = 0
    for part in parts:
        total = add(total, part.score)
    return total


def _change(leaf: Resource, node: NodeView, scene: Scene, *, parts: tuple[Part, ...], score: int) -> str:
    steps = []
    obstacle = obstacle_of(node)
    if obstacle:
        steps.append(_node_remedy(node))
    bans = [part for part in parts if part.score <= -INFINITY]
    steps += [part.remedy for part in bans if part.remedy]
    chosen = _chosen(leaf, scene)
    if not leaf.managed:
        steps.append("let it be managed again")
    elif not bans and score < 0:
        remedies = [part.remedy for part in parts if part.score < 0 and part.remedy]
        steps.append(
            f"its score must not be negative: {', or '.join(remedies) or 'weaken what is against it'}"
        )
    elif not bans and chosen is not None:
        steps.append(_outbid(leaf, node, scene, chosen=chosen, score=score))
    return ", and ".join(dict.fromkeys(step for step in steps if step))


def _outbid(leaf: Resource, node: NodeView, scene: Scene, *, chosen: str, score: int) -> str:
    best = scene.scores.get((leaf.id, chosen), 0)
    if best >= INFINITY:
        names = [
            part.source or part.reason
            for part in _parts(leaf, scene.before.node_by_name[chosen], scene)
            if part.score >= INFINITY
        ]
        return f"weaken what ties it to {chosen}: {', '.join(names)}"
    if score == best:
        return (
            f"any preference at all: it has the same score on {chosen}, and of equals the node with fewer resources is taken, "
            "then the one where it runs, then the first by name"
        )
    need = best - score + 1
    stick = next(
        (
            part.score
            for part in _parts(leaf, scene.before.node_by_name[chosen], scene)
            if part.reason == Reason.STICKINESS.value
        ),
        0,
    )
    text = f"{need} more for {node.name} than for {chosen}, for example a location constraint with score {score_text(need)}"
    if stick > 0 and best - stick < score:
        text += f", or a resource-stickiness below {score - (best - stick)} in place of {stick}"
    return text


def _node_remedy(node: NodeView) -> str:
    name = node.name
    if node.unclean:
        return f"{name} has to be fenced (or confirmed dead: kubectl ha fence confirm {name}) and come back"
    if not node.online:
        return f"{name} has to come back (kubectl ha node start {name}, if it was stopped)"
    if node.node.maintenance:
        return f"kubectl ha node maintenance --off {name}"
    if node.standby_on_failure:
        return f"clean up the failure that put {name} into standby"
    if node.standby:
        return f"kubectl ha node unstandby {name}"
    return f"{name} has to be ready"
