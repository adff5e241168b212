"""What was deleted stays deleted, whatever answer comes late. (In the field: a DC took the answer to its last write of a plan after the
plan's deletion, held the plan for written, and its node waited for orders until the next list, half a minute later.)"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from backstay_kube import kinds
from backstay_kube.client import ObjectList
from backstay_kube.reflector import Reflector


def plan(version: int, uid: str = "first") -> dict[str, Any]:
    return {"metadata": {"name": "n1", "uid": uid, "resourceVersion": str(version)}}


class LateClient:
    """Lists answer what they would have answered when they were asked for."""

    def __init__(self) -> None:
        self.answer = ObjectList([plan(90)], "100")
        self.meanwhile: Any = lambda: None

    async def list(self, *_: Any, **__: Any) -> ObjectList:
        answer = self.answer
        self.meanwhile()
        return answer


@pytest.fixture
def client() -> LateClient:
    return LateClient()


@pytest.fixture
def copy(client: LateClient) -> Reflector:
    made = Reflector(client, kinds.HANODEPLAN)  # type: ignore[arg-type]
    asyncio.run(made.list_now())
    return made


def known(copy: Reflector) -> list[str]:
    return [one["metadata"]["resourceVersion"] for one in copy.objects()]


def test_answer_to_a_write_that_comes_after_the_deletion_brings_nothing_back(copy: Reflector) -> None:
    copy._apply("DELETED", plan(102))
    copy.accept(plan(101))
    assert known(copy) == []


def test_what_is_made_again_after_a_deletion_is_there_at_once(copy: Reflector) -> None:
    copy._apply("DELETED", plan(102))
    copy.accept(plan(103, uid="second"))
    assert known(copy) == ["103"]


def test_list_that_was_asked_for_before_the_deletion_brings_nothing_back(
    copy: Reflector, client: LateClient
) -> None:
    client.meanwhile = lambda: copy._apply("DELETED", plan(102))
    asyncio.run(copy.list_now())
    assert known(copy) == []


def test_bookmark_tells_that_what_a_late_answer_shows_is_gone(copy: Reflector, client: LateClient) -> None:
    client.answer = ObjectList([], "105")
    asyncio.run(copy.list_now())
    copy._apply("BOOKMARK", {"metadata": {"resourceVersion": "110"}})
    copy.accept(plan(104))
    copy.accept(plan(109, uid="second"))
    assert known(copy) == []
    copy.accept(plan(111, uid="third"))
    assert known(copy) == ["111"]


def test_after_the_history_went_back_its_versions_count_from_there(
    copy: Reflector, client: LateClient
) -> None:
    copy._apply("DELETED", plan(102))
    client.answer = ObjectList([plan(80)], "85")
    asyncio.run(copy.list_now())
    assert known(copy) == ["80"]
    copy._apply("DELETED", plan(86))
    copy.accept(plan(87, uid="second"))
    assert known(copy) == ["87"]
