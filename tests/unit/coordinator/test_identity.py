"""A machine is not its name: what another boot of a node proves about the one before it, and what helps where it proves nothing."""

from __future__ import annotations

import pytest

from backstay.api.node import FencedStatus
from backstay.api.quantities import timestamp
from backstay.coordinator.membership import NodeView
from backstay.liveness.machine import NO_IDENTITY, MachineIdentity, SameMachine, identity_value
from backstay.liveness.nodes import NodeCondition
from harness.model_cluster import ModelCluster
from harness.model_node import ModelNode
from unit.coordinator.test_failover import cluster, power_switch, resource
from unit.coordinator.test_vouching import model as vouching_model

NEWCOMER = MachineIdentity("0123456789abcdef0123456789abcdef", "11111111-2222-3333-4444-555555555555")


def trio(*, fenced: bool = True, requires: str = "fencing", **properties: object) -> ModelCluster:
    made = ModelCluster("n1", "n2", "n3", cluster=cluster(stonithEnabled=fenced, **properties))
    made.add(power_switch(), resource("db", requires=requires))
    made.run(6)
    return made


def view(made: ModelCluster, name: str) -> NodeView:
    assert made.orders is not None
    return made.orders.picture.membership.nodes[name]


def usurped(made: ModelCluster, machine: MachineIdentity, *, after_s: float = 0.5) -> tuple[str, ModelNode]:
    """The home of `db` is cut off, and another machine registers under its name before anybody has noticed."""
    (home,) = made.where("db")
    made.cut(home)
    made.run(after_s)
    former = made.usurp(home, machine)
    return home, former


def confirm(made: ModelCluster, name: str) -> str:
    number = sum(len(node.spec.requests) for node in made.hanodes.values())
    made.request_node(name, {"id": f"q{number}", "type": "confirm"})
    made.run(1)
    return made.node_acks(name)[-1].state


def test_reboot_of_the_same_machine_frees_what_it_ran_without_a_fencing() -> None:
    made = trio()
    (home,) = made.where("db")
    made.crash(home)
    made.run(0.5)
    made.boot(home)
    made.run(3)
    assert made.fence_log == []
    assert made.where("db") != []
    assert view(made, home).usable


@pytest.mark.parametrize("after_s", [0.5, 2.5], ids=["before its lease ran out", "when its lease runs out"])
def test_what_requires_fencing_stays_with_a_former_machine_that_another_one_follows(after_s: float) -> None:
    made = trio()
    home, former = usurped(made, NEWCOMER, after_s=after_s)
    made.run(60)
    assert "db" in former.active
    assert made.where("db") == [], "it runs on the former machine, which is cut off, and nowhere else"
    assert made.fence_log == [], "a device that goes by name may cut the newcomer"
    seen = view(made, home)
    assert seen.verdict.condition is NodeCondition.UNCLEAN
    assert "another machine has registered" in seen.verdict.reason
    assert f"kubectl ha fence confirm {home}" in seen.verdict.reason
    assert any(line.startswith(f"Node {home} is Unclean: another machine") for line in made.story)


def test_cloned_image_with_the_machine_id_of_the_former_is_another_machine() -> None:
    made = trio()
    (home,) = made.where("db")
    known = made.nodes[home].machine
    home, former = usurped(made, MachineIdentity(known.machine_id, NEWCOMER.system_uuid))
    made.run(30)
    assert made.where("db") == []
    assert "db" in former.active
    assert "its system UUID is another" in view(made, home).verdict.reason


def test_confirm_is_taken_although_the_newcomer_is_heard_and_then_the_newcomer_joins() -> None:
    made = trio()
    home, former = usurped(made, NEWCOMER)
    made.run(10)
    former.up = False
    assert confirm(made, home) == "Done"
    made.run(5)
    assert made.where("db") != []
    assert view(made, home).usable
    plan = made.nodes[home].plan
    assert plan is not None
    assert plan.spec.machine is not None
    assert plan.spec.machine.system_uuid == NEWCOMER.system_uuid


