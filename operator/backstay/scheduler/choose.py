"""Choose a node from scores: the highest wins; ties are broken openly.

Of nodes with the same score, the one with fewer resources placed wins (or, with utilization, the one with more room),
then the one where the resource runs already, then the first by name, letter by letter (n10 before n2), as Pacemaker has it.
"""

from collections.abc import Callable, Iterable

from backstay.scheduler.situation import NodeView

Room = Callable[[NodeView], tuple[int, ...]]


def best_node(
    nodes: Iterable[NodeView], row: list[int], *, current: NodeView | None, room: Room | None = None
) -> NodeView | None:
    """The node to use; None if none has a score of 0 or more."""
    candidates = [node for node in nodes if node.usable and row[node.index] >= 0]

    def preference(node: NodeView) -> tuple[int, tuple[int, ...], bool, str]:
        load = (node.count,) if room is None else room(node)
        return (-row[node.index], load, node is not current, node.name)

    return min(candidates, key=preference, default=None)
