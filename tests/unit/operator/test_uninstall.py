"""The chart's helpers: an uninstallation stops what runs and never hangs; `helm test` tells what is missing."""

from __future__ import annotations

from typing import Any

import pytest

from backstay_kube.client import ObjectList
from backstay_kube.errors import ApiNotFound, ApiUnavailable
from backstay_kube.kinds import HACLUSTER, HANODE, HANODEPLAN, Kind
from backstay_operator import installed, uninstall

Obj = dict[str, Any]


class Api:
    """Clusters whose resources stop `stops_after` looks after they were asked; a clock that sleeping moves."""

    def __init__(self, *, started: int = 3, stops_after: int | None = 2, fails: int = 0) -> None:
        self.started = started
        self.stops_after = stops_after
        self.fails = fails
        self.patches: list[tuple[str, Obj]] = []
        self.looks = 0
        self.now = 0.0
        self.gone = False
        self.lets_go_after = 0
        self.objects: dict[Kind, list[Obj]] = {HANODE: [], HANODEPLAN: []}

    async def list(self, kind: Kind) -> ObjectList:
        if self.gone:
            raise ApiNotFound("no such kind", code=404)
        if self.fails:
            self.fails -= 1
            raise ApiUnavailable("503", code=503)
        if kind is HANODE and self.looks > self.lets_go_after:
            for one in self.objects[kind]:
                one.get("status", {}).setdefault("dismissed", one["metadata"]["name"] != "n9")
        if kind is not HACLUSTER:
            return ObjectList(self.objects[kind], "1")
        self.looks += bool(self.patches)
        stopped = self.stops_after is not None and self.looks > self.stops_after
        status = {"resources": {"started": 0 if stopped else self.started}, "dc": "n1"}
        return ObjectList([{"metadata": {"name": "main"}, "status": status}], "1")

    async def patch(self, kind: Kind, name: str, body: Obj) -> Obj:
        assert kind is HACLUSTER
        self.patches.append((name, body))
        return {}

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


async def released(api: Api, wish: str = "stop") -> tuple[bool, str]:
    lines: list[str] = []
    done = await uninstall.release(
        api, wish=wish, timeout_s=30, say=lines.append, sleep=api.sleep, clock=lambda: api.now
    )
    return done, "\n".join(lines)


async def test_all_resources_are_asked_to_stop_once_and_waited_for() -> None:
    api = Api()
    done, _ = await released(api)
    assert done
    assert api.patches == [("main", {"spec": {"shutdown": True}})]
    assert 0 < api.now < 10


async def test_what_does_not_stop_is_told_and_holds_nothing_up() -> None:
    api = Api(stops_after=None)
    done, said = await released(api)
    assert not done
    assert "3 resources of main are active" in said
    assert api.now == pytest.approx(30, abs=1)


async def test_leaving_asks_for_maintenance_too_and_does_not_wait_for_what_runs() -> None:
    api = Api(stops_after=None)
    done, _ = await released(api, "leave")
    assert done
    assert api.patches == [("main", {"spec": {"shutdown": True, "properties": {"maintenanceMode": True}}})], (
        "at once: in between everything would be stopped"
    )
    assert api.now == 0


@pytest.mark.parametrize("wish", ["stop", "leave"])
async def test_nodes_that_answer_are_waited_for_until_they_are_let_go(wish: str) -> None:
    api = Api(stops_after=1)
    api.lets_go_after = 4
    api.objects[HANODE] = [{"metadata": {"name": "n1"}, "status": {"state": "Stopped"}}]
    done, said = await released(api, wish)
    assert done
    assert 3 <= api.now <= 6
    assert "n1" not in said


async def test_dead_node_holds_nothing_up_and_is_told() -> None:
    api = Api()
    api.objects[HANODE] = [{"metadata": {"name": "n9"}, "status": {"state": "Unclean"}}]
    done, said = await released(api)
    assert done
    assert "node n9 is Unclean" in said
    assert api.now < 10


async def test_host_that_its_watchdog_would_reset_is_named_when_the_time_is_up() -> None:
    api = Api()
    status = {"state": "Stopped", "watchdog": "armed: deadline 3s, timeout 5s"}
    api.objects[HANODE] = [{"metadata": {"name": "n9"}, "status": status}]
    done, said = await released(api)
    assert not done
    assert "node n9 has an armed watchdog: it is reset a minute after its agent has gone" in said
    assert "node n9 is not let go yet" in said
    assert api.now == pytest.approx(30, abs=1)


async def test_api_that_fails_for_a_while_is_asked_again() -> None:
    api = Api(fails=4)
    done, _ = await released(api)
    assert done


async def test_without_definitions_there_is_nothing_to_do() -> None:
    api = Api()
    api.gone = True
    assert (await released(api))[0]


async def test_installation_check_passes_when_dc_and_agents_answer() -> None:
    api = Api()
    api.objects[HANODE] = [{"metadata": {"name": "n1"}}]
    api.objects[HANODEPLAN] = [{"metadata": {"name": "n1"}, "status": {"agentVersion": "0.1.0"}}]
    assert await installed.check(api, timeout_s=5, sleep=api.sleep, clock=lambda: api.now) == []


async def test_installation_check_names_the_node_whose_agent_is_silent() -> None:
    api = Api()
    api.objects[HANODE] = [{"metadata": {"name": "n1"}}, {"metadata": {"name": "n2"}}]
    api.objects[HANODEPLAN] = [{"metadata": {"name": "n1"}, "status": {"agentVersion": "0.1.0"}}]
    found = await installed.check(api, timeout_s=5, sleep=api.sleep, clock=lambda: api.now)
    assert found == ["the node agent of n2 has not reported"]
    assert api.now >= 5
