"""The journal, the boot's identity, the epochs on disk."""

from __future__ import annotations

import random
import stat
from pathlib import Path

from backstay_nodeagent.host_state import AgentLock, EpochFile, boot_id_of
from backstay_nodeagent.journal import Journal


def test_entries_come_back_and_removed_ones_do_not(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", boot_id="b")
    journal.write({"a": 1, "b": {"x": [1]}})
    journal.write({"a": None, "c": "é\n"})
    assert Journal(tmp_path / "journal", boot_id="b").entries == {"b": {"x": [1]}, "c": "é\n"}


def test_journal_of_another_boot_is_not_believed(tmp_path: Path) -> None:
    Journal(tmp_path / "journal", boot_id="b").write({"a": 1})
    assert Journal(tmp_path / "journal", boot_id="c").entries == {}


def test_line_that_a_crash_cut_off_is_dropped_and_the_rest_kept(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    Journal(path, boot_id="b").write({"a": 1, "b": 2})
    Journal(path, boot_id="b").write({"c": 2})
    whole = path.read_bytes().rstrip(b"\0")
    for cut in range(len(whole) - 5, len(whole)):
        path.write_bytes(whole[:cut])
        entries = Journal(path, boot_id="b").entries
        assert entries == {"a": 1, "b": 2}, cut
    Journal(path, boot_id="b").write({"c": 3})
    assert Journal(path, boot_id="b").entries["c"] == 3


def test_journal_does_not_grow_with_its_age(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal(path, boot_id="b")
    for n in range(5000):
        journal.write({f"k{n % 10}": "x" * 50})
    assert path.stat().st_size < 100_000


def test_journal_equals_a_dictionary_whatever_is_written(tmp_path: Path) -> None:
    dice = random.Random(4711)
    twin: dict[str, int] = {}
    path = tmp_path / "journal"
    journal = Journal(path, boot_id="b")
    for _ in range(2000):
        key, value = f"k{dice.randrange(30)}", dice.choice((None, dice.randrange(100)))
        journal.write({key: value})
        twin.pop(key, None) if value is None else twin.update({key: value})
        if dice.random() < 0.01:
            journal.close()
            journal = Journal(path, boot_id="b")
        assert journal.entries == twin


def test_journal_is_readable_by_root_only(tmp_path: Path) -> None:
    Journal(tmp_path / "journal", boot_id="b")
    assert stat.S_IMODE((tmp_path / "journal").stat().st_mode) == 0o600


def test_boot_id_is_made_once_per_run_directory(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    first = boot_id_of(tmp_path / "one")
    assert boot_id_of(tmp_path / "one") == first
    assert boot_id_of(tmp_path / "two") != first


def test_boot_id_left_by_another_kernel_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "boot-id").write_text("another-kernel old-id\n")
    assert boot_id_of(tmp_path) != "old-id"


def test_boot_id_can_be_given(tmp_path: Path) -> None:
    (tmp_path / "given").write_text("mine\n")
    assert boot_id_of(tmp_path, tmp_path / "given") == "mine"


def test_epochs_never_go_back_and_are_kept_by_cluster(tmp_path: Path) -> None:
    epochs = EpochFile(tmp_path)
    epochs.store("a", 5)
    epochs.store("b", 2)
    epochs.store("a", 4)
    assert EpochFile(tmp_path).load() == {"a": 5, "b": 2}


def test_unreadable_epochs_are_no_reason_to_die(tmp_path: Path) -> None:
    (tmp_path / "epochs.json").write_text("{")
    assert EpochFile(tmp_path).load() == {}


def test_second_agent_does_not_get_the_lock(tmp_path: Path) -> None:
    first, second = AgentLock(tmp_path), AgentLock(tmp_path)
    assert first.taken()
    assert not second.taken()
    first.close()
    assert second.taken()
    second.close()