def test_confirm_is_refused_while_the_former_lease_may_be_good() -> None:
    made = trio()
    home, _ = usurped(made, NEWCOMER)
    made.run(0.5)
    assert confirm(made, home) == "Refused"
    made.run(10)
    assert made.where("db") == []


def test_fencing_that_an_administrator_asks_for_ends_the_former_machine_and_the_newcomer_stays() -> None:
    made = trio()
    home, former = usurped(made, NEWCOMER)
    made.run(10)
    made.request_node(home, {"id": "f", "type": "fence"})
    made.run(8)
    assert not former.up
    assert len(made.fence_log) == 1
    assert made.where("db") != []
    assert view(made, home).usable, "it was not hit, so it goes on"


@pytest.mark.parametrize(
    "machine",
    [NO_IDENTITY, MachineIdentity("m", ""), MachineIdentity("", "u")],
    ids=["neither value", "no UUID", "no machine-id"],
)
def test_reboot_of_a_machine_without_identity_is_fenced_once(machine: MachineIdentity) -> None:
    """As Pacemaker would: nothing says that it is the same machine. The fencing hits the machine that has just booted."""
    made = trio()
    (home,) = made.where("db")
    made.nodes[home].machine = machine
    made.run(2)
    made.crash(home)
    made.run(0.5)
    made.boot(home)
    made.run(1)
    assert made.fence_log == [line for line in made.fence_log if line.endswith(f"reboot {home}")]
    assert len(made.fence_log) == 1
    made.run(3)
    assert made.where("db") not in ([], [home])
    made.boot(home)
    made.run(60)
    assert len(made.fence_log) == 1, "its next boot is taken for what it is"
    assert view(made, home).usable
    assert any(f"kubectl ha fence confirm {home}" in line and "reports no" in line for line in made.story)


def test_idle_machine_without_identity_may_reboot_unfenced() -> None:
    made = trio()
    (home,) = made.where("db")
    idle = next(name for name in made.nodes if name != home)
    made.nodes[idle].machine = NO_IDENTITY
    made.run(2)
    made.crash(idle)
    made.boot(idle)
    made.nodes[idle].obeys = False  # its keeper renews a second before its agent has loaded the API's client
    made.run(0.1)
    made.nodes[idle].obeys = True
    made.run(5)
    assert made.fence_log == []
    assert view(made, idle).usable


def test_machine_without_identity_that_was_stopped_cleanly_may_be_away_and_come_back_unfenced() -> None:
    made = trio()
    (home,) = made.where("db")
    made.nodes[home].machine = NO_IDENTITY
    made.set_node(home, shutdown=True)
    made.run(5)
    made.crash(home)
    made.run(10)
    made.new_dc(fresh_eyes=True)
    made.run(10)
    made.boot(home)
    made.set_node(home, shutdown=False)
    made.run(8)
    assert made.fence_log == []
    assert view(made, home).usable


def test_without_fencing_the_former_machine_counts_until_its_lease_has_run_out() -> None:
    made = trio(fenced=False, requires="quorum")
    home, former = usurped(made, NEWCOMER)
    made.run(1.0)
    assert made.where("db") == [], "the former machine may run it to the end of its lease"
    assert "db" in former.active
    made.run(8)
    assert "db" not in former.active
    assert made.where("db") != []
    assert view(made, home).usable, "nothing is left there that a confirmation would have to free"


def test_what_requires_quorum_moves_on_while_what_requires_fencing_waits() -> None:
    made = trio()
    made.add(resource("ip", requires="quorum"))
    made.run(3)
    (ip_home,) = made.where("ip")
    made.cut(ip_home)
    made.run(0.5)
    made.usurp(ip_home, NEWCOMER)
    made.run(10)
    assert made.where("ip") not in ([], [ip_home])


