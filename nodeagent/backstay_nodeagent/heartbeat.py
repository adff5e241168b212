"""The keeper: a small process that renews the node's Lease, whatever the agent is doing (design note 0001).

Standard library only, and nothing imported late: it outlives the agent that started it, and an upgrade may replace the files
under it. It renews in a thread of its own, so that a slow answer delays neither the agent's pings nor a release. One keeper per
run directory (a lock); the agent configures it by a file, and speaks with it over a socket in JSON lines.

From the agent: hello, ping, reload (the configuration file), taken (the release's results), stop. To the agent: state, renewed,
failed, releasing, released.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import random
import selectors
import signal
import socket
import stat
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from backstay_nodeagent.durable_file import DurableFile, read_whole
from backstay_nodeagent.keeper_lock import take_lock
from backstay_nodeagent.keeper_logic import KeeperLogic, KeeperTimings
from backstay_nodeagent.lease_client import LeaseClient, micro_time
from backstay_nodeagent.lease_protocol import LeaseProtocol, RenewalError
from backstay_nodeagent.release_runner import ReleaseRunner, read_pending, read_plan, results_to_json
from backstay_nodeagent.urgency import bound_runaway, die_last, lock_memory, prefer_thread
from backstay_nodeagent.vouch_link import VouchLink
from backstay_nodeagent.watchdog_device import WatchdogDevice
from backstay_nodeagent.watchdog_heir import Inheritance, bequeath, inherit
from backstay_nodeagent.watchdog_link import WatchdogLink
from backstay_nodeagent.watchdog_logic import Claim, claimed

GROUP = "ha.backstay.io"
CONFIG_FILE, SOCKET_FILE = "keeper.json", "keeper.sock"
RENEWAL_FILE, RELEASE_FILE, JOURNAL_FILE = "last-renewal", "release.json", "journal"
LINE_MAX = 1 << 16
PEERS_MAX = 4
ACCEPT_PAUSE_S = 0.01
ABANDONED_MAX = 4
RELEASE_POLL_S = 0.02
WORTH_TELLING_S = 0.5
KEPT_STEP_S = 0.05
LEAVE_MAX_S = 8.0
"""To announce that the watchdog will be disarmed, before a keeper that was told to stop gives that up and stays."""
LOG_EVERY_S = 10.0
LOG_BYTES_MAX = 1 << 20
"""Of a log that is a file; then it begins anew."""


def boottime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def log(event: str, **fields: Any) -> None:
    """One line on standard error, in the agent's text form; a log that can't be written is no reason to miss a renewal."""
    words = " ".join(f"{name}={json.dumps(str(value))}" for name, value in fields.items())
    with contextlib.suppress(OSError):
        place = os.fstat(2)
        if stat.S_ISREG(place.st_mode) and place.st_size > LOG_BYTES_MAX:
            os.ftruncate(2, 0)
        os.write(2, f"{micro_time()} info    keeper: {event} {words}\n".encode())


class Renewer:
    """A thread with a client: takes a try at a time, answers through `answers` and a byte on the wake pipe."""

    def __init__(self, client: LeaseClient, wake: int) -> None:
        self._client = client
        self._wake = wake
        self._tries: queue.Queue[dict[str, Any] | None] = queue.Queue(maxsize=2)
        self.answers: queue.Queue[tuple[dict[str, Any], str]] = queue.Queue()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def submit(self, attempt: dict[str, Any]) -> None:
        self._tries.put_nowait(attempt)

    def abort(self) -> None:
        self._client.abort()

    def abandon(self) -> None:
        """Let it end by itself, whenever that will be."""
        self._client.abort()
        with contextlib.suppress(queue.Full):
            self._tries.put_nowait(None)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def _run(self) -> None:
        prefer_thread()
        while (attempt := self._tries.get()) is not None:
            reason = ""
            try:
                self._client.renew(attempt["spec"], attempt["annotations"], timeout_s=attempt["timeout_s"])
            except RenewalError as error:
                reason = str(error)
            self.answers.put((attempt, reason))
            with contextlib.suppress(OSError):
                os.write(self._wake, b".")
        self._client.close()


@dataclass
class _Peer:
    """A connection: the agent's, once it has said hello."""

    sock: socket.socket
    agent: bool = False
    buffer: bytes = b""


