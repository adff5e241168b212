"""The table of operator/design/0011-quorum.md, made from what the real core does: python -m harness.quorum_table.

For every cluster of 1 to 5 nodes, every number of nodes that still reach the API, and every noQuorumPolicy, a whole model cluster runs
under the real coordinator, and a real keeper's Vouching says what the nodes that are cut off do. A start of what still runs elsewhere
raises DoubleActive, so that no row can be written down that is unsafe.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from backstay.api import HACluster
from backstay_nodeagent.keeper_logic import KeeperLogic, KeeperTimings
from backstay_nodeagent.vouching import Answer, Vouching
from harness.model_cluster import ModelCluster
from unit.coordinator.test_failover import power_switch, resource

PAGE = Path(__file__).resolve().parents[2] / "operator" / "design" / "0011-quorum.md"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
POLICIES = ("stop", "demote", "freeze", "ignore", "fence")
STEP_S, SETTLE_S, WATCH_S = 0.25, 4.0, 9.0


@dataclass(frozen=True)
class Outcome:
    """Of one run. `own`: what becomes of what ran on nodes that are heard; `lost`: of what ran on the node that was lost last."""

    quorum: bool
    brake: bool
    own: str
    lost: str

    @property
    def words(self) -> str:
        return " / ".join(one for one in (self.own, self.lost) if one)


@dataclass(frozen=True)
class Row:
    nodes: int
    heard: int
    outcomes: dict[str, Outcome]
    """By policy."""

    @property
    def cells(self) -> list[str]:
        """Without what keepers do. What no policy may change is one cell."""
        common = {(one.quorum, one.brake) for one in self.outcomes.values()}
        assert len(common) == 1, self
        ((quorum, brake),) = common
        assert self.outcomes["stop"] == self.outcomes["demote"], self
        answers = [str(self.nodes), str(self.heard), _yes(quorum), _yes(brake)]
        return answers + [self.outcomes[one].words for one in ("stop", "freeze", "ignore", "fence")]


def _yes(it_is: bool) -> str:
    return "yes" if it_is else "no"


def keeps(nodes: int, together: int) -> bool:
    """Whether a node whose lease runs out goes on, when `together` (it is one of them) hear one another and nobody reaches the API."""
    logic = KeeperLogic(0.0, KeeperTimings())
    logic.renewed(0.0, 3.0)
    mine = Vouching(started_at=-100.0, lease_s=3.0)
    mine.peers = {f"p{number}": "" for number in range(1, nodes)}
    now, end = 0.0, 30.0
    lapse = logic.lapse
    assert lapse is not None
    while now < end:
        now += 0.01
        question = mine.due(lapse, now)
        if question is not None and question.promise:
            for number in range(1, together):
                mine.answered(f"p{number}", Answer(question.number, "promise", 4.5, now), lapse, now)
        logic.kept_until = mine.keep_until(now)
        stop_at = logic.stop_at
        if stop_at is not None and now >= stop_at:
            return False
    return True


def outcome(nodes: int, heard: int, policy: str, *, gap_s: float = 0.0) -> Outcome:
    """Run it. `gap_s`: between one loss and the next; 0: all are lost at once."""
    spec = {"properties": {"noQuorumPolicy": policy}, "resourceDefaults": {"resourceStickiness": 1}}
    cluster = HACluster.parse({"metadata": {"name": "c", "uid": "c", "generation": 1}, "spec": spec})
    names = [f"n{number}" for number in range(1, nodes + 1)]
    made = ModelCluster(*names, cluster=cluster)
    made.vouches = True
    made.add(power_switch())
    for number in range(nodes):
        made.add(resource(f"db{number}"), resource(f"ip{number}", requires="quorum"))
    made.run(SETTLE_S, step=STEP_S)
    stay, cut = names[:heard], names[heard:]
    where: dict[str, list[str]] = {}
    for name in cut:
        if name == cut[-1] or not where:
            where = {one.resource_id: made.where(one.resource_id) for one in made.resources}
        made.cut(name)
        made.nodes[name].vouched = not gap_s and policy != "ignore" and keeps(nodes, len(cut))
        if gap_s:
            made.run(gap_s, step=STEP_S)
    where = where or {one.resource_id: made.where(one.resource_id) for one in made.resources}
    made.run(WATCH_S, step=STEP_S)
    assert made.orders is not None
    membership = made.orders.picture.membership
    return Outcome(
        quorum=membership.quorum,
        brake=membership.brake.engaged,
        own=_own(made, where, stay),
        lost=_lost(made, where, stay, cut[-1:] if gap_s else cut),
    )


def _own(made: ModelCluster, where: dict[str, list[str]], stay: list[str]) -> str:
    """The same for all of it, or the table would need more words."""
    own = [one for one, places in where.items() if set(places) & set(stay)]
    if not own:
        return ""
    if any(f"reboot {name}" in line for line in made.fence_log for name in stay):
        return "fenced"
    kept = [one for one in own if made.where(one) == where[one]]
    assert len(kept) in (0, len(own)), (kept, own)
    return "keep" if kept else "stop"


def _lost(made: ModelCluster, where: dict[str, list[str]], stay: list[str], cut: list[str]) -> str:
    """Whatever was taken over must have been fenced, as far as it needs that."""
    lost = [one for one, places in where.items() if set(places) & set(cut)]
    if not lost:
        return ""
    fenced = [name for name in cut if any(f"reboot {name}" in line for line in made.fence_log)]
    moved = [one for one in lost if set(made.where(one)) & set(stay)]
    assert len(fenced) in (0, len(cut)), fenced
    assert len(moved) in (0, len(lost)), moved
    assert bool(fenced) is bool(moved)
    return "taken over" if moved else "left alone"


def rows(*, gap_s: float = 0.0) -> Iterator[Row]:
    """In the order of the page. One after the other: only up to the loss that costs the quorum."""
    for nodes in range(1, 6):
        for heard in range(nodes, -1, -1):
            if not gap_s or (heard > 0 and 2 * heard < nodes <= 2 * heard + 2):
                found = {policy: outcome(nodes, heard, policy, gap_s=gap_s) for policy in POLICIES}
                yield Row(nodes, heard, found)


def _keepers(row: Row) -> list[str]:
    cut = row.nodes - row.heard
    if not cut:
        return ["-", "-"]
    return ["keep" if keeps(row.nodes, together) else "stop" for together in (cut, 1)]


def markdown() -> str:
    """Both tables, as they stand in the page."""
    policies = ("stop, demote", "freeze", "ignore", "fence")
    head = ("nodes", "heard", "quorum", "brake", *policies, "cut off, hear one another", "cut off, alone")
    lines = [*_head(*head), *(_line(*row.cells, *_keepers(row)) for row in rows())]
    lines += ["", "Lost one after the other, the former fenced before the next is lost:", ""]
    lines += _head("nodes", "heard", "quorum", "brake", *policies)
    lines += [_line(*row.cells) for row in rows(gap_s=WATCH_S)]
    return "\n".join(lines)


def _head(*names: str) -> list[str]:
    return [_line(*names), "|" + "---|" * len(names)]


def _line(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def table_of(page: str) -> str:
    """What stands between the marks."""
    return page.partition(BEGIN)[2].partition(END)[0].strip()


def main() -> int:
    text = PAGE.read_text()
    made = f"{BEGIN}\n\n{markdown()}\n\n{END}"
    PAGE.write_text(text.partition(BEGIN)[0] + made + text.partition(END)[2])
    return 0


if __name__ == "__main__":
    sys.exit(main())