def test_former_machine_that_lives_by_promises_keeps_what_requires_quorum() -> None:
    """Its peers have promised, so their renewals are marked and no quorum stands behind a takeover."""
    made = vouching_model("n1", "n2", "n3")
    (home,) = made.where("ip")
    made.nodes[home].vouched = True
    for name, node in made.nodes.items():
        node.promised = name != home
    made.cut(home)
    made.run(0.5)
    made.usurp(home, NEWCOMER)
    made.run(20)
    assert made.where("ip") == []
    for node in made.nodes.values():
        node.promised = False
    made.former_machines[0].vouched = False
    made.run(8)
    assert made.where("ip") != []


def test_new_dc_without_memory_knows_the_former_boot_from_the_plan() -> None:
    made = trio()
    home, former = usurped(made, NEWCOMER)
    made.run(1)
    made.new_dc(fresh_eyes=True)
    made.run(30)
    assert made.where("db") == []
    assert "db" in former.active
    assert view(made, home).verdict.condition is NodeCondition.UNCLEAN


def test_newcomer_that_appears_while_there_is_no_dc_is_no_reboot_either() -> None:
    made = trio()
    home, former = usurped(made, NEWCOMER)
    newcomer = made.nodes[home]
    assert newcomer.plan is not None
    newcomer.plan.status = type(newcomer.plan.status)(boot_id=newcomer.boot_id)
    made.new_dc(fresh_eyes=True)
    made.run(30)
    assert made.where("db") == [], (
        "what ran on the former is nowhere recorded any more, and nothing is started on hope"
    )
    assert "db" in former.active


def test_newcomer_under_the_name_of_a_machine_that_was_fenced_joins_at_once() -> None:
    made = trio()
    (home,) = made.where("db")
    made.crash(home)
    made.run(8)
    assert len(made.fence_log) == 1
    made.nodes[home].machine = NEWCOMER
    made.boot(home)
    made.run(5)
    assert view(made, home).usable
    assert len(made.fence_log) == 1


def test_recorded_fencing_of_the_former_boot_is_known_to_a_new_dc() -> None:
    made = trio()
    home, former = usurped(made, NEWCOMER)
    made.run(5)
    former.up = False
    record = FencedStatus(
        boot_id=former.boot_id, by="administrator", time=timestamp(made.wall), epoch=made.epoch
    )
    made.set_status(home, fenced=record)
    made.new_dc(fresh_eyes=True)
    made.run(10)
    assert view(made, home).usable
    assert made.where("db") != []


def test_another_machine_that_falls_silent_too_is_still_not_the_former_one() -> None:
    made = trio()
    home, former = usurped(made, NEWCOMER)
    made.run(5)
    made.crash(home)
    made.run(20)
    assert made.where("db") == []
    assert "db" in former.active
    assert made.fence_log == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (" 4C4C4544-0042-3510-8052-C3C04F564231\n", "4c4c4544-0042-3510-8052-c3c04f564231"),
        ("b08dfa6083e7567a1921a715000001fb", "b08dfa6083e7567a1921a715000001fb"),
        ("00000000-0000-0000-0000-000000000000", ""),
        ("FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF", ""),
        ("03000200-0400-0500-0006-000700080009", ""),
        ("Not Settable", ""),
        ("uninitialized", ""),
        ("", ""),
        ("²²²", ""),
        ("a" * 65, ""),
        ("a\nb", ""),
    ],
)
def test_values_that_identify_no_machine_are_empty(text: str, value: str) -> None:
    assert identity_value(text) == value


def test_pair_is_compared_and_a_missing_value_is_no_difference_but_a_doubt() -> None:
    one = MachineIdentity("m", "u")
    assert one.compared_with(MachineIdentity("m", "u")) is SameMachine.YES
    assert one.compared_with(MachineIdentity("m", "v")) is SameMachine.NO
    assert one.compared_with(MachineIdentity("n", "u")) is SameMachine.NO
    assert one.compared_with(MachineIdentity("n", "")) is SameMachine.UNKNOWN
    assert NO_IDENTITY.compared_with(NO_IDENTITY) is SameMachine.UNKNOWN
