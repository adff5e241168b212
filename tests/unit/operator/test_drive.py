"""Plans are written against an API that refuses, and never by a DC that was superseded."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from backstay.api import HANodePlanSpec, PlanAction
from backstay_kube.errors import ApiConflict, ApiInvalid, ApiUnavailable
from backstay_operator import drive
from backstay_operator.drive import ATTEMPTS, LONG_AT_ONCE, SHORT, SHORT_AT_ONCE, PlanDriver, Superseded


class ContraryApi:
    """A plan in an API whose writes all end the same way."""

    def __init__(self, error: Exception | None, *, epoch: int = 1) -> None:
        self.error = error
        self.plan: dict[str, Any] = {
            "metadata": {"name": "n1", "resourceVersion": "5"},
            "spec": {"cluster": "c", "epoch": epoch},
        }
        self.writes: list[dict[str, Any]] = []
        self.reads = 0

    async def get(self, _kind: object, _name: str) -> dict[str, Any]:
        self.reads += 1
        return self.plan

    async def patch(self, _kind: object, _name: str, body: dict[str, Any]) -> dict[str, Any]:
        self.writes.append(body)
        if self.error is not None:
            raise self.error
        return {"metadata": {"name": "n1", "resourceVersion": "6"}, "spec": body["spec"]}


class Copy:
    """What a reflector would hold."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.plan = plan

    def get(self, _name: str) -> dict[str, Any]:
        return self.plan

    def accept(self, obj: dict[str, Any]) -> None:
        self.plan = obj


def driver(api: ContraryApi, *, epoch: int = 2, leads: bool = True) -> PlanDriver:
    return PlanDriver(api, Copy(api.plan), epoch=epoch, may_write=lambda: leads)  # type: ignore[arg-type]


WANTED = {"n1": HANodePlanSpec(cluster="c", epoch=2)}


async def test_conflict_on_every_write_is_tried_a_few_times_and_left_to_the_next_round() -> None:
    api = ContraryApi(ApiConflict("changed meanwhile"))
    made = driver(api)
    await made.write(WANTED)
    assert len(api.writes) == ATTEMPTS
    await made.write(WANTED)
    assert len(api.writes) == 2 * ATTEMPTS
    assert made.writes == 0


async def test_conflict_is_followed_by_a_fresh_read_and_its_version() -> None:
    api = ContraryApi(ApiConflict("changed meanwhile"))
    api.plan = {**api.plan, "metadata": {"name": "n1", "resourceVersion": "9"}}
    made = PlanDriver(
        api,
        Copy({"metadata": {"name": "n1", "resourceVersion": "5"}, "spec": {}}),
        epoch=2,
        may_write=lambda: True,  # type: ignore[arg-type]
    )
    await made.write(WANTED)
    assert [one["metadata"]["resourceVersion"] for one in api.writes[:2]] == ["5", "9"]


async def test_api_that_is_gone_stops_neither_the_loop_nor_the_other_nodes() -> None:
    api = ContraryApi(ApiUnavailable("nobody there"))
    await driver(api).write({**WANTED, "n2": HANodePlanSpec(cluster="c", epoch=2)})
    assert len(api.writes) == 2


async def test_plan_of_a_higher_epoch_is_never_written() -> None:
    api = ContraryApi(None, epoch=3)
    with pytest.raises(Superseded):
        await driver(api).write(WANTED)
    assert api.writes == []


async def test_refusal_by_the_epochs_rule_means_superseded() -> None:
    api = ContraryApi(ApiInvalid("epoch: superseded"), epoch=7)
    made = PlanDriver(
        api,
        Copy({"metadata": {"name": "n1", "resourceVersion": "5"}, "spec": {"epoch": 1}}),
        epoch=2,
        may_write=lambda: True,  # type: ignore[arg-type]
    )
    with pytest.raises(Superseded):
        await made.write(WANTED)


async def test_dc_that_no_longer_leads_writes_nothing() -> None:
    api = ContraryApi(None)
    await driver(api, leads=False).write(WANTED)
    assert api.writes == []


class OlderServer(ContraryApi):
    """One whose definitions lack fields: it drops them from what it is sent."""

    async def patch(self, _kind: object, _name: str, body: dict[str, Any]) -> dict[str, Any]:
        self.writes.append(body)
        known = ("cluster", "epoch", "actions")
        spec = {name: value for name, value in body["spec"].items() if name in known}
        return {"metadata": {"name": "n1", "resourceVersion": str(5 + len(self.writes))}, "spec": spec}


async def test_fields_that_an_older_definition_drops_are_not_written_again_and_again() -> None:
    api = OlderServer(None)
    copy = Copy(api.plan)
    made = PlanDriver(api, copy, epoch=2, may_write=lambda: True)  # type: ignore[arg-type]
    await made.write(WANTED)
    # As a watch has it, after the agent has written its status: another object, the same spec.
    copy.plan = {**copy.plan, "metadata": {"name": "n1", "resourceVersion": "9"}, "status": {}}
    await made.write(WANTED)
    assert len(api.writes) == 1
    await made.write({"n1": HANodePlanSpec(cluster="c", epoch=2, sync=3)})
    assert len(api.writes) == 2, "what is new is written, kept or not"
    copy.plan = {**copy.plan, "spec": {**copy.plan["spec"], "cluster": "other"}}
    await made.write({"n1": HANodePlanSpec(cluster="c", epoch=2, sync=3)})
    assert len(api.writes) == 3, "what others changed is mended"


class SlowApi(ContraryApi):
    """Takes a while for each write, and counts how many are under way."""

    def __init__(self, pause_s: float) -> None:
        super().__init__(None)
        self.pause_s = pause_s
        self.under_way = self.most = 0

    async def patch(self, kind: object, name: str, body: dict[str, Any]) -> dict[str, Any]:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(self.pause_s)
        self.under_way -= 1
        return await super().patch(kind, name, body)


def specs(nodes: int, actions: int) -> dict[str, HANodePlanSpec]:
    return {
        f"n{node}": HANodePlanSpec(
            cluster="c",
            epoch=2,
            actions=[PlanAction(id=f"2-1-{node}-{number}", verb="start") for number in range(actions)],
        )
        for node in range(nodes)
    }


async def test_short_plans_are_written_many_at_a_time_and_long_ones_a_few() -> None:
    api = SlowApi(0.01)
    made = driver(api)
    await made.write(specs(20, SHORT))
    assert (api.most, len(api.writes)) == (SHORT_AT_ONCE, 20)
    api.most = 0
    await made.write(specs(20, SHORT + 1))
    assert (api.most, len(api.writes)) == (LONG_AT_ONCE, 40)


def test_what_withdraws_orders_is_written_first_then_what_gives_some() -> None:
    """Whoever comes back must not find the order whose work another is told to do."""
    api = ContraryApi(None)
    api.plan["spec"]["actions"] = [{"id": "2-1-0-0"}]
    made = driver(api)
    nothing: dict[str, Any] = {"actions": []}
    more: dict[str, Any] = {"actions": [{"id": "2-1-0-0"}, {"id": "2-1-0-1"}]}
    assert made._urgency("n1", nothing) < made._urgency("n1", more)
    api.plan["spec"]["actions"] = []
    assert made._urgency("n1", more) < made._urgency("n1", nothing)


async def test_what_a_slow_server_leaves_no_time_for_waits_for_the_next_round(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(drive, "UNTIL_S", 0.05)
    api = SlowApi(0.03)
    made = driver(api)
    await made.write(specs(20, SHORT + 1))
    assert LONG_AT_ONCE <= len(api.writes) < 20
