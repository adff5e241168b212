"""Node health: attributes named `#health-...` lower a node's score, or raise it, by the cluster's strategy."""

from backstay.numerals import signed
from backstay.scheduler.situation import NodeView, Situation
from backstay.state.choices import HealthStrategy
from backstay.state.score import INFINITY, add


def health_scores(situation: Situation) -> list[int] | None:
    """The score that every node's health gives to everything there; None if health does not matter. Marks
    nodes whose health is bad, for the status."""
    if situation.properties.node_health_strategy is HealthStrategy.NONE:
        return None
    return [_node_score(situation, node) for node in situation.nodes]


def _node_score(situation: Situation, node: NodeView) -> int:
    properties = situation.properties
    match properties.node_health_strategy:
        case HealthStrategy.MIGRATE_ON_RED:
            colours = {"red": -INFINITY, "yellow": 0, "green": 0}
        case HealthStrategy.ONLY_GREEN:
            colours = {"red": -INFINITY, "yellow": -INFINITY, "green": 0}
        case HealthStrategy.PROGRESSIVE | HealthStrategy.CUSTOM:
            colours = {
                "red": properties.node_health_red,
                "yellow": properties.node_health_yellow,
                "green": properties.node_health_green,
            }
        case HealthStrategy.NONE:
            return 0
    progressive = properties.node_health_strategy is HealthStrategy.PROGRESSIVE
    total = properties.node_health_base if progressive else 0
    for name, value in sorted({**node.node.attributes, **node.node.transient}.items()):
        if name.startswith("#health"):
            total = add(total, _value(value, colours))
    if properties.node_health_strategy is HealthStrategy.CUSTOM:
        return 0
    return total


def _value(value: str, colours: dict[str, int]) -> int:
    word = value.strip().lower()
    if word in colours:
        return colours[word]
    return signed(word) or 0


def mark_health(situation: Situation) -> None:
    """Remember which nodes are not green, for the status."""
    if situation.properties.node_health_strategy is HealthStrategy.NONE:
        return
    for node in situation.nodes:
        values = [
            value.strip().lower()
            for name, value in {**node.node.attributes, **node.node.transient}.items()
            if name.startswith("#health")
        ]
        if "red" in values:
            node.health = "RED"
        elif "yellow" in values:
            node.health = "YELLOW"
