"""The runner: what may start when, and what failures, silence and aborts do."""

import pytest

from backstay.transition import Action, ActionKind, Graph, Limits, Outcome, Phase, Runner, Verdict


def resource(number: int, operation: str, node: str, *inputs: int, timeout_ms: int = 20_000) -> Action:
    return Action(
        id=number,
        kind=ActionKind.RESOURCE,
        operation=operation,
        resource=f"r{number}",
        node=node,
        inputs=inputs,
        timeout_ms=timeout_ms,
    )


def pseudo(number: int, *inputs: int) -> Action:
    return Action(id=number, kind=ActionKind.PSEUDO, operation="mark", inputs=inputs)


def fence(number: int, node: str, *inputs: int) -> Action:
    return Action(
        id=number, kind=ActionKind.FENCING, operation="stonith", node=node, inputs=inputs, priority=1_000_000
    )


def sent(runner: Runner, now: float = 0.0) -> list[tuple[int, tuple[int, ...]]]:
    return [(one.action.id, one.after) for one in runner.ready(now)]


GROUP = Graph(
    (
        pseudo(0),
        resource(1, "start", "n1", 0),
        resource(2, "start", "n1", 0, 1),
        resource(3, "start", "n1", 0, 2),
        pseudo(4, 1, 2, 3),
        resource(5, "start", "n2", 4),
    )
)


def test_a_whole_group_goes_to_its_node_at_once() -> None:
    runner = Runner(GROUP)
    assert sent(runner) == [(1, ()), (2, (1,)), (3, (2,))]


def test_what_runs_elsewhere_waits_for_the_group_to_be_done() -> None:
    runner = Runner(GROUP)
    sent(runner)
    for one in (1, 2):
        runner.finished(one, Outcome.DONE, 1.0)
        assert sent(runner, 1.0) == []
    runner.finished(3, Outcome.DONE, 1.0)
    assert sent(runner, 1.0) == [(5, ())]
    runner.finished(5, Outcome.DONE, 2.0)
    assert runner.verdict is Verdict.COMPLETE


def test_without_chains_only_what_may_start_is_sent() -> None:
    runner = Runner(GROUP, Limits(chain=False))
    assert sent(runner) == [(1, ())]
    runner.finished(1, Outcome.DONE, 1.0)
    assert sent(runner, 1.0) == [(2, ())]


def test_a_chain_reaches_through_pseudo_actions_on_the_same_node_only() -> None:
    graph = Graph(
        (
            resource(0, "stop", "n1"),
            pseudo(1, 0),
            resource(2, "start", "n1", 1),
            resource(3, "start", "n2", 1),
        )
    )
    assert sent(Runner(graph)) == [(0, ()), (2, (0,))]


def test_a_failed_member_skips_what_was_sent_behind_it_and_aborts() -> None:
    runner = Runner(GROUP)
    sent(runner)
    runner.finished(1, Outcome.FAILED, 1.0)
    assert runner.phase(2) is Phase.SKIPPED
    assert runner.phase(3) is Phase.SKIPPED
    assert runner.in_flight == ()
    assert runner.verdict is Verdict.ABORTED
    assert "start r1 on n1" in (runner.aborted or "")


def test_nothing_new_is_sent_after_an_abort_but_what_is_in_flight_is_waited_for() -> None:
    runner = Runner(
        Graph((resource(0, "stop", "n1"), resource(1, "start", "n2", 0), resource(2, "stop", "n3")))
    )
    assert sent(runner) == [(0, ()), (2, ())]
    runner.abort("a node left")
    runner.finished(0, Outcome.DONE, 1.0)
    assert sent(runner, 1.0) == []
    assert runner.verdict is None
    runner.finished(2, Outcome.DONE, 1.0)
    assert runner.verdict is Verdict.ABORTED


def test_an_abort_names_what_can_still_be_taken_back() -> None:
    runner = Runner(GROUP)
    sent(runner)
    runner.abort("a node left")
    assert runner.withdrawable == (2, 3)
    runner.finished(2, Outcome.CANCELLED, 1.0)
    assert runner.phase(3) is Phase.SKIPPED


def test_more_urgent_actions_go_on_after_an_abort() -> None:
    runner = Runner(Graph((resource(0, "stop", "n1"), fence(1, "n2", 0))))
    sent(runner)
    runner.abort("a probe found something", priority=0)
    runner.finished(0, Outcome.DONE, 1.0)
    assert sent(runner, 1.0) == [(1, ())]


def test_an_action_without_an_answer_fails_in_time() -> None:
    runner = Runner(Graph((resource(0, "stop", "n1", timeout_ms=5_000),)), Limits(grace_ms=1_000))
    sent(runner, 10.0)
    assert runner.next_deadline == pytest.approx(16.0)
    assert runner.expire(15.9) == ()
    assert runner.expire(16.0) == (0,)
    assert runner.verdict is Verdict.ABORTED


def test_the_time_of_a_chained_action_counts_from_when_it_may_begin() -> None:
    runner = Runner(GROUP, Limits(grace_ms=0))
    sent(runner, 0.0)
    runner.finished(1, Outcome.DONE, 15.0)
    assert runner.expire(30.0) == ()
    assert runner.expire(35.0) == (2,)


def test_late_news_about_an_expired_action_changes_nothing() -> None:
    runner = Runner(Graph((resource(0, "stop", "n1"),)), Limits(grace_ms=0))
    sent(runner, 0.0)
    runner.expire(100.0)
    runner.finished(0, Outcome.DONE, 101.0)
    assert runner.phase(0) is Phase.FAILED


def test_a_node_that_had_its_fill_gets_more_when_half_of_it_is_done() -> None:
    graph = Graph(tuple(resource(n, "monitor", "n1") for n in range(10)))
    runner = Runner(graph, Limits(per_node=4, refill=2))
    assert [one for one, _ in sent(runner)] == [0, 1, 2, 3]
    runner.finished(0, Outcome.DONE, 1.0)
    assert sent(runner) == []
    runner.finished(1, Outcome.DONE, 1.0)
    assert [one for one, _ in sent(runner)] == [4, 5]
    for one in (2, 3, 4, 5):
        runner.finished(one, Outcome.DONE, 1.0)
    assert [one for one, _ in sent(runner)] == [6, 7, 8, 9]


def test_limits_bound_what_is_in_flight() -> None:
    graph = Graph(tuple(resource(one, "monitor", f"n{one % 2}") for one in range(6)))
    assert len(sent(Runner(graph, Limits(batch=4)))) == 4
    assert [one for one, _ in sent(Runner(graph, Limits(per_node=1)))] == [0, 1]


def test_an_empty_graph_is_complete_at_once() -> None:
    runner = Runner(Graph(()))
    assert runner.ready(0.0) == ()
    assert runner.verdict is Verdict.COMPLETE


def test_a_graph_with_a_circle_is_refused() -> None:
    with pytest.raises(AssertionError, match="cycle"):
        Graph((resource(0, "start", "n1", 1), resource(1, "start", "n1", 0)))
