"""Failures that what comes later does not wipe away: one claim each, as crm_simulate answers too."""

from dataclasses import replace

import pytest

from backstay.state import (
    Clone,
    Location,
    OnFail,
    Operation,
    OpRecord,
    Primitive,
    ResourceHistory,
    ResourceMeta,
)

from .scenes import DUMMY, NOW, cluster, done, primitive, running, schedule

FAILED = OpRecord(operation="monitor", interval_ms=10_000, call_id=2, rc=1, last_rc_change=NOW - 9)
STARTED = OpRecord(operation="start", call_id=3)
STOPPED = OpRecord(operation="stop", call_id=3)


def watched(on_fail: OnFail) -> Primitive:
    monitor = Operation(name="monitor", interval_ms=10_000, on_fail=on_fail)
    return replace(primitive("a"), operations=(monitor,))


def history(*later: OpRecord) -> ResourceHistory:
    return ResourceHistory(resource="a", node="n2", agent=DUMMY, operations=(FAILED, *later))


@pytest.mark.parametrize("later", [STARTED, STOPPED])
def test_what_a_failure_stopped_for_good_stays_stopped(later: OpRecord) -> None:
    acts = done(schedule(cluster([watched(OnFail.STOP)], histories=[history(later)])))
    assert not [act for act in acts if act.startswith("start")]


@pytest.mark.parametrize("later", [STARTED, STOPPED])
def test_a_node_that_a_failure_put_in_standby_stays_so(later: OpRecord) -> None:
    back = Location(id="l", resource="a", node="n2", score=100)
    acts = done(schedule(cluster([watched(OnFail.STANDBY)], histories=[history(later)], constraints=[back])))
    assert "start a n1" in acts


def test_a_failure_that_calls_for_a_restart_is_over_once_that_was_done() -> None:
    acts = done(schedule(cluster([watched(OnFail.RESTART)], histories=[history(STARTED)])))
    assert not [act for act in acts if act.startswith("stop")]


def test_one_failure_stops_a_whole_clone_if_it_is_to_stop() -> None:
    several = Clone(id="k", child=watched(OnFail.STOP), meta=ResourceMeta())
    acts = done(schedule(cluster([several], histories=[running("a", "n1"), history()])))
    assert {"stop a:0 n1", "stop a:1 n2"} <= set(acts) or {"stop a:1 n1", "stop a:0 n2"} <= set(acts)
