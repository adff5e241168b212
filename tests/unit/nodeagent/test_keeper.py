"""The keeper as a real process against a real HTTP server: renewals, outages, an agent that comes and goes."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import itertools
import json
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from backstay_nodeagent import events as ev
from backstay_nodeagent import heartbeat
from backstay_nodeagent.host_entry import HostEntry
from backstay_nodeagent.keeper_link import (
    KeeperConfig,
    KeeperLink,
    keeper_pid,
    keeper_version,
    known_dismissal,
    last_renewal,
    stop_keeper,
)
from backstay_nodeagent.lease_client import Access
from backstay_nodeagent.orders import Timings, WatchdogOrders
from backstay_nodeagent.proc_stat import start_ticks
from backstay_nodeagent.vouch_wire import Letter, seal, unseal
from backstay_nodeagent.vouching import Answer
from unit.nodeagent.lease_server import LeaseServer

FAST = Timings(renew_interval_s=0.1, lease_duration_s=0.6, stop_margin_s=0.2)


@pytest.fixture
def server() -> Iterator[LeaseServer]:
    with LeaseServer() as running:
        yield running


class Agent:
    """The agent's end of the link, with what it heard."""

    def __init__(
        self,
        run_dir: Path,
        server: LeaseServer,
        *,
        version: str = "",
        timings: Timings = FAST,
        entry: HostEntry | None = None,
    ) -> None:
        self.heard: list[ev.Event] = []
        self.run_dir = run_dir
        config = KeeperConfig(
            node="n1",
            boot_id="boot-1",
            incarnation="i1",
            version=version or keeper_version(),
            access=Access(server=server.url, token="secret"),
            timings=timings,
        )
        self.link = KeeperLink(run_dir, config, post=self.heard.append, entry=entry)
        self.task = asyncio.create_task(self.link.run())

    async def vanish(self) -> None:
        """As a crash: the connection breaks."""
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task

    def of(self, kind: type[ev.Event]) -> list[Any]:
        return [event for event in self.heard if isinstance(event, kind)]


@pytest.fixture
async def start(tmp_path: Path, server: LeaseServer) -> AsyncIterator[Callable[..., Agent]]:
    agents: list[Agent] = []

    def begin(**more: Any) -> Agent:
        agents.append(Agent(tmp_path, server, **more))
        return agents[-1]

    yield begin
    for agent in agents:
        await agent.vanish()
    await stop_keeper(tmp_path)


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        await asyncio.sleep(0.01)


Start = Callable[..., Agent]


def release_plan(run_dir: Path, *steps: tuple[str, str]) -> None:
    """One chain: resource and shell command."""
    chain = [
        {
            "resource": resource,
            "verb": "stop",
            "argv": ["/bin/sh", "-c", command],
            "env": {"PATH": "/bin"},
            "timeout_s": 5.0,
        }
        for resource, command in steps
    ]
    (run_dir / "release.json").write_text(json.dumps({"chains": [chain]}))


def ticks(run_dir: Path) -> list[str]:
    return (run_dir / "order").read_text().split() if (run_dir / "order").exists() else []


async def test_lease_is_created_then_patched_with_all_that_the_dc_needs(
    start: Start, server: LeaseServer
) -> None:
    agent = start()
    await until(lambda: len(server.renewals) >= 3)
    first = server.renewals[0][1]
    assert first["kind"] == "Lease"
    assert first["metadata"]["name"] == "node-n1"
    _, body = server.renewals[2]
    assert body["spec"]["holderIdentity"] == "n1"
    assert body["spec"]["leaseDurationSeconds"] == 1, "whole seconds, rounded up"
    annotations = {name.split("/")[1]: value for name, value in body["metadata"]["annotations"].items()}
    assert annotations["lease-duration-ms"] == "600"
    assert annotations["boot-id"] == "boot-1"
    assert annotations["incarnation"] == "i1"
    assert annotations["agent"] == "alive"
    assert int(annotations["sequence"]) >= 2
    assert server.requests[0].endswith("Bearer secret")
    assert server.connections <= 2, "one connection is kept"
    assert agent.of(ev.LeaseRenewed)


async def test_renewals_come_at_the_interval_and_count_from_before_sending(
    start: Start, server: LeaseServer
) -> None:
    agent = start()
    await until(lambda: len(agent.of(ev.LeaseRenewed)) >= 8)
    sent = [event.renewal.sent_at for event in agent.of(ev.LeaseRenewed)][-6:]
    gaps = [later - earlier for earlier, later in itertools.pairwise(sent)]
    assert all(0.09 < gap < 0.3 for gap in gaps), gaps
    arrived = [at for at, _ in server.renewals]
    assert all(any(one <= at for at in arrived) for one in sent)


