"""What the host keeps its memory in, full, short and torn: files, journal, brain and hands. The full disks are real (a tmpfs)."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import random
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from backstay_nodeagent import events as ev
from backstay_nodeagent.agent import Hands, Settings, instant
from backstay_nodeagent.durable_file import DurableFile, write_all
from backstay_nodeagent.host_state import EpochFile, boot_id_of
from backstay_nodeagent.journal import AREA_MIN, Journal
from backstay_nodeagent.journal_lines import batch_of, head_of, line_of
from backstay_nodeagent.keeper_link import keeper_pid
from backstay_nodeagent.keeper_lock import take_lock
from backstay_nodeagent.orders import Order, Orders, SecretRef, Verb
from backstay_nodeagent.proc_stat import CALL_VARIABLE, call_mark
from backstay_nodeagent.release_runner import read_pending
from backstay_nodeagent.secret_store import SecretError, SecretStore
from harness.small_disk import SmallDisk, small_disk
from unit.nodeagent.brain_driver import Driver, order
from unit.nodeagent.little_agents import Host

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it mounts a tmpfs")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "small", size=1 << 20) as found:
        yield found


class ShortWriter:
    """Takes a few bytes at a time, and after `budget` bytes none."""

    def __init__(self, *, budget: float = float("inf"), most: int = 7, seed: int = 1) -> None:
        self.budget = budget
        self._most = most
        self._dice = random.Random(seed)

    def __call__(self, fd: int, data: Any, at: int) -> int:
        if self.budget <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        size = min(len(data), self._dice.randint(1, self._most))
        self.budget -= size
        return os.pwrite(fd, data[:size], at)


# -- a file and its spare


def test_short_writes_are_gone_on_with(tmp_path: Path) -> None:
    file = DurableFile(tmp_path / "f", write=ShortWriter(most=900))
    file.write(json.dumps({"a": "x" * 5000}))
    assert json.loads(file.read()) == {"a": "x" * 5000}


def test_write_that_takes_nothing_is_an_error_and_no_endless_loop(tmp_path: Path) -> None:
    with (tmp_path / "f").open("wb") as file, pytest.raises(OSError, match="No space"):
        write_all(file.fileno(), b"abc", 0, write=lambda *_: 0)


@pytest.mark.parametrize("budget", [0, 1, 100, 4000])
def test_file_says_what_it_said_before_when_a_write_fails(tmp_path: Path, budget: int) -> None:
    DurableFile(tmp_path / "f").write("before")
    with pytest.raises(OSError, match="No space"):
        DurableFile(tmp_path / "f", write=ShortWriter(budget=budget)).write("after")
    assert DurableFile(tmp_path / "f").read() == "before"


def test_write_that_reads_back_otherwise_replaces_nothing(tmp_path: Path) -> None:
    DurableFile(tmp_path / "f").write("before")

    def lies(fd: int, data: Any, at: int) -> int:
        os.pwrite(fd, b"?" * len(data), at)
        return len(data)

    with pytest.raises(OSError, match="does not read as it was written"):
        DurableFile(tmp_path / "f", write=lies).write("after")
    assert DurableFile(tmp_path / "f").read() == "before"


def test_shorter_text_leaves_nothing_of_a_longer_one(tmp_path: Path) -> None:
    file = DurableFile(tmp_path / "f")
    for text in ("x" * 10000, "y" * 9000, "[1]", "[2]"):
        file.write(text)
    assert json.loads(file.read()) == [2]


@as_root
def test_known_file_can_be_rewritten_again_and_again_on_a_full_disk(disk: SmallDisk) -> None:
    file = DurableFile(disk.path / "f", sync=True)
    file.write("0" * 3000)
    disk.fill()
    for number in range(50):
        file.write(json.dumps({"n": number, "text": "x" * 3500}))
        assert json.loads(file.read())["n"] == number
    with pytest.raises(OSError, match="No space"):
        file.write("x" * 9000)
    assert json.loads(file.read())["n"] == 49


@as_root
def test_epochs_boot_id_and_lock_live_on_a_full_disk(disk: SmallDisk) -> None:
    epochs = EpochFile(disk.path)
    epochs.store("a", 1)
    boot_id = boot_id_of(disk.path)
    lock = take_lock(disk.path)
    disk.fill()
    epochs.store("a", 2)
    assert EpochFile(disk.path).load() == {"a": 2}
    assert boot_id_of(disk.path) == boot_id
    assert lock is not None
    os.close(lock)
    again = take_lock(disk.path)
    assert again is not None
    assert keeper_pid(disk.path) == os.getpid()
    os.close(again)


@as_root
def test_keeper_gets_its_lock_on_a_disk_that_was_full_before_it_came(disk: SmallDisk) -> None:
    disk.fill()
    lock = take_lock(disk.path)
    assert lock is not None, "a lock without a number on it is a lock all the same"
    os.close(lock)


def test_epochs_that_the_disk_fails_to_read_are_not_overwritten_with_less(tmp_path: Path) -> None:
    (tmp_path / "epochs.json").mkdir()
    with pytest.raises(OSError, match="directory"):
        EpochFile(tmp_path).store("a", 1)
    assert EpochFile(tmp_path).load() == {}


@as_root
async def test_parameters_that_cannot_be_kept_for_the_stop_refuse_the_start(disk: SmallDisk) -> None:
    async def fetch(_: SecretRef) -> str:
        return "c2VjcmV0"

    store = SecretStore(disk.path, fetch)
    disk.fill()
    wanted = order("1-1-1", "start", params_from={"password": SecretRef("ns", "s", "k")})
    with pytest.raises(SecretError, match=r"not run.*No space"):
        await store.params(wanted)
    disk.clear()
    assert (await store.params(wanted))["password"] == "secret"


# -- the journal


@as_root
def test_record_of_what_runs_outlives_a_full_disk_and_a_restart(disk: SmallDisk) -> None:
    journal = Journal(disk.path / "journal", boot_id="b")
    journal.write({"resource/vip": {"active": True}})
    disk.fill()
    for number in range(300):
        journal.write({f"pending/{number}": {"verb": "stop"}, "calls": number})
        journal.write({f"pending/{number}": None, f"result/{number % 20}": {"state": "Done"}})
    again = Journal(disk.path / "journal", boot_id="b")
    assert again.entries == journal.entries
    assert again.entries["resource/vip"] == {"active": True}
    assert again.entries["calls"] == 299


@as_root
def test_rewrite_on_a_full_disk_keeps_all_entries(disk: SmallDisk) -> None:
    journal = Journal(disk.path / "journal", boot_id="b")
    journal.write({f"k{n}": "x" * 500 for n in range(50)})
    disk.fill()
    for number in range(2000):
        journal.write({"calls": number, "k7": "y" * 400})
    assert len(Journal(disk.path / "journal", boot_id="b").entries) == 51


@as_root
def test_what_can_be_left_out_is_over_before_what_cannot(disk: SmallDisk) -> None:
    """Between the moment when nothing more may begin and the moment when nothing can be written is room for many stops."""
    journal = Journal(disk.path / "journal", boot_id="b")
    disk.fill()
    started = 0
    while not journal.trouble:
        journal.write({f"resource/{started}": "x" * 1000})
        started += 1
    assert "No space" in journal.trouble
    assert started > 20
    for number in range(1000):
        journal.write({"pending/1": {"n": number}})
        journal.write({"pending/1": None, f"result/{number % 100}": {"state": "Done", "n": number}})
    again = Journal(disk.path / "journal", boot_id="b")
    assert len(again.entries) == started + 100
    disk.clear()
    journal.try_again()
    assert journal.trouble == ""


@as_root
def test_journal_that_can_hold_no_more_says_so_and_loses_nothing(disk: SmallDisk) -> None:
    journal = Journal(disk.path / "journal", boot_id="b")
    disk.fill()
    with pytest.raises(OSError, match="No space"):
        journal.write({"big": "x" * 2 * AREA_MIN})
    assert "No space" in journal.trouble
    with pytest.raises(OSError, match="No space"):
        journal.write({"small": 1})
    disk.clear()
    journal.try_again()
    assert journal.trouble == ""
    assert set(Journal(disk.path / "journal", boot_id="b").entries) == {"big", "small"}


@as_root
def test_agent_that_begins_on_a_full_disk_records_nothing_and_says_so(disk: SmallDisk) -> None:
    disk.fill()
    journal = Journal(disk.path / "journal", boot_id="b")
    assert "No space" in journal.trouble
    with pytest.raises(OSError, match="No space"):
        journal.write({"a": 1})
    disk.clear()
    journal.try_again()
    assert Journal(disk.path / "journal", boot_id="b").entries == {"a": 1}


def test_journal_equals_a_dictionary_though_every_write_is_short_and_some_fail(tmp_path: Path) -> None:
    dice = random.Random(815)
    path = tmp_path / "journal"
    for round_ in range(30):
        path.unlink(missing_ok=True)
        writer = ShortWriter(most=3000, seed=round_)
        journal = Journal(path, boot_id="b", write=writer)
        twin: dict[str, Any] = {}
        for _ in range(60):
            writer.budget = dice.choice([float("inf"), float("inf"), 0, dice.randrange(1, 200)])
            key, value = (
                f"k{dice.randrange(9)}",
                dice.choice([None, dice.randrange(100), "x" * dice.randrange(400)]),
            )
            twin.pop(key, None) if value is None else twin.update({key: value})
            try:
                journal.write({key: value})
            except OSError:
                continue
            (tmp_path / "copy").write_bytes(path.read_bytes())
            copy = Journal(tmp_path / "copy", boot_id="b")
            assert copy.entries == twin == journal.entries
            assert not copy.damaged
            copy.close()
            (tmp_path / "copy").unlink()


def test_torn_batch_hides_nothing_that_comes_after_it(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_bytes(
        head_of("b")
        + batch_of(b"", 0)
        + batch_of(line_of("a", 1), 1)
        + line_of("torn", "x" * 50)[:30]
        + batch_of(line_of("b", 2), 2)
    )
    assert Journal(path, boot_id="b").entries == {"a": 1, "b": 2}


def test_batch_that_was_damaged_is_left_out_and_told_and_the_rest_counts(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    good = [batch_of(line_of(f"k{n}", n), n + 1) for n in range(3)]
    good[1] = good[1].replace(b'["k1",1]', b'["k1",7]')
    path.write_bytes(head_of("b") + batch_of(b"", 0) + b"".join(good))
    journal = Journal(path, boot_id="b")
    assert journal.entries == {"k0": 0, "k2": 2}
    assert journal.damaged


def test_half_of_a_batch_counts_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    both = batch_of(line_of("pending/1", None) + line_of("result/1", {"state": "Done"}), 2)
    whole = head_of("b") + batch_of(b"", 0) + batch_of(line_of("pending/1", {}), 1) + both
    for cut in range(1, len(both)):
        path.write_bytes(whole[:-cut])
        assert Journal(path, boot_id="b").entries == {"pending/1": {}}


def test_journal_of_the_version_before_is_read_and_this_one_by_that(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_bytes(head_of("b") + line_of("a", 1) + line_of("b", 2) + line_of("a", None) + b'["c",')
    journal = Journal(path, boot_id="b")
    assert journal.entries == {"b": 2}
    journal.write({"d": 4, "b": None})
    journal.write({"e": 5})
    entries: dict[str, Any] = {}
    text = path.read_text()
    assert text.startswith(head_of("b").decode())
    for line in text[len(head_of("b")) :].splitlines():
        try:
            key, value = json.loads(line)
        except ValueError:
            break
        entries[key] = value
    assert {key: value for key, value in entries.items() if value is not None and key != "#"} == {
        "d": 4,
        "e": 5,
    }


def test_journal_of_this_boot_that_cannot_be_read_ends_the_agent(tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    with pytest.raises(OSError, match="directory"):
        Journal(tmp_path / "journal", boot_id="b")


def test_rewrite_that_reads_back_otherwise_is_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    Journal(path, boot_id="b").write({"a": 1})

    def lies(fd: int, data: Any, at: int) -> int:
        os.pwrite(fd, bytes(len(data)), at)
        return len(data)

    journal = Journal(path, boot_id="b", write=lies)
    assert journal.entries == {"a": 1}
    assert Journal(path, boot_id="b").entries == {"a": 1}


def test_keeper_finds_the_process_of_an_operation_whose_number_was_not_written_down(tmp_path: Path) -> None:
    environment = {**os.environ, CALL_VARIABLE: call_mark("b", 7)}
    with subprocess.Popen(["sleep", "60"], env=environment, start_new_session=True) as process:
        try:
            mark = {
                "call_id": 7,
                "started": {"at": 5.0},
                "order": {"resource": "vip", "verb": "start"},
                "process": None,
            }
            gone = {**mark, "call_id": 8}
            Journal(tmp_path / "journal", boot_id="b").write({"pending/7": mark, "pending/8": gone})
            found = read_pending(tmp_path / "journal")
            assert [(one["call_id"], one["process"]["pid"]) for one in found] == [(7, process.pid)]
            assert found[0]["process"]["deadline"] == 25.0
        finally:
            process.kill()


# -- the brain


def test_start_that_cannot_be_recorded_is_refused_and_what_stands_on_it_skipped() -> None:
    driver = Driver().online()
    driver.post(ev.RecordingFailed("No space left on device"))
    driver.plan(order("1-1-1", "start"), order("1-1-2", "monitor", interval_ms=1000, after=("1-1-1",)))
    assert driver.results == {"1-1-1": "Refused", "1-1-2": "Skipped"}
    assert driver.begun() == []
    assert "not run" in driver.status["results"][0]["message"]
    assert driver.status["recordingTrouble"] == "No space left on device"


def test_stops_probes_and_fencing_go_on_while_nothing_can_be_recorded() -> None:
    driver = Driver().online()
    driver.plan(order("1-1-1", "start"))
    driver.run(1.0)
    driver.post(ev.RecordingFailed("No space left on device"))
    driver.plan(
        order("1-2-1", "stop"),
        order("1-2-2", "monitor", "other", target_rc=7),
        Order(id="1-2-3", verb=Verb.FENCE, agent="stonith:fence_x", target="n2", fence_action="off"),
    )
    driver.run(1.0)
    assert driver.results["1-2-1"] == "Done"
    assert driver.begun()[1:] == ["stop vip", "monitor other", "fence"]


def test_node_whose_disk_is_full_is_released_when_it_is_cut_off() -> None:
    driver = Driver().online()
    driver.plan(order("1-1-1", "start", requires="quorum"))
    driver.run(1.0)
    driver.post(ev.RecordingFailed("No space left on device"))
    driver.run(5.0, renewing=False)
    assert driver.begun()[-1] == "stop vip"
    assert driver.status["released"]


@pytest.mark.parametrize("verb", ["promote", "reload", "migrate_to"])
def test_order_that_would_be_given_again_at_once_waits_a_while_before_it_is_refused(verb: str) -> None:
    driver = Driver().online()
    driver.plan(order("1-1-1", "start"))
    driver.run(1.0)
    driver.post(ev.RecordingFailed("No space left on device"))
    driver.plan(order("1-2-1", verb))
    driver.run(1.0)
    assert "1-2-1" not in driver.results
    driver.run(1.5)
    assert driver.results["1-2-1"] == "Refused"
    assert driver.begun() == ["start vip"]


def test_order_that_waited_for_the_disk_runs_when_it_has_room_again() -> None:
    driver = Driver().online()
    driver.plan(order("1-1-1", "start"))
    driver.run(1.0)
    driver.post(ev.RecordingFailed("No space left on device"))
    driver.plan(order("1-2-1", "promote"))
    driver.post(ev.RecordingWorks())
    driver.run(1.0)
    assert driver.results["1-2-1"] == "Done"
    assert driver.status["recordingTrouble"] == ""


def test_start_that_was_withheld_leaves_the_books_as_they_were() -> None:
    driver = Driver().online()
    driver.plan(order("1-1-1", "start", requires="quorum"))
    (call_id,) = driver.flights
    driver.flights.clear()
    driver.post(ev.RecordingFailed("Input/output error", (call_id,)))
    assert driver.results == {"1-1-1": "Refused"}
    assert driver.status["pending"] == []
    state = driver.brain.resources.get("vip")
    assert state is not None
    assert not state.active
    assert driver.restart().boot().brain.resources.get("vip").active is False  # type: ignore[union-attr]


# -- the hands, with real processes on a real full disk


class Life:
    """An agent's hands on a small disk, with a lease that holds."""

    def __init__(self, run_dir: Path, host: Host) -> None:
        settings = Settings(node="n1", state_dir=run_dir, run_dir=run_dir, boot_id="boot-1", slots=4)

        async def fetch(_: SecretRef) -> str:
            raise SecretError("none here")

        self.hands = Hands(settings, invoker=host.invoker, secrets=SecretStore(run_dir, fetch))
        self.generation = 0
        self.hands.recover()
        self.hands.post(ev.LeaseRenewed(ev.Renewal(instant().at, 600.0)))

    def plan(self, *actions: Order) -> None:
        self.generation += 1
        orders = Orders(
            uid="u", generation=self.generation, cluster="c", epoch=1, boot_id="boot-1", actions=actions
        )
        self.hands.post(ev.OrdersSeen(orders, instant().at))

    @property
    def results(self) -> dict[str, str]:
        brain = self.hands.brain
        return {one.id: one.state.value for one in brain.book.results(brain.ledger)}

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not holds():
                assert not self.hands.failed.done(), "the agent ended"
                await asyncio.sleep(0.02)


