"""Process 1 of a guest, after stage1.sh: makes a host of it, then supervises its daemons for ever.

Runs on the guest's own kernel with the machine's Python, standard library only.  Reads the configuration that the
sandbox has mounted, says ``ready`` on the first serial line when the host is up, and from then on reaps every orphan
and restarts the daemons with a bounded back-off, as ``host_init`` does for hosts that are namespaces.  A guest whose
configuration holds a task runs that instead, says how it ended, and powers itself off.

Root is the guest tree with memory over it, and lost with the power; /var/lib/backstay is the guest's private disk,
made into a file system at the first boot.  Refuses to run anywhere but as process 1.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import termios
from pathlib import Path
from typing import NoReturn

from backstay_sandbox import host_init
from backstay_sandbox.host_init import MS_NODEV, MS_NOEXEC, MS_NOSUID, mount
from backstay_sandbox.uml.guest_config import (
    CLUSTER_CARD,
    CONFIG_FILE,
    DONE,
    MANAGEMENT_CARD,
    PLACE_IN_GUEST,
    PRIVATE_DISK,
    READY,
    READY_LINE,
    GuestConfig,
)

STATE_DIRECTORY = "/var/lib/backstay"
SEARCH_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
MODULES = ("dm-mod",)
EXT_MAGIC_AT, EXT_MAGIC = 1024 + 56, b"\x53\xef"
TOOL_TIMEOUT_S, TASK_TIMEOUT_S = 30.0, 120.0
RB_POWER_OFF = 0x4321FEDC


def main() -> None:
    if os.getpid() != 1:
        sys.exit("guest_init is process 1 of an own-kernel host: backstay-sandbox up --hosts uml")
    os.environ.update(PATH=SEARCH_PATH, HOME="/root", LANG="C.UTF-8")
    config: GuestConfig = json.loads(Path(PLACE_IN_GUEST, CONFIG_FILE).read_text())
    host_init.umount(PLACE_IN_GUEST)
    wakeup_read, wakeup_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wakeup_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda _signal, _frame: None)
    mount_everything()
    for module in MODULES:
        tool("modprobe", module)
    host_init.write_file("/etc/lvm/lvm.conf", config["lvm_conf"], 0o644)
    host_init.identify(config)
    plug_in(config)
    if config["task"]:
        carry_out(config["task"])
    attach_private_disk()
    for service in config["services"]:
        make_raw(service["log"])
    services = [host_init.Service(one) for one in config["services"]]
    say(READY)
    host_init.log(f"{config['node']} is up")
    host_init.supervise(services, wakeup_read)


def mount_everything() -> None:
    """The file systems that every Linux has; /proc and /dev came with stage1."""
    mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    for path, mode in (("/run", "0755"), ("/tmp", "1777"), ("/dev/shm", "1777")):
        host_init.make_directory(path)
        mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, f"mode={mode}")
    mount("devpts", host_init.make_directory("/dev/pts"), "devpts", MS_NOSUID | MS_NOEXEC, "ptmxmode=0666")
    for name, target in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
        if not os.path.lexists(f"/dev/{name}"):
            os.symlink(f"/proc/self/fd{target}", f"/dev/{name}")
    for directory in ("/run/lock", "/run/lvm", "/run/resource-agents", "/run/backstay"):
        host_init.make_directory(directory)
    if not os.path.lexists("/etc/mtab"):
        os.symlink("/proc/mounts", "/etc/mtab")


def plug_in(config: GuestConfig) -> None:
    """Addresses, as on a namespace host: eth0 with those of the two networks.  No IPv6: nothing speaks it here."""
    lines = ["link set lo up"]
    if config["addresses"]:
        lines += [f"link set {CLUSTER_CARD} name eth0", "link set eth0 addrgenmode none"]
        lines += [f"addr add {address} brd + dev eth0" for address in config["addresses"]]
        lines += ["link set eth0 up"]
    if config["management"]:
        lines += [f"link set {MANAGEMENT_CARD} name mgmt0", "link set mgmt0 addrgenmode none"]
        lines += [f"addr add {config['management']} dev mgmt0", "link set mgmt0 up"]
    tool("ip", "-batch", "-", stdin="".join(f"{line}\n" for line in lines))


def attach_private_disk() -> None:
    """Mount the private disk; its file system is made at the first boot and has its journal replayed at others."""
    with open(PRIVATE_DISK, "rb") as disk:
        disk.seek(EXT_MAGIC_AT)
        formatted = disk.read(len(EXT_MAGIC)) == EXT_MAGIC
    if not formatted:
        tool("mkfs.ext4", "-q", "-L", "backstay", PRIVATE_DISK)
    mount(PRIVATE_DISK, host_init.make_directory(STATE_DIRECTORY), "ext4", MS_NOSUID | MS_NODEV)
    host_init.give_identity()


def carry_out(task: str) -> NoReturn:
    """Run the task, say how it ended, power off."""
    try:
        status = subprocess.run(["sh", "-euc", task], timeout=TASK_TIMEOUT_S, check=False).returncode
    except subprocess.TimeoutExpired:
        status = 124
    os.sync()
    say(f"{DONE} {status}")
    host_init.LIBC.reboot(RB_POWER_OFF)
    sys.exit("the power does not go off")


def tool(*command: str, stdin: str = "") -> None:
    """Run a program to its end; one that fails ends the host, which has its words on the console then."""
    subprocess.run(command, input=stdin, text=True, timeout=TOOL_TIMEOUT_S, check=True)


def say(word: str) -> None:
    make_raw(READY_LINE)
    with open(READY_LINE, "w") as line:
        line.write(word + "\n")


def make_raw(line: str) -> None:
    """Bytes written to a serial line shall come out as they are."""
    with open(line, "wb", buffering=0) as stream:
        attributes = termios.tcgetattr(stream)
        attributes[1] &= ~termios.OPOST
        termios.tcsetattr(stream, termios.TCSANOW, attributes)


if __name__ == "__main__":
    main()