async def test_no_renewal_is_claimed_while_the_server_fails_stalls_or_drips(
    start: Start, server: LeaseServer
) -> None:
    agent = start()
    await until(lambda: bool(agent.of(ev.LeaseRenewed)))
    for mode in ("error", "stall", "drip"):
        server.mode = mode
        await asyncio.sleep(0.4)
        before = len(agent.of(ev.LeaseRenewed))
        await asyncio.sleep(0.6)
        assert len(agent.of(ev.LeaseRenewed)) == before, mode
        server.mode = "ok"
        await until(lambda seen=before: len(agent.of(ev.LeaseRenewed)) > seen, 3.0)


async def test_failed_renewals_are_tried_again_soon_but_not_in_a_storm(
    start: Start, server: LeaseServer
) -> None:
    agent = start(timings=Timings(renew_interval_s=0.4, lease_duration_s=2.0, stop_margin_s=0.4))
    await until(lambda: bool(agent.of(ev.LeaseRenewed)))
    server.mode = "error"
    before = len(server.requests)
    await asyncio.sleep(2.0)
    tries = len(server.requests) - before
    assert 8 <= tries <= 40, tries


async def test_renewals_go_on_while_the_agent_is_away(start: Start, server: LeaseServer) -> None:
    agent = start()
    await until(lambda: bool(agent.of(ev.LeaseRenewed)))
    await agent.vanish()
    before = len(server.renewals)
    await until(lambda: len(server.renewals) > before + 5)
    _, body = server.renewals[-1]
    assert body["metadata"]["annotations"]["ha.backstay.io/agent"] == "absent"


async def test_agent_that_comes_back_learns_of_the_last_renewal_at_once(
    start: Start, server: LeaseServer
) -> None:
    first = start()
    await until(lambda: bool(first.of(ev.LeaseRenewed)))
    await first.vanish()
    server.mode = "error"
    second = start()
    await until(lambda: bool(second.of(ev.LeaseRenewed)))
    known = last_renewal(second.run_dir, "boot-1")
    assert known is not None
    assert second.of(ev.LeaseRenewed)[0].renewal.sent_at == known.sent_at
    assert last_renewal(second.run_dir, "boot-2") is None


async def test_keeper_that_is_killed_is_replaced_within_the_lease(start: Start, server: LeaseServer) -> None:
    agent = start()
    await until(lambda: bool(agent.of(ev.LeaseRenewed)))
    assert agent.link._process is not None
    os.kill(agent.link._process.pid, signal.SIGKILL)
    killed_at = time.clock_gettime(time.CLOCK_BOOTTIME)
    await until(lambda: server.renewals[-1][0] > killed_at + 0.05)
    assert server.renewals[-1][0] - killed_at < 1.5
    assert agent.of(ev.KeeperLost)


async def test_keeper_that_hangs_is_killed_and_replaced(start: Start, server: LeaseServer) -> None:
    agent = start()
    await until(lambda: bool(agent.of(ev.LeaseRenewed)))
    pid = keeper_pid(agent.run_dir)
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(0.3)
    before = len(server.renewals)
    await until(lambda: len(server.renewals) > before, 8.0)
    assert keeper_pid(agent.run_dir) != pid


async def test_keeper_of_another_version_is_replaced(start: Start, server: LeaseServer) -> None:
    old = start(version="old")
    await until(lambda: bool(old.of(ev.LeaseRenewed)))
    assert old.link._process is not None
    old_pid = old.link._process.pid
    await old.vanish()
    new = start(version="new")
    await until(lambda: new.link._process is not None and bool(new.of(ev.KeeperLost)))
    before = len(server.renewals)
    await until(lambda: len(server.renewals) > before)
    old.link._process.poll()
    assert start_ticks(old_pid) == 0


async def test_timings_change_without_a_restart(start: Start, server: LeaseServer) -> None:
    agent = start()
    await until(lambda: bool(agent.of(ev.LeaseRenewed)))
    agent.link.set_timings(Timings(renew_interval_s=0.3, lease_duration_s=1.5, stop_margin_s=0.2))
    await until(lambda: agent.of(ev.LeaseRenewed)[-1].renewal.lease_duration_s == 1.5)
    assert server.renewals[-1][1]["metadata"]["annotations"]["ha.backstay.io/lease-duration-ms"] == "1500"


