"""What the sandbox needs of the machine, by purpose, and how to get it.

``python -m backstay_sandbox.requirements`` lists what is missing; with ``--install``, as root on a Debian-like
system, it installs the packages.  Each need is checked by what it is for (a command, a file), not by a package's
name, so other systems that have the same tools elsewhere are served too.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

HOST_SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
INSTALL_TIMEOUT_S = 900.0
ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Requirement:
    """One thing that must be there: a command by name, or a file by absolute path."""

    thing: str
    package: str
    """The Debian package that brings it; empty if none does."""
    purpose: str

    @property
    def present(self) -> bool:
        if self.thing.startswith("/"):
            return Path(self.thing).exists()
        return shutil.which(self.thing, path=HOST_SEARCH_PATH) is not None


HOSTS = (
    Requirement("ip", "iproute2", "networks of the hosts"),
    Requirement("unshare", "util-linux", "hosts as namespaces"),
    Requirement("nsenter", "util-linux", "running commands on hosts"),
    Requirement("losetup", "mount", "the shared disk"),
    Requirement("mkfs.xfs", "xfsprogs", "the file system on the shared disk"),
    Requirement("openssl", "openssl", "the embedded API's certificate"),
    Requirement("/dev/loop-control", "", "the shared disk (kernel module loop)"),
)
OWN_KERNELS = (
    Requirement("ip", "iproute2", "networks of the hosts"),
    Requirement("unshare", "util-linux", "power of the hosts"),
    Requirement("nsenter", "util-linux", "running commands on hosts"),
    Requirement("setarch", "util-linux", "hosts with kernels of their own"),
    Requirement("openssl", "openssl", "the embedded API's certificate"),
    Requirement("/dev/net/tun", "", "network cards of own-kernel hosts (kernel module tun)"),
)
"""Of hosts with kernels of their own; these bring LVM, resource agents and services with them."""
OWN_KERNELS_DEMO = (*OWN_KERNELS, Requirement("curl", "curl", "the demo"))
AGENTS = (
    Requirement("/usr/lib/ocf/resource.d/heartbeat/IPaddr2", "resource-agents", "the OCF resource agents"),
    Requirement("arping", "iputils-arping", "IPaddr2: telling the neighbours"),
    Requirement("ps", "procps", "resource agents"),
    Requirement("fuser", "psmisc", "Filesystem: finding who uses a mount"),
    Requirement("curl", "curl", "apache's monitor, and the demo"),
    Requirement("wget", "wget", "apache's monitor"),
    Requirement("ping", "iputils-ping", "the demo's client"),
    Requirement("apache2", "apache2", "the tutorial's web server"),
    Requirement("modprobe", "kmod", "Filesystem: loading a file system's module"),
)
ALL = HOSTS + AGENTS
PARTITIONS = (Requirement("ebtables", "iptables", "tests: cutting single paths between hosts"),)
TESTS = (
    *PARTITIONS,
    Requirement("promtool", "prometheus", "tests: alert rules"),
    Requirement("prometheus", "prometheus", "tests: a scrape of the sandbox"),
    Requirement("spin", "spin", "tests: searching the model of lease and takeover"),
    Requirement("gcc", "gcc", "tests: searching the model of lease and takeover"),
)
"""What only tests use; they skip where it is missing."""
NODES = (
    Requirement("buildah", "buildah", "real nodes: building the images"),
    Requirement("mmdebstrap", "mmdebstrap", "real nodes: the images' base"),
    Requirement("mkfs.ext4", "e2fsprogs", "real nodes: their disks"),
    Requirement("/dev/loop-control", "", "real nodes: filling their disks (kernel module loop)"),
)
"""Beyond OWN_KERNELS_DEMO, for `make test-nodes`."""
PEERS = (
    Requirement("keepalived", "keepalived", "peers: failover times beside Backstay's"),
    Requirement("corosync", "corosync", "peers: failover times beside Backstay's"),
    Requirement("pacemakerd", "pacemaker", "peers: failover times beside Backstay's"),
    Requirement("crm_mon", "pacemaker-cli-utils", "peers: failover times beside Backstay's"),
)
"""For benchmarks only."""


def missing(requirements: Iterable[Requirement]) -> list[Requirement]:
    return [one for one in requirements if not one.present]


def complaints(requirements: Iterable[Requirement]) -> str:
    """All that keeps this process from running hosts, root included; empty if nothing does."""
    parts = (
        [] if os.geteuid() == 0 else ["this needs root: it makes network namespaces, mounts and loop devices"]
    )
    lacking = missing(requirements)
    return "\n".join([*parts, *([explain(lacking)] if lacking else [])])


def explain(lacking: Iterable[Requirement]) -> str:
    """What is missing and how to get it, for the user."""
    lacking = list(lacking)
    lines = ["this machine lacks:"]
    lines += [
        f"  {one.thing:<46} for {one.purpose}" + (f" (package {one.package})" if one.package else "")
        for one in lacking
    ]
    packages = packages_of(lacking)
    if packages:
        lines.append(f"install it as root: apt-get install --no-install-recommends {' '.join(packages)}")
    return "\n".join(lines)


def packages_of(requirements: Iterable[Requirement]) -> list[str]:
    return sorted({one.package for one in requirements if one.package})


def install(packages: list[str]) -> int:
    """apt-get, without questions, and without starting a web server on the machine itself."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for command in (
        ["apt-get", "update", "-q"],
        ["apt-get", "install", "-q", "-y", "--no-install-recommends", *packages],
    ):
        for attempt in range(1, ATTEMPTS + 1):
            status = subprocess.run(
                command, env=environment, timeout=INSTALL_TIMEOUT_S, check=False
            ).returncode
            if status == 0:
                break
            print(
                f"{' '.join(command[:2])} ended with status {status} (try {attempt} of {ATTEMPTS})",
                file=sys.stderr,
            )
        else:
            return 1
    return 0


def main() -> None:
    parser = argparse.ArgumentParser(description="Check, or install, what the sandbox needs of this machine.")
    parser.add_argument("--install", action="store_true", help="install the missing packages (root, Debian)")
    parser.add_argument("--peers", action="store_true", help="also what benchmarks compare Backstay with")
    parser.add_argument("--tests", action="store_true", help="also what only tests use")
    parser.add_argument("--nodes", action="store_true", help="also what `make test-nodes` needs")
    parser.add_argument("--own-kernels", action="store_true", help="also what own-kernel hosts need")
    args = parser.parse_args()
    wanted = ALL + (PEERS if args.peers else ()) + (TESTS if args.tests else ())
    wanted += (OWN_KERNELS_DEMO + NODES) if args.nodes else ()
    wanted += OWN_KERNELS_DEMO if args.own_kernels else ()
    lacking = missing(wanted)
    if args.install and lacking:
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            print(explain(lacking), file=sys.stderr)
            print("installing needs root and apt-get", file=sys.stderr)
            sys.exit(1)
        if install(packages_of(lacking)) != 0:
            sys.exit(1)
        lacking = missing(wanted)
    print(explain(lacking) if lacking else "nothing is missing")
    sys.exit(1 if lacking else 0)


if __name__ == "__main__":
    main()
