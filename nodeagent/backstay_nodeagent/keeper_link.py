"""The agent's side of the keeper: starts it, replaces one of another version, pings it, hears of renewals.

The keeper is a child only by birth: it has its own session and stays when the agent ends. Everything it needs lies in a file of
the run directory, so that it can start without the agent's help.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from backstay_nodeagent import events as ev
from backstay_nodeagent.durable_file import DurableFile, read_whole
from backstay_nodeagent.heartbeat import CONFIG_FILE, RENEWAL_FILE, SOCKET_FILE
from backstay_nodeagent.host_entry import HostEntry
from backstay_nodeagent.keeper_lock import LOCK_FILE
from backstay_nodeagent.lease_client import Access
from backstay_nodeagent.orders import Timings, WatchdogOrders

log = logging.getLogger(__name__)
LOG_FILE = "keeper.log"
PING_S = 0.25
CONNECT_WAIT_S = 3.0
RESTART_PAUSE_S = 0.2
SILENCE_MIN_S = 3.0
SOURCES = (
    "heartbeat.py",
    "durable_file.py",
    "journal_lines.py",
    "keeper_lock.py",
    "keeper_logic.py",
    "lease_term.py",
    "lease_client.py",
    "lease_protocol.py",
    "release_runner.py",
    "proc_stat.py",
    "urgency.py",
    "vouching.py",
    "vouch_link.py",
    "vouch_wire.py",
    "watchdog_logic.py",
    "watchdog_device.py",
    "watchdog_link.py",
    "watchdog_heir.py",
)
LEASE_NAMESPACE = "backstay-system"
_START = "import sys; sys.path.insert(0, sys.argv.pop(1)); from backstay_nodeagent.heartbeat import main; sys.exit(main(sys.argv[1:]))"

Post = Callable[[ev.Event], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeeperConfig:
    """What the keeper's file says."""

    node: str
    boot_id: str
    incarnation: str
    version: str
    access: Access
    timings: Timings
    beat: int = 0
    vouching: dict[str, Any] | None = None
    """`cluster`, `peers` (name to address), `keys` (name to the pair's key in hexadecimal digits), `port`; None: off."""
    watchdog: dict[str, Any] | None = None
    """`device`, `deadline_s`, `timeout_s`; None: no watchdog."""
    machine: dict[str, str] | None = None
    """`machine_id` and `system_uuid`; empty where they are not known."""
    dismissed: bool = False
    """The node is let go: the keeper ends when its agent does."""
    lease_namespace: str = LEASE_NAMESPACE


def keeper_version(entry: HostEntry | None = None) -> str:
    """Changes with the keeper's code, not with the agent's: only then it must be replaced.

    In a pod it changes with the container too: a keeper lives in the image of the container that started it, and that may be removed
    from the host once the container is gone."""
    folder = Path(__file__).parent
    digest = hashlib.sha256(b"".join((folder / name).read_bytes() for name in SOURCES))
    container = f"-{os.stat('/proc/self/ns/mnt').st_ino}" if entry is not None else ""
    return digest.hexdigest()[:12] + container


