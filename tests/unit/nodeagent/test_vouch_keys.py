"""Keys by pair: two hosts derive the same one, nobody else does, and the private half stays on its host."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from backstay.liveness.machine import NO_IDENTITY, MachineIdentity
from backstay_nodeagent.orders import VouchOrders
from backstay_nodeagent.vouch_keys import KEY_FILE, KeyRing, load_key_ring
from backstay_nodeagent.vouch_wire import Letter, seal, unseal
from backstay_nodeagent.vouching import Answer

MACHINE = MachineIdentity("m1", "u1")


def ring(folder: Path, machine: MachineIdentity = MACHINE) -> KeyRing:
    folder.mkdir(exist_ok=True)
    made = load_key_ring(folder, machine)
    assert made is not None
    return made


def test_both_ends_derive_one_key_and_a_third_host_another(tmp_path: Path) -> None:
    one, two, three = (ring(tmp_path / name) for name in ("n1", "n2", "n3"))
    key = one.pair_key("c", "n1", "n2", two.public)
    assert key == two.pair_key("c", "n2", "n1", one.public)
    assert key not in (
        three.pair_key("c", "n3", "n2", two.public),
        one.pair_key("c", "n1", "n3", three.public),
    )
    assert key != one.pair_key("d", "n1", "n2", two.public), "another cluster"


def test_captured_host_cannot_promise_in_the_name_of_another(tmp_path: Path) -> None:
    """It has its own key and all public ones, and publishes as its own whatever it likes."""
    victim, honest, captured = (ring(tmp_path / name) for name in ("n1", "n2", "n3"))
    peers = (("n2", "10.0.0.2", honest.public), ("n3", "10.0.0.3", honest.public))
    config = victim.keeper_config("n1", VouchOrders(cluster="c", peers=peers, port=7406))
    keys = {peer: bytes.fromhex(key) for peer, key in config["keys"].items()}  # type: ignore[attr-defined]
    for name, public in (("n2", victim.public), ("n3", victim.public)):
        for claimed in ("n2", "n3"):
            forged = captured.pair_key("c", name, "n1", public)
            assert forged is not None
            packet = seal(Letter("c", claimed, "n1", Answer(1, "promise", 4.5, 9.0)), forged)
            assert unseal(packet, keys) is None


def test_private_half_is_readable_by_root_alone_and_outlives_the_agent(tmp_path: Path) -> None:
    first = ring(tmp_path)
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600
    assert ring(tmp_path).public == first.public


def test_disk_from_another_machines_image_gets_a_key_of_its_own(tmp_path: Path) -> None:
    first = ring(tmp_path)
    assert ring(tmp_path, NO_IDENTITY).public == first.public, "nothing says that it is another machine"
    assert ring(tmp_path, MachineIdentity("m1", "u2")).public != first.public


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"private": "zz"}', "\x00"], ids=str.split("empty object list digits nul")
)
def test_damaged_key_file_is_replaced(tmp_path: Path, text: str) -> None:
    (tmp_path / KEY_FILE).write_text(text)
    assert ring(tmp_path).public == ring(tmp_path).public


@pytest.mark.parametrize(
    "public",
    ["", "zz" * 32, "ab" * 31, "00" * 32, "01" + "00" * 31],
    ids=str.split("none digits short zero low-order"),
)
def test_public_key_that_is_none_makes_a_peer_without_a_key(tmp_path: Path, public: str) -> None:
    own = ring(tmp_path)
    peers = (("n2", "10.0.0.2", public),)
    assert own.keeper_config("n1", VouchOrders(cluster="c", peers=peers, port=7406))["keys"] == {}


def test_mutant_with_one_key_for_all_pairs_lets_promises_be_forged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(KeyRing, "pair_key", lambda *_: b"k" * 32)
    with pytest.raises(AssertionError):
        test_captured_host_cannot_promise_in_the_name_of_another(tmp_path)