class Keeper:
    """The keeper of one run directory; `run` returns when it was told to stop."""

    def __init__(self, run_dir: Path, inherited: Inheritance | None = None) -> None:
        self._run_dir = run_dir
        self._renewal_file = DurableFile(run_dir / RENEWAL_FILE)
        self._watchdog = WatchdogLink(log=log)
        self._said: Claim | None = None
        """Of the watchdog, by the last renewal that was acknowledged."""
        self._leave_by: float | None = None
        self._config: dict[str, Any] = {}
        self._incarnation = ""
        self._sequence = 0
        self._quiet_until = 0.0
        self._stopping = False
        self._peers: dict[int, _Peer] = {}
        self._release: ReleaseRunner | None = None
        self._release_results: list[dict[str, Any]] | None = None
        self._vouch: VouchLink | None = None
        self._kept_told: float | None = None
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._selector.register(self._wake_read, selectors.EVENT_READ)
        self.logic = KeeperLogic(boottime(), KeeperTimings())
        self._renewer: Renewer | None = None
        self._abandoned: list[Renewer] = []
        self._in_flight: dict[str, Any] | None = None
        if inherited is not None:
            self._watchdog.inherit(WatchdogDevice(inherited.fd), inherited.estate, boottime())
        self._reload()
        self._recall_renewal()
        self._listener = self._listen()

    def run(self) -> None:
        signal.signal(signal.SIGTERM, self._on_signal)
        log("begins", pid=os.getpid(), node=self._config["node"])
        while not self._stopping:
            self._turn()
        log("ends")

    # -- one turn of the loop

    def _turn(self) -> None:
        now = boottime()
        self.logic.turned(now)
        self._mind_watchdog(now)
        self._renew_if_due(now)
        self._mind_peers(now)
        if self.logic.must_release(now) and self._release is None:
            self._begin_release()
        if self._release is not None:
            self._continue_release(now)
        self._end_if_useless(now)
        wake_at = min(self.logic.wake_at(now), self.vouch.vouching.wake_at(self.logic.lapse))
        wait_s = max(0.0, min(wake_at, self._watchdog.wake_at()) - now)
        if self._release is not None:
            wait_s = min(wait_s, RELEASE_POLL_S)
        if self._in_flight is not None:
            wait_s = max(0.01, min(wait_s, self._in_flight["give_up_at"] - now)) if wait_s else 0.05
        for key, _ in self._selector.select(wait_s):
            self._serve(key.fileobj)

    def _serve(self, source: Any) -> None:
        if source is self._listener:
            self._accept()
        elif source is self.vouch.socket:
            if self.vouch.receive(self.logic.lapse, boottime()):
                self.logic.renew_now(boottime())
        elif source == self._wake_read:
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake_read, 4096)
            self._take_answers()
        else:
            self._receive(self._peers[source.fileno()])

    # -- the watchdog

    def _mind_watchdog(self, now: float) -> None:
        """Feed it; and when this keeper shall go, see it disarmed first."""
        kept_until = self.vouch.vouching.keep_until(now)
        self._watchdog.turn(now, sent_at=self.logic.term.sent_at, kept_until=kept_until)
        if self._leave_by is None:
            return
        if self._watchdog.off and self._watchdog.fd is None:
            self._stopping = True
        elif now > self._leave_by:
            log("stays: its watchdog cannot be disarmed, or the API server does not hear that it shall be")
            self._leave_by = None
            self._watchdog.configure(self._config.get("watchdog"), now)

    def _leave(self) -> None:
        """Told to stop: at once, but for an armed watchdog."""
        if self._leave_by is None:
            now = boottime()
            self._leave_by = now + LEAVE_MAX_S
            self._watchdog.configure(None, now)
            self.logic.renew_now(now)

    def _end_if_useless(self, now: float) -> None:
        """Nobody needs a keeper whose agent stays away, if it guards nothing: no watchdog, nothing to release, no stop to be told."""
        dismissed = bool(self._config.get("dismissed"))
        guards = self._watchdog.fd is not None or self._release is not None or self._release_results
        if guards or self.logic.is_needed(now, dismissed=dismissed):
            return
        if dismissed and not self.logic.released and read_plan(self._run_dir / RELEASE_FILE).get("chains"):
            return
        log("is not needed any more: its agent has gone", dismissed=dismissed)
        self._stopping = True

    # -- peers

    @property
    def vouch(self) -> VouchLink:
        assert self._vouch is not None, "made with the first configuration"
        return self._vouch

    def _mind_peers(self, now: float) -> None:
        """Ask them when the lease runs out, and tell the agent what their promises are worth."""
        if self.vouch.open(now) and self.vouch.socket is not None:
            self._selector.register(self.vouch.socket, selectors.EVENT_READ)
        self.vouch.turn(self.logic.lapse, now)
        stop_at = self.logic.term.stop_at
        kept = (
            self.vouch.vouching.keep_until(now)
            if stop_at is not None and now > stop_at - WORTH_TELLING_S
            else None
        )
        self.logic.kept_until = kept
        if kept is None and self._kept_told is None:
            return
        if kept is None or self._kept_told is None or abs(kept - self._kept_told) > KEPT_STEP_S:
            self._kept_told = kept
            self._write_renewal()
            self._tell({"kind": "vouched", "until": kept})

    def _configure_peers(self) -> None:
        config = self._config
        lease_s = self.logic.timings.lease_duration_s
        if self._vouch is None:
            self._vouch = VouchLink(
                self._run_dir, node=config["node"], boot_id=config["boot_id"], lease_s=lease_s, now=boottime()
            )
        before = self._vouch.socket
        self._vouch.configure(config.get("vouching"), lease_s=lease_s)
        if before is not None and self._vouch.socket is None:
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(before)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._leave()

    # -- renewals

    def _renew_if_due(self, now: float) -> None:
        attempt = self._in_flight
        if attempt is not None:
            if now >= attempt["give_up_at"]:
                self._give_up_attempt(attempt, now)
            return
        if now < self.logic.next_attempt_at or not self.logic.renews(now):
            return
        self._sequence += 1
        timings = self.logic.timings
        timeout_s = timings.attempt_timeout_s
        attempt = {
            "sent_at": now,
            "lease_s": timings.lease_duration_s,
            "timeout_s": timeout_s,
            "give_up_at": now + timeout_s + 0.05,
            "aborted": False,
            "spec": {
                "holderIdentity": self._config["node"],
                "leaseDurationSeconds": max(1, -int(-timings.lease_duration_s // 1)),
                "renewTime": micro_time(),
            },
            "annotations": self._annotations(now),
            "watchdog": self._watchdog.logic.said,
        }
        if self._renewer is None and not self._new_renewer():
            self.logic.failed(now, random.random())
            return
        assert self._renewer is not None
        self._renewer.submit(attempt)
        self._in_flight = attempt

    def _annotations(self, now: float) -> dict[str, str]:
        machine = self._config.get("machine") or {}
        return {
            f"{GROUP}/machine-id": str(machine.get("machine_id", "")),
            f"{GROUP}/system-uuid": str(machine.get("system_uuid", "")),
            f"{GROUP}/boot-id": self._config["boot_id"],
            f"{GROUP}/incarnation": self._incarnation,
            f"{GROUP}/lease-duration-ms": str(round(self.logic.timings.lease_duration_s * 1000)),
            f"{GROUP}/agent": "absent" if self.logic.absent(now) else "alive",
            f"{GROUP}/sequence": str(self._sequence),
            f"{GROUP}/beat": str(self._config.get("beat", 0)),
            f"{GROUP}/watchdog": claimed(self._watchdog.logic.said),
            f"{GROUP}/vouching-ms": str(-int(-self.vouch.vouching.attempted(now) * 1000 // 1)),
        }

    def _new_renewer(self) -> bool:
        """False while too many threads hang in a resolver or a kernel call."""
        self._abandoned = [one for one in self._abandoned if one.alive]
        if len(self._abandoned) >= ABANDONED_MAX:
            return False
        machine = self._config.get("machine") or {}
        protocol = LeaseProtocol(
            machine=(str(machine.get("machine_id", "")), str(machine.get("system_uuid", ""))),
            namespace=self._config["lease_namespace"],
            node=self._config["node"],
            boot_id=self._config["boot_id"],
            held=self.logic.term.sent_at is not None,
        )
        self._renewer = Renewer(LeaseClient(self._config["access"], protocol), self._wake_write)
        return True

    def _drop_renewer(self) -> None:
        if self._renewer is not None:
            self._renewer.abandon()
            self._abandoned.append(self._renewer)
            self._renewer = None

    def _give_up_attempt(self, attempt: dict[str, Any], now: float) -> None:
        """Time is up though the socket's timeout did not strike: the server drips, or the thread hangs elsewhere."""
        assert self._renewer is not None
        if not attempt["aborted"]:
            attempt["aborted"] = True
            attempt["give_up_at"] = now + 0.1
            self._renewer.abort()
            return
        self._drop_renewer()
        self._in_flight = None
        self._failed("no answer in time", now)

    def _take_answers(self) -> None:
        renewer = self._renewer
        while renewer is not None and not renewer.answers.empty():
            attempt, reason = renewer.answers.get_nowait()
            if attempt is not self._in_flight:
                continue
            self._in_flight = None
            if reason:
                self._failed(reason, boottime())
            else:
                self._renewed(attempt)

    def _renewed(self, attempt: dict[str, Any]) -> None:
        self.logic.renewed(attempt["sent_at"], attempt["lease_s"])
        self.vouch.vouching.renewed(attempt["sent_at"])
        self._said = attempt["watchdog"]
        self._watchdog.logic.renewed(attempt["sent_at"], self._said)
        was_kept, self._kept_told = self._kept_told is not None, None
        self._write_renewal()
        self._tell({"kind": "renewed", "sent_at": attempt["sent_at"], "lease_s": attempt["lease_s"]})
        if was_kept:
            # After the renewal, never before: in between the agent would take itself for cut off.
            self._tell({"kind": "vouched", "until": None})

    def _write_renewal(self) -> None:
        """For an agent, or a keeper, that begins while this one is away."""
        term = self.logic.term
        said = self._said
        data: dict[str, Any] = {
            "sent_at": term.sent_at,
            "lease_s": term.carried_s,
            "kept_until": self._kept_told,
        }
        data["watchdog"] = None if said is None else [said.deadline_s, said.timeout_s]
        with contextlib.suppress(OSError):
            self._renewal_file.write(json.dumps(data | {"boot_id": self._config["boot_id"]}))

    def _failed(self, reason: str, now: float) -> None:
        self.logic.failed(now, random.random())
        if now >= self._quiet_until:
            log("renewal failed", reason=reason)
            self._quiet_until = now + LOG_EVERY_S
        self._tell({"kind": "failed", "reason": reason})

    # -- release

    def _begin_release(self) -> None:
        plan = read_plan(self._run_dir / RELEASE_FILE)
        self._release = ReleaseRunner(plan, read_pending(self._run_dir / JOURNAL_FILE))
        log("agent is absent and the node is cut off: releasing", chains=len(plan.get("chains", [])))
        self._tell({"kind": "releasing"})

    def _continue_release(self, now: float) -> None:
        assert self._release is not None
        self._release.poll(now)
        if not self._release.done:
            return
        self._release_results = results_to_json(self._release.results)
        self.logic.released = True
        log("released", stops=len(self._release_results))
        self._release = None
        self._tell({"kind": "released", "stops": self._release_results})

    # -- the socket

    def _listen(self) -> socket.socket:
        path = self._run_dir / SOCKET_FILE
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        old_mask = os.umask(0o177)
        try:
            listener.bind(str(path))
        finally:
            os.umask(old_mask)
        listener.listen(PEERS_MAX)
        listener.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ)
        return listener

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:
            # With no descriptor left it stays readable; a thread that spins under real-time priority is killed.
            time.sleep(ACCEPT_PAUSE_S)
            return
        sock.setblocking(False)
        if len(self._peers) >= PEERS_MAX:
            sock.close()
            return
        self._peers[sock.fileno()] = _Peer(sock)
        self._selector.register(sock, selectors.EVENT_READ)

    def _receive(self, peer: _Peer) -> None:
        try:
            data = peer.sock.recv(LINE_MAX)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        peer.buffer += data
        if not data or len(peer.buffer) > LINE_MAX:
            self._drop(peer)
            return
        *lines, peer.buffer = peer.buffer.split(b"\n")
        for line in lines:
            try:
                message = json.loads(line)
                kind = message["kind"]
            except (ValueError, KeyError, TypeError):
                self._drop(peer)
                return
            self._obey(peer, kind, message)

    def _obey(self, peer: _Peer, kind: str, message: dict[str, Any]) -> None:
        now = boottime()
        if kind == "hello":
            for other in [one for one in self._peers.values() if one.agent and one is not peer]:
                self._drop(other)
            peer.agent = True
            self._incarnation = str(message.get("incarnation", ""))
            self._greet(peer)
        elif kind == "reload":
            self._reload_or_stay()
        elif kind == "taken":
            self._release_results = None
        elif kind == "stop":
            self._leave()
        elif kind == "handover":
            self._bequeath(peer)
        elif kind == "handed":
            log("a successor takes over", watchdog=self._watchdog.fd is not None)
            self._watchdog.hand_over()
            self._stopping = True
        if peer.agent:
            self.logic.agent_heard(now)

    def _bequeath(self, peer: _Peer) -> None:
        """Only lends the descriptor: this keeper feeds on until it hears `handed`."""
        try:
            bequeath(peer.sock, self._watchdog.fd, self._watchdog.estate())
        except OSError:
            self._drop(peer)

    def _greet(self, peer: _Peer) -> None:
        self._send(
            peer,
            {
                "kind": "state",
                "version": self._config["version"],
                "pid": os.getpid(),
                "sent_at": self.logic.term.sent_at,
                "lease_s": self.logic.term.carried_s,
                "kept_until": self.logic.kept_until,
                "releasing": self._release is not None,
                "stops": self._release_results,
            },
        )

    def _tell(self, message: dict[str, Any]) -> None:
        for peer in [one for one in self._peers.values() if one.agent]:
            self._send(peer, message)

    def _send(self, peer: _Peer, message: dict[str, Any]) -> None:
        """All of it or the connection is given up: an agent that does not read is no agent."""
        data = json.dumps(message).encode() + b"\n"
        try:
            sent = peer.sock.send(data)
        except OSError:
            sent = -1
        if sent != len(data):
            self._drop(peer)

    def _drop(self, peer: _Peer) -> None:
        if self._peers.pop(peer.sock.fileno(), None) is None:
            return
        self._selector.unregister(peer.sock)
        peer.sock.close()
        if peer.agent:
            self.logic.agent_gone(boottime())

    # -- configuration

    def _reload_or_stay(self) -> None:
        """A file that can't be read, or says nothing that makes sense, is no reason to end: what was configured before holds."""
        try:
            self._reload()
        except (OSError, ValueError, LookupError, TypeError) as error:
            log("its configuration cannot be read: goes on as before", error=repr(error))

    def _reload(self) -> None:
        """Take the configuration file in; a changed access means a new connection."""
        config = json.loads(read_whole(self._run_dir / CONFIG_FILE))
        if config.get("access") != self._config.get("access") and self._in_flight is None:
            self._drop_renewer()
        challenged = config.get("beat", 0) != self._config.get("beat", 0)
        self._config = config
        self._incarnation = config["incarnation"]
        self.logic.retime(KeeperTimings(**config["timings"]), boottime())
        self._configure_peers()
        self._watchdog.configure(None if self._leave_by else config.get("watchdog"), boottime())
        if challenged:
            self.logic.renew_now(boottime())

    def _recall_renewal(self) -> None:
        """The last renewal of a keeper before this one holds still."""
        try:
            data = json.loads(self._renewal_file.read())
            if data["boot_id"] == self._config["boot_id"]:
                self.logic.term.renewed(float(data["sent_at"]), float(data["lease_s"]))
                said = data.get("watchdog")
                self._said = None if said is None else Claim(float(said[0]), float(said[1]))
                self._watchdog.logic.recall(self._said)
        except (OSError, ValueError, KeyError, TypeError):
            return


def main(arguments: list[str]) -> int:
    """`heartbeat RUN_DIR [--replace]`: run until told to stop. Exit status 1 if another keeper holds the lock."""
    run_dir = Path(arguments[0])
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    inherited = inherit(run_dir / SOCKET_FILE) if "--replace" in arguments else None
    lock = take_lock(run_dir)
    if lock is None:
        log("another keeper runs here")
        return 1
    bound_runaway()
    log("urgency", memory=lock_memory(), priority=prefer_thread(), oom=die_last())
    Keeper(run_dir, inherited).run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
