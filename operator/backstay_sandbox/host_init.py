"""Process 1 of a sandbox host: lays out the host's private file systems, then supervises its daemons.

Runs as a file of its own (``python -I -S host_init.py``), standard library only, as the first process of fresh
mount, PID, UTS and IPC namespaces, in a network namespace the daemon made before.  Reads one JSON object from
standard input (see ``HostConfig``), writes ``ready`` to standard output when the host is up (or its complaint to
standard error), and then never ends: it reaps every orphan, and restarts the daemons with a bounded back-off.  A
power cut is SIGKILL of this process: the kernel then kills everything in the PID namespace and lets go of every
mount in the mount namespace.

Assumes root.  Refuses to run anywhere but as pid 1, since it would otherwise cover the machine's own directories.

What a host has of its own: /etc and /var (copy-on-write over the machine's), /usr/sbin (the same, plus the fence
agent), /run, /tmp and /dev/shm (empty), /dev (few nodes and the shared disk), /proc, /sys, host name.  All of
that is memory and lost at a power cut; only /var/lib/backstay is its disk.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import socket
import stat
import sys
import time
from typing import IO, TypedDict

MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 8, 4096, 16384, 1 << 18
MNT_DETACH = 2
IDENTITY_FILE = "/var/lib/backstay/identity"
COVERED = ("/run", "/tmp")
OVERLAID = ("/etc", "/var", "/usr/sbin")
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
BACKOFF_MIN_S, BACKOFF_MAX_S, STEADY_S = 0.1, 5.0, 10.0


class ServiceConfig(TypedDict):
    """A daemon to supervise; output is appended to ``log``, a path as seen before the mounts."""

    name: str
    argv: list[str]
    env: dict[str, str]
    log: str


class HostIdentity(TypedDict):
    """Who a host is, and what it is handed; see :func:`identify`."""

    node: str
    hosts: dict[str, str]
    """The hosts table: name to address."""
    files: dict[str, str]
    """Absolute path to content, below one of the private directories; made with mode 0600."""
    programs: dict[str, str]
    """As ``files``, mode 0755."""


class HostConfig(HostIdentity):
    """What the sandbox tells a booting host."""

    stage: str
    log: str
    """As a path seen before the mounts, like every log."""
    disk: str
    devices: dict[str, tuple[int, int]]
    """Block devices: absolute path below /dev to (major, minor)."""
    keep_visible: list[str]
    """Trees the daemons need even where they lie below a covered directory (a checkout in /tmp)."""
    services: list[ServiceConfig]


def main() -> None:
    if os.getpid() != 1:
        sys.exit("host_init is process 1 of a sandbox host; start a sandbox with: backstay-sandbox up")
    config: HostConfig = json.load(sys.stdin)
    # Orphans of the host's agents end as our children: know of each death, whatever it interrupts.
    wakeup_read, wakeup_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wakeup_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda _signal, _frame: None)
    services = [Service(one) for one in config["services"]]
    own_log = os.open(config["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    lay_out(config)
    with open("/dev/null") as null:
        os.dup2(null.fileno(), 0)
    os.write(1, b"ready\n")
    os.dup2(own_log, 1)
    os.dup2(own_log, 2)
    log(f"{config['node']} is up")
    supervise(services, wakeup_read)


def log(text: str) -> None:
    print(f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime())}Z init: {text}", file=sys.stderr, flush=True)


# -- supervision


class Service:
    """One daemon: runs, or waits for its next start."""

    def __init__(self, config: ServiceConfig) -> None:
        self.config = config
        self.log: IO[bytes] = open(config["log"], "ab", buffering=0)  # noqa: SIM115 (held for life)
        self.pid: int | None = None
        self.start_at = 0.0
        self.started_at = 0.0
        self.backoff_s = BACKOFF_MIN_S

    def start(self, now: float) -> None:
        pid = os.fork()
        if pid == 0:
            self._exec()
        self.pid, self.started_at = pid, now

    def _exec(self) -> None:
        """In the child: a session of its own, the output in the log, then the daemon."""
        try:
            os.setsid()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.dup2(self.log.fileno(), 1)
            os.dup2(self.log.fileno(), 2)
            os.execvpe(self.config["argv"][0], self.config["argv"], self.config["env"])
        except OSError as error:
            os.write(2, f"cannot start {self.config['argv'][0]}: {error}\n".encode())
        finally:
            os._exit(127)

    def ended(self, status: int, now: float) -> None:
        if now - self.started_at >= STEADY_S:
            self.backoff_s = BACKOFF_MIN_S
        log(f"{self.config['name']} {how_ended(status)}, starting it again in {self.backoff_s:.1f} s")
        self.pid, self.start_at = None, now + self.backoff_s
        self.backoff_s = min(self.backoff_s * 2, BACKOFF_MAX_S)


def supervise(services: list[Service], wakeup: int) -> None:
    """Start, reap, restart, for ever."""
    while True:
        now = time.monotonic()
        for service in services:
            if service.pid is None and service.start_at <= now:
                service.start(now)
        waiting = [service.start_at - now for service in services if service.pid is None]
        select.select([wakeup], [], [], max(0.01, min(waiting)) if waiting else None)
        drain(wakeup)
        reap({service.pid: service for service in services if service.pid is not None})


def drain(descriptor: int) -> None:
    try:
        while os.read(descriptor, 4096):
            pass
    except BlockingIOError:
        pass


def reap(running: dict[int, Service]) -> None:
    """Collect every dead child, orphans included."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        if pid in running:
            running[pid].ended(status, time.monotonic())


