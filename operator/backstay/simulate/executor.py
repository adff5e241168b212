"""Carry out a graph in which every action succeeds at once (or fails as told), and keep the order."""

from collections.abc import Mapping
from dataclasses import dataclass

from backstay.simulate.effects import World
from backstay.state.cluster import ClusterState
from backstay.transition.graph import Action, Graph
from backstay.transition.runner import Limits, Outcome, Runner

Failures = Mapping[tuple[str, str, int, str], int]


@dataclass(frozen=True, slots=True)
class Execution:
    """What was done, in order, and what the cluster looks like then."""

    actions: tuple[Action, ...]
    state: ClusterState
    failed: tuple[Action, ...] = ()


def execute(graph: Graph, state: ClusterState, *, fail: Failures | None = None) -> Execution:
    """Pass over the graph again and again, each time doing what is ready, until nothing is."""
    failures = fail or {}
    runner = Runner(graph, Limits(chain=False, complete_pseudo=False))
    world = World(state)
    done: list[Action] = []
    failed: list[Action] = []
    progress = True
    while progress:
        progress = False
        for action in graph.actions:
            if not runner.may_start(action.id):
                continue
            progress = True
            runner.send(action.id, state.now)
            done.append(action)
            rc = failures.get(
                (action.resource or "", action.operation, action.interval_ms, action.node or "")
            )
            world.apply(action, rc=rc)
            if rc is not None and rc != (action.target_rc or 0):
                failed.append(action)
                runner.finished(action.id, Outcome.FAILED, state.now)
            else:
                runner.finished(action.id, Outcome.DONE, state.now)
    return Execution(tuple(done), world.state, tuple(failed))
