"""An API that went back in time (an etcd restored from a backup): what it says then is the truth, and it is noticed."""

from __future__ import annotations

from typing import Any

from backstay_kube import kinds
from backstay_kube.client import ObjectList
from backstay_kube.reflector import Reflector
from backstay_operator.world import WATCHED, World


def plan(name: str, version: int) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "uid": name, "resourceVersion": str(version)},
        "spec": {"epoch": version},
    }


class Api:
    """Answers lists with what the test says."""

    def __init__(self, *plans: dict[str, Any], version: int) -> None:
        self.say(*plans, version=version)

    def say(self, *plans: dict[str, Any], version: int) -> None:
        self.answer = ObjectList(list(plans), str(version))

    async def list(self, *_: Any, **__: Any) -> ObjectList:
        return self.answer


REWIND = ("REWIND", "")


def reflector(api: Api) -> tuple[Reflector, list[tuple[str, str]]]:
    told: list[tuple[str, str]] = []
    made = Reflector(
        api,  # type: ignore[arg-type]
        kinds.HANODEPLAN,
        on_change=lambda what, obj, _before: told.append((what, obj["metadata"]["resourceVersion"])),
        on_rewind=lambda: told.append(REWIND),
    )
    return made, told


def versions(made: Reflector) -> dict[str, str]:
    return {obj["metadata"]["name"]: obj["metadata"]["resourceVersion"] for obj in made.objects()}


async def test_list_older_than_what_was_shown_before_is_the_truth_and_told() -> None:
    api = Api(plan("n1", 40), plan("n2", 41), version=50)
    made, told = reflector(api)
    await made.list_now()
    api.say(plan("n1", 30), version=45)
    await made.list_now()
    assert versions(made) == {"n1": "30"}
    assert told[-3:] == [("DELETED", "41"), ("MODIFIED", "30"), REWIND]
    await made.list_now()
    assert told.count(REWIND) == 1, "the same again is no news"


async def test_older_state_in_a_list_from_after_the_known_one_is_the_truth_though_versions_have_passed() -> (
    None
):
    api = Api(plan("n1", 40), version=50)
    made, told = reflector(api)
    await made.list_now()
    api.say(plan("n1", 30), version=60)
    await made.list_now()
    assert versions(made) == {"n1": "30"}
    assert told.count(REWIND) == 1


async def test_answer_that_overtakes_a_list_under_way_is_no_journey_in_time() -> None:
    api = Api(plan("n1", 40), version=50)
    made, told = reflector(api)
    await made.list_now()

    class Slow(Api):
        async def list(self, *_: Any, **__: Any) -> ObjectList:
            made.accept(plan("n1", 57))  # our own write, while the list was on its way
            return self.answer

    made._client = Slow(plan("n1", 40), version=55)  # type: ignore[assignment]
    await made.list_now()
    assert versions(made) == {"n1": "57"}
    assert REWIND not in told


async def test_every_kind_that_decisions_use_notices_an_api_that_went_back() -> None:
    for kind in (*WATCHED, kinds.HANODEPLAN, kinds.LEASE):
        api = Api(plan("n1", 40), version=50)
        world = World(api)  # type: ignore[arg-type]
        copy = next(one for one in world._followed if one.kind is kind)
        await copy.list_now()
        api.say(plan("n1", 30), version=60)
        await copy.list_now()
        assert world.doubtful, kind.name
