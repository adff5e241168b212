"""What the API accepts and the DC cannot work with: told, held back with what depends on it, everything else goes on."""

from __future__ import annotations

from typing import Any

import pytest

from backstay.api import HACluster, HAConstraint, HANode, HAResource, ResourceGroup
from backstay.coordinator import View, error_of_trial
from backstay.coordinator.quarantine import CODE, Quarantine
from backstay.state.assemble import Objects
from harness.model_cluster import EPOCH_WALL, ModelCluster
from unit.verify.definitions import AGENTS, group, resource

GOOD = {"ip": "10.0.0.3"}
HUGE = "9" * 310
LONG = "9" * 5000


@pytest.fixture
def trio() -> ModelCluster:
    spec = {"properties": {"stonithEnabled": False}}
    cluster = HACluster.parse({"metadata": {"name": "c", "uid": "c", "generation": 1}, "spec": spec})
    made = ModelCluster("n1", "n2", "n3", cluster=cluster)
    made.agents = dict(AGENTS)
    made.run(3)
    return made


def codes(trio: ModelCluster) -> list[str]:
    assert trio.orders is not None
    return [one.code for one in trio.orders.picture.assembly.problems if one.severity == "error"]


def held(trio: ModelCluster) -> dict[str, str]:
    assert trio.orders is not None
    return dict(trio.orders.picture.held)


def constraint(name: str, **spec: Any) -> HAConstraint:
    return HAConstraint.parse(
        {"metadata": {"name": name, "namespace": "default", "uid": name, "generation": 1}, "spec": spec}
    )


def under_rule(**expression: Any) -> list[dict[str, Any]]:
    return [{"rule": {"expressions": [expression]}, "params": {"nic": "eth1"}}]


def attributes(trio: ModelCluster, **values: str) -> None:
    for name in trio.hanodes:
        body = {"metadata": {"name": name, "uid": name, "generation": 2}, "spec": {"attributes": values}}
        trio.hanodes[name] = HANode.parse(body)


def edit(trio: ModelCluster, name: str, **spec: object) -> None:
    for number, item in enumerate(trio.resources):
        if item.metadata.name == name:
            body = item.model_dump(by_alias=True, exclude_none=True)
            body["spec"].update(spec)
            body["metadata"]["generation"] += 1
            trio.resources[number] = HAResource.parse(body)


def origin(text: str) -> list[dict[str, str]]:
    return [{"name": "monitor", "interval": "30s", "intervalOrigin": text}]


@pytest.mark.parametrize("text", ["tomorrow", "²", "0001-01-01T00:00:00+14:00x", "2026-13-01", "\x00"])
def test_interval_origin_that_is_no_time_holds_one_resource_back(trio: ModelCluster, text: str) -> None:
    trio.add(
        resource("bad", params=GOOD, operations=origin(text)), resource("good", params={"ip": "10.0.0.4"})
    )
    trio.run(5)
    assert "Invalid" in codes(trio)
    assert held(trio) == {"bad": "Invalid"}
    assert trio.where("bad") == []
    assert len(trio.where("good")) == 1


@pytest.mark.parametrize(
    "expression",
    [
        {"dateSpec": {"hours": "²"}, "operation": "date_spec"},
        {"dateSpec": {"moons": "1"}, "operation": "date_spec"},
        {"dateSpec": {"hours": ""}, "operation": "date_spec"},
        {"dateSpec": {"hours": LONG[:1000] + "x"}, "operation": "date_spec"},
        {"start": "2026-01-01", "duration": {"years": "99999999999"}, "operation": "in_range"},
        {"start": "2026-01-01", "duration": {"years": "-1"}, "operation": "in_range"},
        {"start": "2026-01-01", "duration": {"fortnights": "1"}, "operation": "in_range"},
        {"start": "whenever", "operation": "gt"},
        {"operation": "defined"},
        {"attribute": "a", "operation": "in_range"},
    ],
    ids=str,
)
def test_rule_that_cannot_be_read_holds_its_resource_back(
    trio: ModelCluster, expression: dict[str, Any]
) -> None:
    trio.add(
        resource("bad", params=GOOD, conditionalParams=under_rule(**expression)),
        resource("good", params={"ip": "10.0.0.4"}),
    )
    trio.run(5)
    assert "InvalidRule" in codes(trio)
    assert held(trio) == {"bad": "InvalidRule"}
    assert len(trio.where("good")) == 1


ODD = ("²", LONG[:1000], "1e999", "-", "", "\x00", "1.²")
COMPARISONS = (
    {"start": "2026-01-01", "duration": {"years": "99999999"}, "operation": "in_range"},
    {"start": "9999-12-31", "duration": {"months": "1"}, "operation": "in_range"},
    {"start": "0001-01-01", "duration": {"seconds": "1"}, "operation": "in_range"},
    *(
        {"attribute": "a", "operation": "lt", "type": type_, "value": value}
        for type_ in ("version", "number", "integer")
        for value in ODD
    ),
)