class KeeperLink:
    """Keeps a keeper running and listens to it. `run` for ever; the other methods may be called at any time."""

    def __init__(
        self, run_dir: Path, config: KeeperConfig, *, post: Post, entry: HostEntry | None = None
    ) -> None:
        self._run_dir = run_dir
        self._config = config
        self._entry = entry
        self._post = post
        self._writer: asyncio.StreamWriter | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._failing = False
        self.on_failure: list[Callable[[], None]] = []
        """Called for each renewal that the keeper says has failed."""
        self._file = DurableFile(run_dir / CONFIG_FILE)
        self._unwritten = True
        """The keeper's file does not say yet what it shall."""
        self._write_config()

    async def run(self) -> None:
        """Connect, listen, and when the keeper is lost start another. Cancelled from outside."""
        while True:
            try:
                await self._converse()
            except (OSError, ValueError, KeyError, TypeError, asyncio.IncompleteReadError) as error:
                log.debug("no keeper", extra={"fields": {"error": repr(error)}})
            self._writer = None
            self._post(ev.KeeperLost())
            self._start()
            await asyncio.sleep(RESTART_PAUSE_S)

    def set_timings(self, timings: Timings) -> None:
        self._change(timings=timings)

    def set_beat(self, beat: int) -> None:
        """The DC's challenge: renewals carry it from now on, the first of them at once."""
        if beat != self._config.beat:
            self._change(beat=beat)

    def set_vouching(self, vouching: dict[str, Any] | None) -> None:
        if vouching != self._config.vouching:
            self._change(vouching=vouching)

    def set_watchdog(self, watchdog: WatchdogOrders | None) -> None:
        wanted = None if watchdog is None else asdict(watchdog)
        if wanted is not None and self._entry is not None:
            # A container has the devices that were there when it began; the host's own folder has those of today.
            wanted["device"] = self._entry.local(wanted["device"])
        if wanted != self._config.watchdog:
            self._change(watchdog=wanted)

    def set_dismissed(self, dismissed: bool) -> None:
        if dismissed != self._config.dismissed:
            self._change(dismissed=dismissed)

    def set_access(self, access: Access) -> None:
        if access != self._config.access:
            self._change(access=access)

    def _change(self, **changes: Any) -> None:
        self._config = KeeperConfig(**{**_shallow(self._config), **changes})
        self._write_config()
        if not self._unwritten:
            self._say({"kind": "reload"})

    def _write_config(self) -> None:
        """What can't be written is written with a later ping: the keeper goes on as it was told before."""
        try:
            self._file.write(json.dumps(asdict(self._config)))
        except OSError as error:
            level = logging.DEBUG if self._unwritten else logging.ERROR
            log.log(level, "the keeper's file can't be written", extra={"fields": {"error": str(error)}})
            self._unwritten = True
        else:
            self._unwritten = False

    def _start(self, *, replacing: bool = False) -> None:
        """Start a keeper, unless the last one that was started still runs; the keeper's lock makes a second one harmless.

        One that replaces takes over what the present one holds, an armed watchdog above all, and then sees it off."""
        if self._process is not None and self._process.poll() is None:
            return
        words = [str(self._run_dir), *(["--replace"] if replacing else [])]
        package_parent = str(Path(__file__).resolve().parents[1])
        argv = [sys.executable, "-I", "-S", "-c", _START, package_parent, *words]
        with self._log() as output:
            self._process = subprocess.Popen(
                self._entry.resident(argv) if self._entry is not None else argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=output,
                env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8"},
                cwd="/",
                start_new_session=True,
            )
        log.info("keeper started", extra={"fields": {"pid": self._process.pid}})

    @contextlib.contextmanager
    def _log(self) -> Iterator[IO[bytes] | None]:
        """Where a keeper writes: as this agent does; in a pod, whose keeper must outlive it, a file of the host's.

        A pod is not gone before everybody has closed its container's output: kubelet and containerd would wait for a keeper
        that held it, no other agent would come meanwhile, and the keeper would end for want of one."""
        if self._entry is None:
            yield None
            return
        with (self._run_dir / LOG_FILE).open("ab", buffering=0) as output:
            yield output

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """To the keeper that runs, or to one that is started now. Raises OSError."""
        path = str(self._run_dir / SOCKET_FILE)
        deadline = asyncio.get_running_loop().time() + CONNECT_WAIT_S
        while True:
            try:
                return await asyncio.open_unix_connection(path)
            except OSError:
                self._start()
                if asyncio.get_running_loop().time() > deadline:
                    raise
                await asyncio.sleep(0.02)

    async def _converse(self) -> None:
        reader, self._writer = await self._connect()
        pings = asyncio.create_task(self._ping())
        try:
            self._say({"kind": "hello", "incarnation": self._config.incarnation})
            while line := await self._line(reader):
                self._hear(json.loads(line))
        finally:
            pings.cancel()
            self._writer.close()

    async def _line(self, reader: asyncio.StreamReader) -> bytes:
        """The next line. A keeper says something at each renewal, good or bad; one that falls silent hangs, and is killed."""
        silence_s = max(SILENCE_MIN_S, 3 * self._config.timings.renew_interval_s)
        try:
            async with asyncio.timeout(silence_s):
                return await reader.readline()
        except TimeoutError:
            pid = keeper_pid(self._run_dir)
            log.error("the keeper hangs", extra={"fields": {"pid": pid, "silent_s": silence_s}})
            if pid is not None:
                os.kill(pid, signal.SIGKILL)
            return b""

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(PING_S)
            self._say({"kind": "ping"})
            if self._unwritten:
                self._change()

    def _say(self, message: dict[str, Any]) -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(json.dumps(message).encode() + b"\n")

    def _hear(self, message: dict[str, Any]) -> None:
        match message["kind"]:
            case "state":
                self._hear_state(message)
            case "renewed":
                self._failing = False
                self._post(ev.LeaseRenewed(ev.Renewal(message["sent_at"], message["lease_s"])))
            case "failed":
                level = logging.DEBUG if self._failing else logging.WARNING
                log.log(level, "lease renewal failed", extra={"fields": {"reason": message["reason"]}})
                self._failing = True
                for notify in self.on_failure:
                    notify()
            case "vouched":
                self._post(ev.Vouched(message["until"]))
            case "releasing":
                self._post(ev.KeeperReleasing())
            case "released":
                self._take_stops(message["stops"])
            case other:
                log.debug("unknown word of the keeper", extra={"fields": {"kind": other}})

    def _hear_state(self, message: dict[str, Any]) -> None:
        if message["version"] != self._config.version and not message["releasing"]:
            log.info("replacing the keeper of another version", extra={"fields": {"pid": message["pid"]}})
            self._start(replacing=True)
        if message["releasing"]:
            self._post(ev.KeeperReleasing())
        elif message["stops"] is not None:
            self._take_stops(message["stops"])
        if message["sent_at"] is not None:
            self._post(ev.LeaseRenewed(ev.Renewal(message["sent_at"], message["lease_s"])))
        self._post(ev.Vouched(message.get("kept_until")))

    def _take_stops(self, stops: list[dict[str, Any]]) -> None:
        self._post(ev.KeeperReleased(tuple(ev.KeeperStop(**stop) for stop in stops)))
        self._say({"kind": "taken"})


