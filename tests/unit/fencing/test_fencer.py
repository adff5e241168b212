"""The walk of one fencing: levels, devices, nodes, and when the target is known to be dead."""

from __future__ import annotations

import itertools

import pytest

from backstay.api import FenceDevice, FencingLevel
from backstay.fencing import DeviceSettings, Fencer, FenceStep, Stage, levels_for, settings_of
from backstay.ocf.metadata import Action, Metadata

NODES = ("n1", "n2", "n3", "n4")


def device(name: str, *, metadata: Metadata | None = None, **spec: object) -> DeviceSettings:
    return settings_of(
        FenceDevice.parse(
            {"metadata": {"name": name}, "spec": {"cluster": "c", "agent": "stonith:fence_x", **spec}}
        ),
        metadata,
    )


def fencer(
    *devices: DeviceSettings, action: str = "reboot", topology: tuple[FencingLevel, ...] = ()
) -> Fencer:
    return Fencer("n1", action=action, levels=levels_for("n1", devices, labels={}, topology=topology))


def step_of(one: Fencer, executors: tuple[str, ...] = NODES) -> FenceStep:
    step = one.step(executors)
    assert step is not None
    return step


def walk(one: Fencer, *broken: str, executors: tuple[str, ...] = NODES) -> list[str]:
    """Run it to its end; commands of `broken` ("device action", or a device) fail. Returns what was run."""
    ran = []
    while (step := one.step(executors)) is not None:
        ran.append(f"{step.device.name} {step.action} on {step.executor}")
        words = (step.device.name, f"{step.device.name} {step.action}")
        if any(word in broken for word in words):
            one.failed(step, executors)
        else:
            one.succeeded(step)
    assert one.over
    return ran


def test_one_device_is_asked_for_the_reboot_itself() -> None:
    one = fencer(device("ipmi"))
    assert walk(one) == ["ipmi reboot on n2"]
    assert one.dead


def test_without_a_topology_devices_are_alternatives_by_priority_then_name() -> None:
    one = fencer(device("b"), device("a"), device("best", priority=9))
    assert walk(one, "best", "a") == [
        *(f"best reboot on {node}" for node in ("n2", "n3", "n4")),
        *(f"a reboot on {node}" for node in ("n2", "n3", "n4")),
        "b reboot on n2",
    ]
    assert one.used == ["b on n2"]


def test_all_devices_of_a_level_cut_off_before_any_switches_on_again() -> None:
    one = fencer(device("pdu-a", level=1), device("pdu-b", level=1))
    assert walk(one) == ["pdu-a off on n2", "pdu-b off on n2", "pdu-a on on n2", "pdu-b on on n2"]
    assert one.dead


def test_target_counts_as_dead_as_soon_as_the_last_device_cut_it_off() -> None:
    one = fencer(device("pdu-a", level=1), device("pdu-b", level=1))
    one.succeeded(step_of(one))
    assert not one.dead
    one.succeeded(step_of(one))
    assert one.dead
    assert one.stage is Stage.RESTORE


def test_a_level_half_done_is_no_success_and_the_next_level_begins_anew() -> None:
    one = fencer(device("pdu-a", level=1), device("pdu-b", level=1), device("ipmi", level=2))
    assert walk(one, "pdu-b", executors=("n2",)) == [
        "pdu-a off on n2",
        "pdu-b off on n2",
        "ipmi reboot on n2",
    ]
    assert one.used == ["ipmi on n2"]


def test_an_error_of_switching_on_again_takes_nothing_back() -> None:
    one = fencer(device("pdu-a", level=1), device("pdu-b", level=1))
    ran = walk(one, "pdu-a on", executors=("n2",))
    assert ran == ["pdu-a off on n2", "pdu-b off on n2", "pdu-a on on n2", "pdu-b on on n2"]
    assert one.stage is Stage.DONE
    assert one.dead


def test_off_by_a_level_leaves_it_off() -> None:
    one = fencer(device("pdu-a", level=1), device("pdu-b", level=1), action="off")
    assert walk(one) == ["pdu-a off on n2", "pdu-b off on n2"]


def test_a_device_without_reboot_is_asked_for_off() -> None:
    bare = Metadata(name="fence_x", actions=(Action(name="off"), Action(name="on")))
    assert walk(fencer(device("scsi", metadata=bare))) == ["scsi off on n2"]


def test_a_device_that_lets_in_by_itself_is_not_switched_on_after_the_cut() -> None:
    one = fencer(device("pdu", level=1), device("scsi", level=1, unfencing=True))
    assert walk(one) == ["pdu off on n2", "scsi off on n2", "pdu on on n2"]


def test_when_all_levels_are_used_up_it_has_failed() -> None:
    one = fencer(device("a"), device("b"))
    walk(one, "a", "b")
    assert one.stage is Stage.FAILED
    assert not one.dead


def test_target_never_runs_its_own_fencing_while_somebody_else_could() -> None:
    assert step_of(fencer(device("ipmi"))).executor == "n2"
    assert step_of(fencer(device("ipmi")), ("n1",)).executor == "n1"
    assert fencer(device("ipmi")).step(()) is None


def test_devices_that_let_nodes_in_from_themselves_run_there_and_nowhere_else() -> None:
    described = Metadata(name="fence_scsi", special={"on.automatic": "1", "on.on_target": "1"})
    scsi = device("scsi", metadata=described)
    assert scsi.unfences
    assert step_of(fencer(scsi, action="on")).executor == "n1"
    assert fencer(scsi, action="on").step(("n2", "n3")) is None


def test_letting_in_needs_all_devices_of_the_level() -> None:
    one = fencer(device("a", level=1), device("b", level=1), action="on")
    walk(one, "b")
    assert one.stage is Stage.FAILED
    other = fencer(device("a", level=1), device("b", level=1), action="on")
    walk(other)
    assert other.stage is Stage.DONE
    assert not other.dead


def test_a_level_that_names_a_missing_device_is_passed_over_before_anything_is_cut() -> None:
    topology = (
        FencingLevel(level=1, devices=["pdu-a", "gone"], nodes=["n1"]),
        FencingLevel(level=2, devices=["ipmi"], nodes=["n1"]),
    )
    one = fencer(device("pdu-a"), device("ipmi"), topology=topology)
    assert walk(one) == ["ipmi reboot on n2"]


@pytest.mark.parametrize(
    ("broken", "levels"), list(itertools.product([(), ("a",), ("b",), ("c",), ("a", "c")], [1, 2]))
)
def test_dead_means_that_every_device_of_one_level_said_so(broken: tuple[str, ...], levels: int) -> None:
    one = fencer(device("a", level=1), device("b", level=1), device("c", level=levels))
    said: set[str] = set()
    while (step := one.step(NODES)) is not None:
        if step.device.name in broken:
            one.failed(step, NODES)
        else:
            if one.stage is Stage.CUT:
                said.add(step.device.name)
            one.succeeded(step)
    whole = [{"a", "b", "c"}] if levels == 1 else [{"a", "b"}, {"c"}]
    assert one.dead == any(level <= said for level in whole)