@pytest.mark.parametrize("actual", ["²", LONG[:1000], "1e999", "1"], ids=lambda text: text[:5])
def test_comparison_with_odd_numbers_is_a_comparison(trio: ModelCluster, actual: str) -> None:
    attributes(trio, a=actual)
    for number, expression in enumerate(COMPARISONS):
        rule = under_rule(**expression)
        trio.add(resource(f"r{number}", params={"ip": f"10.0.1.{number}"}, conditionalParams=rule))
    trio.run(3)
    assert held(trio) == {}
    assert all(len(trio.where(f"r{number}")) == 1 for number in range(len(COMPARISONS)))


@pytest.mark.parametrize("text", ["1e999", "-1e999", LONG[:1000], "²", "nan", "inf", "", "\x00"])
def test_odd_score_attribute_is_a_score(trio: ModelCluster, text: str) -> None:
    attributes(trio, a=text)
    rule = {"scoreAttribute": "a", "expressions": [{"attribute": "a", "operation": "defined"}]}
    trio.add(resource("r", params=GOOD))
    trio.constraints.append(constraint("c", location={"resource": "r", "rules": [rule]}))
    trio.run(3)
    assert codes(trio) == []


@pytest.mark.parametrize("text", ["1e999", LONG[:1000], "²", "nan", "\x00"])
def test_odd_promotion_score_and_health_are_read(trio: ModelCluster, text: str) -> None:
    attributes(trio, **{"master-r": text, "#health-a": text})
    trio.cluster = trio.cluster.model_copy(
        update={
            "spec": HACluster.parse(
                {"spec": {"properties": {"nodeHealthStrategy": "progressive", "stonithEnabled": False}}}
            ).spec
        }
    )
    trio.add(resource("r", params=GOOD, clone={"promotable": True}))
    trio.run(3)
    assert held(trio) == {}


@pytest.mark.parametrize("text", [HUGE, HUGE + "d", "P" + HUGE + "D", "9" * 20 + "d", "٣s", "nan", "1e9"])
def test_duration_beyond_reason_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="stonithTimeout"):
        HACluster.parse({"spec": {"properties": {"stonithTimeout": text}}})


@pytest.mark.parametrize("pattern", ["(", "(?=a)", r"\1", "a{1001}", "(((a{100}){100}){100})"])
def test_pattern_that_is_none_is_told(trio: ModelCluster, pattern: str) -> None:
    trio.add(resource("r", params=GOOD))
    trio.constraints.append(
        constraint("c", location={"resourcePattern": pattern, "node": "n1", "score": "-INFINITY"})
    )
    trio.run(3)
    assert codes(trio) == ["Invalid"]
    assert len(trio.where("r")) == 1


def test_group_with_a_faulty_member_starts_up_to_it(trio: ModelCluster) -> None:
    trio.add(resource("a", params=GOOD), resource("b", params={"ip": "10.0.0.4"}, operations=origin("x")))
    trio.add(resource("c", params={"ip": "10.0.0.5"}))
    trio.groups.append(group("g", {"resource": "a"}, {"resource": "b"}, {"resource": "c"}))
    trio.run(5)
    assert held(trio) == {"b": "Invalid"}
    assert len(trio.where("a")) == 1
    assert trio.where("b") == trio.where("c") == []


def test_what_is_ordered_after_a_faulty_resource_waits(trio: ModelCluster) -> None:
    trio.add(resource("a", params=GOOD, operations=origin("x")), resource("b", params={"ip": "10.0.0.4"}))
    trio.constraints.append(constraint("c", order={"first": "a", "then": "b"}))
    trio.run(5)
    assert trio.where("a") == trio.where("b") == []


def test_running_resource_that_becomes_faulty_is_left_alone(trio: ModelCluster) -> None:
    trio.add(resource("r", params=GOOD))
    trio.run(5)
    there = trio.where("r")
    edit(trio, "r", operations=origin("x"))
    trio.run(10)
    assert held(trio) == {"r": "Invalid"}
    assert trio.where("r") == there
    assert not [line for line in trio.log if "stop r" in line]
    edit(trio, "r", operations=origin("2026-01-01"))
    trio.run(5)
    assert held(trio) == {}
    assert trio.where("r") == there


# -- the last guard: what nobody knows of


class Poison(dict[str, int]):
    """A value over which this program stumbles: a fault of ours that one object brings to light."""

    def items(self) -> Any:
        raise RuntimeError("poison")

    __iter__ = keys = values = items


def poisoned(item: HAResource) -> HAResource:
    spec = item.spec.model_copy(update={"utilization": Poison(cpu=1)})
    return item.model_copy(update={"spec": spec})


def objects_of(trio: ModelCluster, *extra: HAResource) -> Objects:
    cluster = trio.cluster.model_copy(
        update={
            "spec": HACluster.parse({"spec": {"properties": {"placementStrategy": "balanced"}}}).spec,
        }
    )
    return Objects(
        cluster=cluster,
        nodes=tuple(trio.hanodes.values()),
        resources=(*trio.resources, *extra),
        constraints=tuple(trio.constraints),
    )