def known_access(run_dir: Path, boot_id: str) -> Access | None:
    """How an earlier agent of this boot reached the API server: good enough to speak with the keeper before our own way is known."""
    try:
        config = json.loads(read_whole(run_dir / CONFIG_FILE))
        access: Access = config["access"]
        return access if config["boot_id"] == boot_id and access["server"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def known_vouching(run_dir: Path, boot_id: str) -> tuple[int, dict[str, Any] | None]:
    """Challenge and peers as an earlier agent of this boot had them: they hold until a plan says otherwise."""
    try:
        config = json.loads(read_whole(run_dir / CONFIG_FILE))
        if config["boot_id"] != boot_id:
            return 0, None
        return int(config["beat"]), config["vouching"]
    except (OSError, ValueError, KeyError, TypeError):
        return 0, None


def known_watchdog(run_dir: Path, boot_id: str) -> dict[str, Any] | None:
    """The watchdog as an earlier agent of this boot had it: it holds until a plan says otherwise."""
    try:
        config = json.loads(read_whole(run_dir / CONFIG_FILE))
        found: dict[str, Any] | None = config["watchdog"] if config["boot_id"] == boot_id else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found


def known_dismissal(run_dir: Path, boot_id: str) -> bool:
    """Whether an earlier agent of this boot was let go: it holds until a plan says otherwise."""
    try:
        config = json.loads(read_whole(run_dir / CONFIG_FILE))
        return config["boot_id"] == boot_id and config["dismissed"] is True
    except (OSError, ValueError, KeyError, TypeError):
        return False


def last_renewal(run_dir: Path, boot_id: str) -> ev.Renewal | None:
    """What the keeper wrote down last, if it was in this boot."""
    try:
        data = json.loads(read_whole(run_dir / RENEWAL_FILE))
        same = data["boot_id"] == boot_id
        return ev.Renewal(float(data["sent_at"]), float(data["lease_s"])) if same else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def kept_until(run_dir: Path, boot_id: str) -> float | None:
    """Until when peers have promised, as the keeper wrote it down last, if it was in this boot."""
    try:
        data = json.loads(read_whole(run_dir / RENEWAL_FILE))
        until = data["kept_until"] if data["boot_id"] == boot_id else None
        return None if until is None else float(until)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def keeper_pid(run_dir: Path) -> int | None:
    """Of the process that holds the keeper's lock; None if nobody does."""
    try:
        descriptor = os.open(run_dir / LOCK_FILE, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.read(descriptor, 32).decode().strip()
        return int(text) if text.isdigit() else None
    else:
        return None
    finally:
        os.close(descriptor)


async def stop_keeper(run_dir: Path, *, timeout_s: float = 10.0) -> bool:
    """Tell the keeper to end and see it gone; False if none was there."""
    try:
        reader, writer = await asyncio.open_unix_connection(str(run_dir / SOCKET_FILE))
    except OSError:
        return False
    writer.write(b'{"kind":"stop"}\n')
    try:
        async with asyncio.timeout(timeout_s):
            while await reader.read(4096):
                pass
    finally:
        writer.close()
    return True


def _shallow(config: KeeperConfig) -> dict[str, Any]:
    return {name: getattr(config, name) for name in KeeperConfig.__dataclass_fields__}
