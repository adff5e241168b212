"""What the API has lost is written again, all of it; what it merely keeps in its own way is not written for ever."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from backstay_nodeagent.status_writer import PER_ENTRY_S, SMALL, StatusWriter

STATUS = {"observedGeneration": 7, "history": [{"resource": "vip", "callId": 3}], "released": False}


class Api:
    """Takes patches, and remembers them."""

    def __init__(self) -> None:
        self.patches: list[dict[str, Any]] = []
        self.answer: dict[str, Any] = {}

    async def patch(self, _kind: object, _name: str, body: dict[str, Any], **_: Any) -> dict[str, Any]:
        self.patches.append(body["status"])
        answer, self.answer = self.answer, {}
        return answer


async def written(status: dict[str, Any]) -> tuple[StatusWriter, Api, asyncio.Task[None]]:
    api = Api()
    writer = StatusWriter(api, "n1", snapshot=lambda: dict(status), on_written=lambda _status: None)  # type: ignore[arg-type]
    task = asyncio.create_task(writer.run())
    writer.kick()
    await settled()
    assert api.patches == [status]
    return writer, api, task


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


async def test_a_report_that_the_api_has_lost_is_made_again_as_a_whole() -> None:
    writer, api, task = await written(STATUS)
    writer.compare({"status": {**STATUS, "history": []}}, now())
    await settled()
    task.cancel()
    assert api.patches == [STATUS, STATUS]


async def test_a_report_that_is_there_is_not_made_again_nor_for_defaults_that_the_api_adds() -> None:
    writer, api, task = await written(STATUS)
    history = [{"resource": "vip", "callId": 3, "rc": 0}]
    writer.compare({"status": {**STATUS, "history": history, "more": 1}}, now())
    await settled()
    task.cancel()
    assert len(api.patches) == 1


async def test_a_read_from_before_the_last_write_says_nothing_about_it() -> None:
    before = now()
    writer, api, task = await written(STATUS)
    writer.compare({"status": {}}, before)
    await settled()
    task.cancel()
    assert len(api.patches) == 1


async def test_what_the_api_never_keeps_is_written_twice_and_not_for_ever() -> None:
    writer, api, task = await written(STATUS)
    for _ in range(5):
        writer.compare({"status": {**STATUS, "released": None}}, now())
        await settled()
    task.cancel()
    assert len(api.patches) == 2


async def test_what_was_lost_once_and_kept_since_is_written_again_when_it_is_lost_again() -> None:
    writer, api, task = await written(STATUS)
    for kept in ({}, STATUS, {}):
        writer.compare({"status": kept}, now())
        await settled()
    task.cancel()
    assert len(api.patches) == 3


async def test_loss_is_seen_in_the_answer_to_the_next_write_without_any_read() -> None:
    status = dict(STATUS)
    writer, api, task = await written(status)
    api.answer = {"status": {"observedGeneration": 8, "released": False}}
    status["observedGeneration"] = 8
    writer.kick()
    await settled()
    task.cancel()
    assert api.patches[1:] == [{"observedGeneration": 8}, status]


async def test_a_long_report_is_made_less_often_and_then_as_it_is_by_then() -> None:
    long: dict[str, Any] = {"history": [{"resource": str(one)} for one in range(SMALL + 100)]}
    writer, api, task = await written(long)
    began = time.monotonic()
    for one in range(5):
        long["history"] = [*long["history"], {"resource": f"new-{one}"}]
        writer.kick()
        await settled()
    assert len(api.patches) == 1
    while len(api.patches) == 1:
        await asyncio.sleep(0.005)
    task.cancel()
    assert time.monotonic() - began > 0.7 * 100 * PER_ENTRY_S
    assert api.patches[1]["history"][-1] == {"resource": "new-4"}


async def test_a_short_report_is_made_at_once_whatever_came_before() -> None:
    status = dict(STATUS)
    writer, api, task = await written(status)
    for one in range(5):
        status["observedGeneration"] = one
        writer.kick()
        await settled()
    task.cancel()
    assert len(api.patches) == 6