def tiny(action_id: str, verb: str, resource: str = "vip", **more: Any) -> Order:
    return order(action_id, verb, resource, agent="ocf:test:Tiny", **more)


@as_root
async def test_agent_on_a_full_disk_starts_nothing_stops_what_runs_and_starts_when_there_is_room(
    disk: SmallDisk, tmp_path: Path
) -> None:
    host = Host(tmp_path)
    host.agent(f'echo "$1 $OCF_RESOURCE_INSTANCE" >> {tmp_path}/calls')
    life = Life(disk.path, host)
    life.plan(tiny("1-1-1", "start"))
    await life.until(lambda: life.results == {"1-1-1": "Done"})
    disk.fill()
    number = 0
    while not life.hands.brain.recording.trouble:
        number += 1
        life.plan(tiny(f"1-{number + 1}-1", "start", f"r{number}", params={"text": "x" * 8000}))
        await life.until(lambda: len(life.results) == 1)
    life.plan(tiny("2-1-1", "start", "late"), tiny("2-1-2", "stop"), tiny("2-1-3", "stop", "r1"))
    await life.until(lambda: len(life.results) == 3)
    assert life.results == {"2-1-1": "Refused", "2-1-2": "Done", "2-1-3": "Done"}
    calls = (tmp_path / "calls").read_text().splitlines()
    assert "start late" not in calls
    assert calls[-2:] == ["stop vip", "stop r1"] or calls[-2:] == ["stop r1", "stop vip"]
    again = Journal(disk.path / "journal", boot_id="boot-1")
    assert not again.entries["resource/vip"]["active"]
    assert not again.entries.get("resource/late", {"active": False})["active"]
    again.close()
    disk.clear()
    await life.until(lambda: life.hands.brain.recording.trouble == "")
    life.plan(tiny("3-1-1", "start", "late"))
    await life.until(lambda: life.results == {"3-1-1": "Done"})


@as_root
async def test_start_is_withheld_when_the_keeper_could_not_be_told_how_to_stop_it(
    disk: SmallDisk, tmp_path: Path
) -> None:
    host = Host(tmp_path)
    host.agent(f'echo "$1" >> {tmp_path}/calls')
    life = Life(disk.path, host)
    disk.fill()
    life.plan(tiny("1-1-1", "start", requires="quorum", params={"text": "x" * 9000}))
    await life.until(lambda: life.results == {"1-1-1": "Refused"})
    assert not (tmp_path / "calls").exists()
    assert life.hands.brain.recording.trouble == "No space left on device"


async def test_epoch_that_could_not_be_stored_is_stored_when_it_can_be(tmp_path: Path) -> None:
    host = Host(tmp_path)
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    life = Life(run_dir, host)
    (run_dir / "epochs.json").mkdir()
    life.plan()
    await asyncio.sleep(0.1)
    (run_dir / "epochs.json").rmdir()
    await life.until(lambda: EpochFile(run_dir).load() == {"c": 1})
