"""A local copy and an API whose history goes back: noticed by lists alone, and taken over as it is."""

from __future__ import annotations

import asyncio
from typing import Any

from backstay_kube import kinds
from backstay_kube.client import ObjectList
from backstay_kube.reflector import Reflector


def lease(name: str, version: int) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "ns", "resourceVersion": str(version)}}


class ListingClient:
    """Answers each list with the next of `lists`; `meanwhile` happens while the answer is on its way."""

    def __init__(self, *lists: ObjectList) -> None:
        self.lists = list(lists)
        self.meanwhile: Any = lambda: None

    async def list(self, *_: Any, **__: Any) -> ObjectList:
        answer = self.lists.pop(0)
        self.meanwhile()
        return answer


class Copy:
    """A reflector, and what it said."""

    def __init__(self, *lists: ObjectList) -> None:
        self.client = ListingClient(*lists)
        self.rewinds = 0
        self.changes: list[tuple[str, str]] = []
        self.reflector = Reflector(
            self.client,  # type: ignore[arg-type]
            kinds.LEASE,
            on_change=lambda type_, obj, _before: self.changes.append((type_, obj["metadata"]["name"])),
            on_rewind=self._rewound,
        )

    def _rewound(self) -> None:
        self.rewinds += 1

    def list(self, *, anew: bool = False) -> None:
        asyncio.run(self.reflector.list_now(anew=anew))

    @property
    def versions(self) -> dict[str, str]:
        return {
            one["metadata"]["name"]: one["metadata"]["resourceVersion"] for one in self.reflector.objects()
        }


def test_list_of_a_lower_version_than_seen_before_is_a_past_and_is_taken_as_it_is() -> None:
    copy = Copy(ObjectList([lease("a", 90), lease("b", 95)], "100"), ObjectList([lease("a", 70)], "80"))
    copy.list()
    copy.changes.clear()
    copy.list()
    assert copy.rewinds == 1
    assert copy.versions == {"a": "70"}
    assert copy.changes == [("DELETED", "b"), ("MODIFIED", "a")]


def test_past_is_noticed_by_an_old_object_though_the_version_has_overtaken() -> None:
    copy = Copy(ObjectList([lease("a", 90)], "100"), ObjectList([lease("a", 70)], "120"))
    copy.list()
    copy.list()
    assert copy.rewinds == 1
    assert copy.versions == {"a": "70"}


def test_own_write_acknowledged_while_a_list_was_on_its_way_makes_that_list_no_past() -> None:
    copy = Copy(ObjectList([lease("a", 90)], "100"), ObjectList([lease("a", 90)], "101"))
    copy.list()
    copy.client.meanwhile = lambda: copy.reflector.accept(lease("a", 105))
    copy.list()
    assert copy.rewinds == 0
    assert copy.versions == {"a": "105"}


def test_list_that_is_asked_for_anew_replaces_what_is_newer_without_a_second_alarm() -> None:
    copy = Copy(
        ObjectList([lease("a", 90)], "100"),
        ObjectList([lease("a", 70)], "80"),
        ObjectList([lease("a", 81)], "82"),
    )
    copy.list()
    copy.list()
    copy.list(anew=True)
    assert copy.rewinds == 1
    assert copy.versions == {"a": "81"}