async def test_cut_off_while_the_agent_is_absent_the_keeper_releases_in_order(
    start: Start, server: LeaseServer, tmp_path: Path
) -> None:
    agent = start()
    await until(lambda: bool(agent.of(ev.LeaseRenewed)))
    release_plan(
        tmp_path,
        ("vip", f"sleep 0.1; echo vip >> {tmp_path}/order"),
        ("fs", f"echo fs >> {tmp_path}/order; exit 1"),
    )
    await agent.vanish()
    server.mode = "error"
    await until(lambda: ticks(tmp_path) == ["vip", "fs"])
    back = start()
    await until(lambda: bool(back.of(ev.KeeperReleased)))
    stops = back.of(ev.KeeperReleased)[0].stops
    assert [(stop.resource, stop.rc, stop.timed_out) for stop in stops] == [
        ("vip", 0, False),
        ("fs", 1, False),
    ]
    await asyncio.sleep(1.0)
    assert ticks(tmp_path) == ["vip", "fs"], "once per outage"


async def test_cut_off_with_the_agent_there_the_keeper_leaves_the_release_to_it(
    start: Start, server: LeaseServer, tmp_path: Path
) -> None:
    agent = start()
    await until(lambda: bool(agent.of(ev.LeaseRenewed)))
    release_plan(tmp_path, ("vip", f"echo vip >> {tmp_path}/order"))
    server.mode = "error"
    await asyncio.sleep(1.5)
    assert ticks(tmp_path) == []


async def test_keeper_ends_what_the_absent_agent_had_running_before_it_stops_the_resource(
    start: Start, server: LeaseServer, tmp_path: Path
) -> None:
    agent = start()
    await until(lambda: bool(agent.of(ev.LeaseRenewed)))
    straggler = await asyncio.create_subprocess_exec("sleep", "60", start_new_session=True)
    mark = {
        "call_id": 1,
        "order": {"verb": "start", "resource": "vip"},
        "process": {"pid": straggler.pid, "start_ticks": start_ticks(straggler.pid), "deadline": 1e12},
    }
    (tmp_path / "journal").write_text('{"boot": "boot-1"}\n' + json.dumps(["pending/1", mark]) + "\n")
    release_plan(tmp_path, ("vip", f"echo vip >> {tmp_path}/order"))
    await agent.vanish()
    server.mode = "error"
    await until(lambda: ticks(tmp_path) == ["vip"])
    assert await asyncio.wait_for(straggler.wait(), 1.0) == -signal.SIGKILL


async def test_stop_that_hangs_is_killed_and_the_chain_goes_on(
    start: Start, server: LeaseServer, tmp_path: Path
) -> None:
    agent = start()
    await until(lambda: bool(agent.of(ev.LeaseRenewed)))
    release_plan(
        tmp_path, ("vip", "trap '' TERM; while :; do sleep 1; done"), ("fs", f"echo fs >> {tmp_path}/order")
    )
    text = (tmp_path / "release.json").read_text().replace('"timeout_s": 5.0', '"timeout_s": 0.2')
    (tmp_path / "release.json").write_text(text)
    await agent.vanish()
    server.mode = "error"
    await until(lambda: ticks(tmp_path) == ["fs"], 8.0)


async def test_keeper_that_is_told_to_stop_is_gone(start: Start, server: LeaseServer, tmp_path: Path) -> None:
    agent = start()
    await until(lambda: bool(agent.of(ev.LeaseRenewed)))
    await agent.vanish()
    assert await stop_keeper(tmp_path)
    before = len(server.renewals)
    await asyncio.sleep(0.5)
    assert len(server.renewals) == before
    assert not await stop_keeper(tmp_path)


async def test_keeper_of_a_node_that_is_let_go_ends_with_its_agent(
    start: Start, server: LeaseServer, tmp_path: Path
) -> None:
    agent = start()
    agent.link.set_dismissed(True)
    await until(lambda: len(server.renewals) > 3)
    assert keeper_pid(tmp_path) is not None, "as long as the agent is there it goes on"
    await agent.vanish()
    await until(lambda: keeper_pid(tmp_path) is None)
    back = start()
    await until(lambda: bool(back.of(ev.LeaseRenewed)))
    assert keeper_pid(tmp_path) is not None, "an agent that comes has another"


async def test_keeper_that_is_let_go_and_has_something_to_release_stays(
    start: Start, server: LeaseServer, tmp_path: Path
) -> None:
    agent = start()
    agent.link.set_dismissed(True)
    await until(lambda: bool(agent.of(ev.LeaseRenewed)))
    release_plan(tmp_path, ("vip", f"echo vip >> {tmp_path}/order"))
    await agent.vanish()
    await asyncio.sleep(1.5)
    assert keeper_pid(tmp_path) is not None
    assert ticks(tmp_path) == []
    server.mode = "error"
    await until(lambda: ticks(tmp_path) == ["vip"])
    await asyncio.sleep(0.5)
    assert keeper_pid(tmp_path) is not None, "the stop is still to be told"


