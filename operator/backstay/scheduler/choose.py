"""Choose a node from scores: the highest wins; ties are broken openly.

Of nodes with the same score, the one with fewer resources placed wins, then the one where the resource runs
already, then the first by name.
"""

from collections.abc import Iterable

from backstay.scheduler.situation import NodeView


def best_node(nodes: Iterable[NodeView], row: list[int], *, current: NodeView | None) -> NodeView | None:
    """The node to use; None if none has a score of 0 or more."""
    candidates = [node for node in nodes if node.usable and row[node.index] >= 0]
    return min(candidates, key=lambda node: preference(node, row, current=current), default=None)


def preference(node: NodeView, row: list[int], *, current: NodeView | None) -> tuple[int, int, bool, int]:
    """A sort key: smaller is better."""
    return (-row[node.index], node.count, node is not current, node.index)
