"""The checkers can fail: each rule broken once, and what only looks like it."""

from __future__ import annotations

import pytest

from faults.checkers import GROUP_ADDRESS, OF_A_KERNEL, SINGLE_ADDRESS, WITH_VOLUMES, Checkers
from faults.kernel_tables import is_listening, is_mounted, local_addresses
from faults.sight import OFF, Sight

WHOLE = Sight(serves=True, addresses=frozenset({GROUP_ADDRESS}), mounted=True)
SINGLE = Sight(addresses=frozenset({SINGLE_ADDRESS}))


def seen(
    *moments: dict[str, Sight], frozen: frozenset[str] = frozenset(), holes: frozenset[str] = frozenset()
) -> Checkers:
    checkers = Checkers()
    for number, sights in enumerate(moments):
        checkers.see(sights, now=number / 10, frozen=frozen, holes=holes)
    return checkers


@pytest.mark.parametrize(
    ("second", "what"),
    [
        (Sight(mounted=True), "file system on n1 and n2"),
        (Sight(mounted=True, addresses=frozenset({GROUP_ADDRESS})), "address of the group on n1 and n2"),
        (WHOLE, "web server on n1 and n2"),
    ],
)
def test_a_second_active_copy_is_a_violation(second: Sight, what: str) -> None:
    assert what in {one.what for one in seen({"n1": WHOLE, "n2": second}).violations}


def test_a_violation_that_lasts_is_told_once_and_one_that_comes_again_twice() -> None:
    double, single = {"n1": SINGLE, "n2": SINGLE}, {"n1": SINGLE, "n2": OFF}
    assert len(seen(double, double, double).violations) == 1
    assert len(seen(double, single, double).violations) == 2
    assert seen(single, double, double, single, double).twice_s == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("sight", "what"),
    [
        (Sight(serves=True, mounted=True), "web server on n1 without address of the group"),
        (Sight(addresses=frozenset({GROUP_ADDRESS})), "address of the group on n1 without file system"),
    ],
)
def test_a_member_without_what_it_stands_on_is_a_violation(sight: Sight, what: str) -> None:
    assert [one.what for one in seen({"n1": sight}).violations] == [what]


def test_a_web_server_over_an_address_that_the_fault_took_away_is_none() -> None:
    bare = {"n1": Sight(serves=True, mounted=True)}
    assert not seen(bare, holes=frozenset({"n1"})).violations
    assert seen(bare, holes=frozenset({"n2"})).violations


def test_the_single_address_of_a_frozen_host_is_counted_apart_and_nothing_else_of_it_is() -> None:
    both = {"n1": SINGLE, "n2": SINGLE, "n3": OFF}
    counted = seen(both, frozen=frozenset({"n1"}))
    assert (counted.violations, counted.while_frozen["single address"]) == ([], 1)
    assert seen({**both, "n3": SINGLE}, frozen=frozenset({"n1"})).violations
    assert seen({"n1": WHOLE, "n2": WHOLE}, frozen=frozenset({"n1"})).violations


def test_own_kernels_are_held_to_their_volume_groups_and_idle_when_frozen() -> None:
    checkers = Checkers(stands_on=WITH_VOLUMES, idle_when_frozen=OF_A_KERNEL)
    active = Sight(active=True, mounted=True)
    checkers.see({"n1": active, "n2": active}, now=0.0, frozen=frozenset({"n1"}))
    assert (checkers.violations, checkers.while_frozen["file system"]) == ([], 1)
    checkers.see({"n1": active, "n2": active}, now=0.1)
    checkers.see({"n1": Sight(mounted=True)}, now=0.2)
    assert [one.what for one in checkers.violations] == [
        "volume group on n1 and n2",
        "file system on n1 and n2",
        "file system on n1 without volume group",
    ]


def test_the_longest_time_without_a_look_is_told() -> None:
    checkers = Checkers()
    for now in (0.0, 0.1, 0.7, 0.8):
        checkers.see({}, now=now)
    assert checkers.longest_gap_s == pytest.approx(0.6)


def test_kernel_tables_are_read_as_they_are() -> None:
    tcp = (
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
        "   0: 00000000:0050 00000000:0000 {} 00000000:00000000 00:00000000 00000000     0        0 20 1\n"
    )
    assert is_listening(tcp.format("0A"))
    assert not is_listening(tcp.format("01"))
    trie = (
        "Local:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 10.0.0.3\n        /32 host LOCAL\n"
        "     |-- 10.0.0.255\n        /32 link BROADCAST\n"
    )
    assert local_addresses(trie) == {"10.0.0.3"}
    mounts = "36 35 7:0 / /var/www rw,relatime shared:1 - xfs {} rw\n"
    assert is_mounted(mounts.format("/dev/backstay/app_disk"), ["/dev/backstay/app_disk"])
    assert not is_mounted(mounts.format("/dev/loop0"), ["/dev/backstay/app_disk"])
