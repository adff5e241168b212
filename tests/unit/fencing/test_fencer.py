"""Which device is tried from where, and when to give up."""

from __future__ import annotations

from backstay.api import FenceDevice
from backstay.fencing import Fencer, devices_for


def device(name: str, **spec: object) -> FenceDevice:
    return FenceDevice.parse(
        {"metadata": {"name": name}, "spec": {"cluster": "c", "agent": "stonith:fence_x", **spec}}
    )


def names(target: str, *devices: FenceDevice, labels: dict[str, str] | None = None) -> list[str]:
    return [one.metadata.name for one in devices_for(target, devices, labels=labels or {})]


def test_lower_level_goes_first_then_higher_priority() -> None:
    assert names("n1", device("b", level=2), device("a", priority=1), device("c", priority=5)) == [
        "c",
        "a",
        "b",
    ]


def test_device_with_targets_fences_only_those() -> None:
    one = device("one", targets={"nodes": ["n1"]})
    mapped = device("mapped", hostMap={"n2": "plug-7"})
    rack = device("rack", targets={"nodeSelector": {"rack": "a"}})
    assert names("n1", one, mapped, rack) == ["one"]
    assert names("n2", one, mapped, rack, labels={"rack": "a"}) == ["mapped", "rack"]


def test_target_never_fences_itself_and_executors_take_turns() -> None:
    fencer = Fencer("n1", action="reboot", devices=[device("pdu")], max_attempts=10)
    first = fencer.step(["n1", "n2", "n3"])
    fencer.failed()
    second = fencer.step(["n1", "n2", "n3"])
    assert first is not None
    assert second is not None
    assert [first.executor, second.executor] == ["n2", "n3"]


def test_next_device_is_tried_when_one_has_used_its_attempts_up() -> None:
    fencer = Fencer(
        "n1", action="reboot", devices=[device("a", attempts=1), device("b", attempts=1)], max_attempts=10
    )
    step = fencer.step(["n2"])
    fencer.failed()
    other = fencer.step(["n2"])
    assert step is not None
    assert other is not None
    assert (step.device.metadata.name, other.device.metadata.name) == ("a", "b")
    fencer.failed()
    assert fencer.exhausted
    assert fencer.step(["n2"]) is None


def test_plug_comes_from_the_host_map() -> None:
    fencer = Fencer("n2", action="off", devices=[device("pdu", hostMap={"n2": "outlet-4"})], max_attempts=3)
    step = fencer.step(["n1"])
    assert step is not None
    assert (step.plug, step.action) == ("outlet-4", "off")