def test_dismissal_holds_for_the_next_agent_of_the_same_boot(tmp_path: Path) -> None:
    (tmp_path / "keeper.json").write_text(json.dumps({"boot_id": "boot-1", "dismissed": True}))
    assert known_dismissal(tmp_path, "boot-1")
    assert not known_dismissal(tmp_path, "boot-2")
    assert not known_dismissal(tmp_path / "nowhere", "boot-1")


class Outside(HostEntry):
    """A way out of a container that is none: the keeper starts where the agent is."""

    def resident(self, argv: Sequence[str]) -> tuple[str, ...]:
        return tuple(argv)


async def test_keeper_of_a_pod_holds_none_of_its_containers_output(start: Start, tmp_path: Path) -> None:
    """Who held it would keep the pod from ending, and the next agent from coming."""
    agent = start(entry=Outside(()))
    await until(lambda: bool(agent.of(ev.LeaseRenewed)))
    pid = keeper_pid(tmp_path)
    files = {os.readlink(f"/proc/{pid}/fd/{number}") for number in (0, 1, 2)}
    assert files == {"/dev/null", str(tmp_path / "keeper.log")}


async def test_keeper_of_a_pod_opens_the_hosts_own_watchdog(start: Start, tmp_path: Path) -> None:
    """A container has the devices that were there when it began; a module may have been loaded since."""
    agent = start(entry=Outside(()))
    agent.link.set_watchdog(WatchdogOrders(device="/dev/watchdog1", deadline_s=3.0, timeout_s=5.0))
    config = json.loads((tmp_path / "keeper.json").read_text())
    assert config["watchdog"]["device"] == "/proc/1/root/dev/watchdog1"
    agent.link.set_watchdog(None)


def test_log_in_a_file_begins_anew_when_it_is_long(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"x" * (heartbeat.LOG_BYTES_MAX + 1))
    kept = os.dup(2)
    try:
        with path.open("ab") as file:
            os.dup2(file.fileno(), 2)
        heartbeat.log("renewal failed", reason="test")
    finally:
        os.dup2(kept, 2)
        os.close(kept)
    assert path.read_text().endswith('info    keeper: renewal failed reason="test"\n')
    assert path.stat().st_size < 200


async def test_keeper_lives_through_hostile_packets_and_takes_no_promise_made_in_another_name(
    start: Start, server: LeaseServer
) -> None:
    """n3 is captured: it knows its own key with n1, answers in the name of n2 too, and sends what no keeper sends."""
    keys = {"n2": b"2" * 32, "n3": b"3" * 32}
    peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    peer.setblocking(False)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    peer.bind(("127.0.0.3", 0))
    port = peer.getsockname()[1]
    addresses = {"n2": "127.0.0.2", "n3": "127.0.0.3", "n4": "127.0.0.4", "n5": "127.0.0.5"}
    agent = start(timings=Timings(renew_interval_s=0.3, lease_duration_s=1.5, stop_margin_s=0.4))
    hexadecimal = {name: key.hex() for name, key in keys.items()}
    agent.link.set_vouching({"cluster": "c", "peers": addresses, "keys": hexadecimal, "port": port})
    await until(lambda: bool(agent.of(ev.LeaseRenewed)))
    await asyncio.sleep(0.6)
    before, pid = len(agent.of(ev.Vouched)), keeper_pid(agent.run_dir)
    server.mode = "error"
    end, asked = time.monotonic() + 2.5, 0
    while time.monotonic() < end:
        await asyncio.sleep(0.01)
        with contextlib.suppress(BlockingIOError):
            letter = unseal(peer.recv(2048), {"n1": keys["n3"]})
            assert letter is not None
            asked += 1
            for name in ("n2", "n3", "n4", "n5"):
                answer = Letter("c", name, "n1", Answer(letter.content.number, "promise", 1e6, 1e6))
                peer.sendto(seal(answer, keys["n3"]), ("127.0.0.1", port))
            odd = (
                bytes([2])
                + b"n3"
                + b'{"cluster":"c","from":"n3","to":"n1","kind":"Question","content":{"number":Infinity}}'
            )
            peer.sendto(hmac.new(keys["n3"], odd, hashlib.sha256).digest() + odd, ("127.0.0.1", port))
    peer.close()
    assert asked > 0
    assert [one.until for one in agent.of(ev.Vouched)[before:] if one.until is not None] == [], (
        "two of five are no majority"
    )
    assert keeper_pid(agent.run_dir) == pid, "the same keeper lives"
    server.mode = "ok"
    renewed = len(agent.of(ev.LeaseRenewed))
    await until(lambda: len(agent.of(ev.LeaseRenewed)) > renewed)
