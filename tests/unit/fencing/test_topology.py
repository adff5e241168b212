"""Which devices fence which node: targets, maps, labels, topology entries."""

from __future__ import annotations

from backstay.api import FenceDevice, FencingLevel
from backstay.fencing import DeviceSettings, complaints_about, levels_for, settings_of


def manifest(name: str, **spec: object) -> FenceDevice:
    return FenceDevice.parse(
        {"metadata": {"name": name}, "spec": {"cluster": "c", "agent": "stonith:fence_x", **spec}}
    )


def device(name: str, **spec: object) -> DeviceSettings:
    return settings_of(manifest(name, **spec))


def names(
    target: str,
    *devices: DeviceSettings,
    labels: dict[str, str] | None = None,
    topology: tuple[FencingLevel, ...] = (),
) -> list[list[str]]:
    levels = levels_for(target, devices, labels=labels or {}, topology=topology)
    return [[one.name for one in level.devices] for level in levels]


def test_device_with_targets_fences_only_those() -> None:
    one = device("one", targets={"nodes": ["n1"]})
    mapped = device("mapped", hostMap={"n2": "plug-7"})
    rack = device("rack", targets={"nodeSelector": {"rack": "a"}})
    assert names("n1", one, mapped, rack) == [["one"]]
    assert names("n2", one, mapped, rack, labels={"rack": "a"}) == [["mapped"], ["rack"]]


def test_device_without_targets_fences_everybody_and_one_that_is_asked_too() -> None:
    assert names("n9", device("pdu")) == [["pdu"]]
    asked = device("pdu", hostCheck="dynamic-list", hostMap={"n1": "7"})
    assert names("n9", asked) == [["pdu"]]


def test_levels_of_devices_group_and_devices_without_one_are_left_out() -> None:
    devices = (
        device("b", level=2),
        device("a2", level=1, priority=1),
        device("a1", level=1),
        device("spare"),
    )
    assert names("n1", *devices) == [["a2", "a1"], ["b"]]


def test_topology_entries_by_name_go_before_pattern_label_and_all() -> None:
    topology = (
        FencingLevel(level=1, devices=["for-all"]),
        FencingLevel(level=1, devices=["by-label"], node_selector={"rack": "a"}),
        FencingLevel(level=1, devices=["by-pattern"], node_pattern="n[0-9]"),
        FencingLevel(level=1, devices=["by-name"], nodes=["n1"]),
    )
    devices = [device(name) for name in ("for-all", "by-label", "by-pattern", "by-name")]
    rack = {"rack": "a"}
    assert names("n1", *devices, topology=topology, labels=rack) == [["by-name"]]
    assert names("n2", *devices, topology=topology, labels=rack) == [["by-pattern"]]
    assert names("x", *devices, topology=topology, labels=rack) == [["by-label"]]
    assert names("y", *devices, topology=topology) == [["for-all"]]


def test_topology_keeps_the_order_of_its_devices_and_says_what_is_missing() -> None:
    topology = (FencingLevel(level=3, devices=["z", "a", "gone"]), FencingLevel(level=1, devices=["z"]))
    levels = levels_for("n1", [device("a"), device("z")], labels={}, topology=topology)
    assert [(one.number, [d.name for d in one.devices], one.missing) for one in levels] == [
        (1, ["z"], ()),
        (3, ["z", "a"], ("gone",)),
    ]


def test_pacemakers_own_parameters_mean_what_they_mean_there() -> None:
    params = {
        "ip": "10.0.0.9",
        "pcmk_host_map": "n1:3;n2:4,5",
        "pcmk_host_list": "n3 n4",
        "pcmk_reboot_action": "cycle",
        "pcmk_reboot_retries": "4",
        "pcmk_off_timeout": "90s",
        "pcmk_delay_base": "n1:2s;n2:5s",
        "pcmk_delay_max": "6s",
        "pcmk_action_limit": "-1",
    }
    one = device("pdu", params=params, timeout="30s")
    assert dict(one.params) == {"ip": "10.0.0.9"}
    assert (one.plug("n2"), one.plug("n3")) == ("4,5", "n3")
    assert [node for node in ("n1", "n2", "n3", "n4", "n5") if one.can_fence(node, {})] == [
        "n1",
        "n2",
        "n3",
        "n4",
    ]
    reboot, off = one.commands["reboot"], one.commands["off"]
    assert (reboot.word, reboot.attempts, reboot.timeout_ms, off.timeout_ms) == ("cycle", 4, 30_000, 90_000)
    assert one.action_limit == -1
    assert complaints_about(manifest("pdu", params=params)) == ()


def test_host_map_and_delays_take_pacemakers_escapes_and_separators() -> None:
    params = {"pcmk_host_map": r"n1:My\ VM\;1;n2=3,5", "pcmk_delay_base": "n1=2s n2=5s"}
    one = device("pdu", params=params)
    assert dict(one.plugs) == {"n1": "My VM;1", "n2": "3,5"}
    assert dict(one.node_delays_ms) == {"n1": 2000, "n2": 5000}
    assert complaints_about(manifest("pdu", params=params)) == ()


def test_random_delay_keeps_the_sum_below_the_maximum() -> None:
    one = device("pdu", delayBase="2s", delayMax="6s", nodeDelays={"n2": "10s"})
    assert [one.delay_ms("n1", "reboot", jitter) for jitter in (0.0, 0.5, 0.999)] == [2000, 4000, 5996]
    assert one.delay_ms("n2", "off", 0.9) == 10_000
    assert one.delay_ms("n1", "on", 0.9) == 0


def test_values_that_cannot_be_read_are_named_and_defaults_hold() -> None:
    bad = manifest(
        "pdu",
        params={
            "pcmk_delay_max": "soon",
            "pcmk_host_check": "maybe",
            "pcmk_hostlist": "n1",
            "pcmk_host_map": "n1",
        },
    )
    assert [one.field for one in complaints_about(bad)] == [
        "spec.params.pcmk_host_map",
        "spec.params.pcmk_host_check",
        "spec.params.pcmk_delay_max",
        "spec.params.pcmk_hostlist",
    ]
    assert settings_of(bad).delay_max_ms == 0