def how_ended(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"was killed by signal {-code}" if code < 0 else f"ended with status {code}"


# -- file systems


def lay_out(config: HostConfig) -> None:
    """Build everything private in one tmpfs, then bind it over the machine's directories."""
    stage = config["stage"]
    mount("none", "/", "", MS_REC | MS_PRIVATE)
    mount("tmpfs", stage, "tmpfs", MS_NOSUID, "mode=0755,size=50%")
    keep_trees(config["keep_visible"], stage)
    for directory in COVERED:
        os.makedirs(stage + directory, exist_ok=True)
        os.chmod(stage + directory, 0o1777 if directory == "/tmp" else 0o755)
    make_devices(config["devices"], stage + "/dev")
    for directory in OVERLAID:
        overlay(directory, stage)
    bind(config["disk"], make_directory("/var/lib/backstay"))
    give_identity()
    # Mounts inherited from the machine below a covered directory (other hosts' network namespaces, say) would be
    # kept alive by this host though it cannot see them.
    detach_below(COVERED, spared=stage)
    bind_all(stage)
    mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    for directory, mode in (("/run/lock", 0o1777), ("/run/resource-agents", 0o755), ("/run/backstay", 0o755)):
        os.makedirs(directory, exist_ok=True)
        os.chmod(directory, mode)
    renew_boot_id()
    identify(config)


def give_identity() -> None:
    """The identity of this host, made with its disk: hosts share the machine's, and have no firmware that would give them one."""
    if os.path.exists(IDENTITY_FILE):
        return
    with open("/proc/sys/kernel/random/uuid") as source:
        machine_id = source.read().replace("-", "")
    with open("/proc/sys/kernel/random/uuid") as source:
        write_file(IDENTITY_FILE, f"MACHINE_ID={machine_id}SYSTEM_UUID={source.read()}", 0o444)


def renew_boot_id() -> None:
    """All hosts share the machine's kernel and would show its boot id; a host that was off must show a new one."""
    with open("/proc/sys/kernel/random/uuid") as source:
        write_file("/run/backstay-host/boot_id", source.read(), 0o444)
    bind("/run/backstay-host/boot_id", "/proc/sys/kernel/random/boot_id")


def keep_trees(trees: list[str], stage: str) -> None:
    for tree in trees:
        if any(tree.startswith(directory + "/") for directory in COVERED):
            bind(tree, make_directory(stage + tree), MS_REC)


def make_devices(block_devices: dict[str, tuple[int, int]], dev: str) -> None:
    os.makedirs(dev)
    os.umask(0)
    for name in DEVICES:
        os.mknod(f"{dev}/{name}", stat.S_IFCHR | 0o666, os.stat(f"/dev/{name}").st_rdev)
    for path, (major, minor) in block_devices.items():
        node = dev + path.removeprefix("/dev")
        os.makedirs(os.path.dirname(node), mode=0o755, exist_ok=True)
        os.mknod(node, stat.S_IFBLK | 0o660, os.makedev(major, minor))
    os.umask(0o022)
    mount(
        "devpts",
        make_directory(f"{dev}/pts"),
        "devpts",
        MS_NOSUID | MS_NOEXEC,
        "newinstance,ptmxmode=0666,mode=620",
    )
    os.symlink("pts/ptmx", f"{dev}/ptmx")
    for name, target in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
        os.symlink(f"/proc/self/fd{target}", f"{dev}/{name}")
    mount("tmpfs", make_directory(f"{dev}/shm"), "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777,size=25%")


def overlay(directory: str, stage: str) -> None:
    """Copy-on-write over one of the machine's directories; what is written is memory."""
    slug = directory.strip("/").replace("/", "-")
    upper = make_directory(f"{stage}/.overlay/{slug}/upper")
    work = make_directory(f"{stage}/.overlay/{slug}/work")
    os.chmod(upper, stat.S_IMODE(os.stat(directory).st_mode))
    mount("overlay", directory, "overlay", 0, f"lowerdir={directory},upperdir={upper},workdir={work}")


def detach_below(directories: tuple[str, ...], *, spared: str) -> None:
    with open("/proc/self/mountinfo") as table:
        points = [line.split()[4] for line in table]
    for point in reversed(points):
        below = any(point.startswith(directory + "/") for directory in directories)
        if below and point != spared and not point.startswith(spared + "/"):
            umount(point.encode().decode("unicode_escape"))


def bind_all(stage: str) -> None:
    bind(stage + "/dev", "/dev", MS_REC)
    bind(stage + "/tmp", "/tmp", MS_REC)
    bind(stage + "/run", "/run", MS_REC)  # last: it hides the stage itself


def identify(config: HostIdentity) -> None:
    """Host name, the hosts table, and the files the sandbox hands over."""
    socket.sethostname(config["node"])
    table = "127.0.0.1 localhost\n" + "".join(
        f"{address} {name}\n" for name, address in config["hosts"].items()
    )
    write_file("/etc/hostname", config["node"] + "\n", 0o644)
    write_file("/etc/hosts", table, 0o644)
    write_file("/etc/resolv.conf", "# no name server: the sandbox leads nowhere\n", 0o644)
    for path, content in config["files"].items():
        write_file(path, content, 0o600)
    for path, content in config["programs"].items():
        write_file(path, content, 0o755)


def write_file(path: str, content: str, mode: int) -> None:
    make_directory(os.path.dirname(path))
    if os.path.lexists(path):
        os.unlink(path)  # a link must not lead the write out of the private directory
    with open(path, "w") as file:
        os.fchmod(file.fileno(), mode)
        file.write(content)


def make_directory(path: str) -> str:
    os.makedirs(path, mode=0o755, exist_ok=True)
    return path


# -- system calls


LIBC = ctypes.CDLL(None, use_errno=True)


def bind(source: str, target: str, flags: int = 0) -> None:
    mount(source, target, "", MS_BIND | flags)


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    words = (source.encode(), target.encode(), kind.encode() or None)
    if LIBC.mount(*words, ctypes.c_ulong(flags), options.encode() or None) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"mount {kind or 'bind'} on {target}: {os.strerror(code)}")


def umount(target: str) -> None:
    if LIBC.umount2(target.encode(), MNT_DETACH) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"umount {target}: {os.strerror(code)}")


if __name__ == "__main__":
    main()