class Examination:
    """A quarantine, and how often it tried."""

    def __init__(self, trio: ModelCluster) -> None:
        self.trio = trio
        self.quarantine = Quarantine()
        self.trials = 0

    def trial(self, objects: Objects) -> Exception | None:
        self.trials += 1
        now = self.trio.now
        return error_of_trial(View(now=now, wall=EPOCH_WALL, objects=objects), objects, self.trio.tracker)


def test_object_that_makes_the_step_raise_is_found_and_kept_out(trio: ModelCluster) -> None:
    trio.add(*(resource(f"r{number}", params={"ip": f"10.0.1.{number}"}) for number in range(20)))
    checked = Examination(trio)
    bad = poisoned(resource("bad", params=GOOD))
    objects = objects_of(trio, bad)
    error = checked.trial(objects)
    assert isinstance(error, RuntimeError)
    found = checked.quarantine.examine(objects, checked.trial, error, 0.0)
    assert [(one.kind, one.name, one.code) for one in found] == [("HAResource", "bad", CODE)]
    admitted = checked.quarantine.admit(objects, checked.trial, 0.0)
    assert checked.trial(admitted) is None
    assert admitted.unreadable == {("HAResource", "default", "bad")}
    assert {one.metadata.name for one in admitted.resources} == {
        one.metadata.name for one in objects.resources
    }


def test_several_culprits_are_found_in_a_few_trials_each(trio: ModelCluster) -> None:
    checked = Examination(trio)
    plain = [resource(f"r{number}", params={"ip": f"10.0.1.{number}"}) for number in range(64)]
    bad = [poisoned(resource(f"bad{number}", params=GOOD)) for number in range(3)]
    objects = objects_of(trio, *plain, *bad)
    error = checked.trial(objects)
    assert error is not None
    found = checked.quarantine.examine(objects, checked.trial, error, 0.0)
    assert {one.name for one in found} == {"bad0", "bad1", "bad2"}
    assert checked.trials < 45


def test_what_changed_since_a_good_step_is_suspected_first(trio: ModelCluster) -> None:
    checked = Examination(trio)
    trio.add(*(resource(f"r{number}", params={"ip": f"10.0.1.{number}"}) for number in range(64)))
    before = objects_of(trio)
    checked.quarantine.passed(before)
    objects = objects_of(trio, poisoned(resource("bad", params=GOOD)))
    error = checked.trial(objects)
    assert error is not None
    found = checked.quarantine.examine(objects, checked.trial, error, 0.0)
    assert [one.name for one in found] == ["bad"]
    assert checked.trials <= 6


def test_changed_object_is_tried_apart_before_it_takes_part_again(trio: ModelCluster) -> None:
    checked = Examination(trio)
    bad = poisoned(resource("bad", params=GOOD))
    objects = objects_of(trio, bad)
    checked.quarantine.examine(objects, checked.trial, RuntimeError("poison"), 0.0)
    newer = bad.model_copy(update={"metadata": bad.metadata.model_copy(update={"generation": 2})})
    assert checked.quarantine.admit(objects_of(trio, newer), checked.trial, 1.0).unreadable
    mended = resource("bad", params=GOOD)
    mended.metadata.generation = 3
    assert checked.quarantine.admit(objects_of(trio, mended), checked.trial, 2.0).unreadable
    later = checked.quarantine.admit(objects_of(trio, mended), checked.trial, 100.0)
    assert not later.unreadable
    assert checked.quarantine.problems == ()


def test_failure_of_no_single_object_names_the_cluster(trio: ModelCluster) -> None:
    objects = objects_of(trio)
    found = Quarantine().examine(objects, lambda _: RuntimeError("always"), RuntimeError("always"), 0.0)
    assert [(one.kind, one.code) for one in found] == [("HACluster", "StepFailed")]


def test_groups_and_constraints_can_be_at_fault_too(trio: ModelCluster) -> None:
    bad: ResourceGroup | HAConstraint
    for bad in (group("g", {"resource": "a"}), constraint("c", order={"first": "a", "then": "b"})):
        base = objects_of(trio, resource("a", params=GOOD), resource("b", params={"ip": "10.0.0.4"}))
        field = "groups" if isinstance(bad, ResourceGroup) else "constraints"
        objects = Objects(**{**_fields(base), field: (bad,)})

        def trial(these: Objects, bad: object = bad, field: str = field) -> Exception | None:
            return RuntimeError("poison") if any(one is bad for one in getattr(these, field)) else None

        quarantine = Quarantine()
        found = quarantine.examine(objects, trial, RuntimeError("poison"), 0.0)
        assert [one.name for one in found] == [bad.metadata.name]
        assert trial(quarantine.admit(objects, trial, 0.0)) is None


def _fields(objects: Objects) -> dict[str, Any]:
    return {name: getattr(objects, name) for name in Objects.__dataclass_fields__}
