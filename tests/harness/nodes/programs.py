"""What turns an own-kernel host into a node, obtained once and cached outside the checkout: kubelet, kube-scheduler, containerd.

kubelet and kube-scheduler are built from Go modules, of the release of the control plane in tests/cluster. containerd and the
network plugins are Debian's, out of sid; runc and ipvsadm of the machine's own release (a newer runc wants a newer C library than
the guests have). `python -m harness.nodes.programs --prepare` (PYTHONPATH=tests) obtains all of it, the bed of own-kernel hosts and
the control plane too.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from backstay_sandbox.controlplane import binaries
from backstay_sandbox.controlplane.binaries import Binaries
from backstay_sandbox.controlplane.go_module import (
    GoBuildError,
    GoModule,
    Progress,
    cache_root,
    find_go,
    go_build,
)
from backstay_sandbox.uml import bed
from backstay_sandbox.uml.apt import AptError, fetch, fetch_own, machines_mirror
from backstay_sandbox.uml.bed import Bed

SOURCE = Path(__file__).resolve().parents[2] / "nodes"
MODULE = GoModule(source=SOURCE / "programs", binary="nodeprograms", what="kubelet and kube-scheduler")
PAUSE = SOURCE / "pause"
FROM_SID = ("containerd", "containernetworking-plugins")
FROM_OWN_RELEASE = ("runc", "ipvsadm", "libpopt0", "libnl-3-200", "libnl-genl-3-200")
PROGRAM_FILES = (
    *(
        "containerd/usr/bin/containerd",
        "containerd/usr/bin/containerd-shim-runc-v2",
        "containerd/usr/bin/ctr",
    ),
    *("runc/usr/sbin/runc", "ipvsadm/sbin/ipvsadm"),
)
FORMAT = 1
"""Counts changes of how the tree is laid out that the other inputs do not show."""


@dataclass(frozen=True, slots=True)
class NodePrograms:
    """All of it, whole."""

    bed: Bed
    plane: Binaries
    binary: Path
    """kubelet and kube-scheduler in one, by sub-command."""
    tree: Path
    """bin/ (containerd, its shim, ctr, runc, ipvsadm, pause), cni/, lib/."""


def cached() -> NodePrograms | None:
    """What is there, if nothing is missing; never builds."""
    found_bed, plane, binary = bed.cached_bed(), binaries.found(), MODULE.built()
    if found_bed is None or plane is None or binary is None or not _tree_place().is_dir():
        return None
    return NodePrograms(found_bed, plane, binary, _tree_place())


def prepare(progress: Progress) -> NodePrograms:
    """Everything, made now where it is missing. Raises BedError, GoBuildError, AptError."""
    made_bed = bed.prepare(progress)
    plane = binaries.prepare(progress)
    binary = MODULE.prepare(progress)
    if not _tree_place().is_dir():
        progress("fetching containerd")
        _make_tree()
    return NodePrograms(made_bed, plane, binary, _tree_place())


def _tree_place() -> Path:
    inputs = [FORMAT, FROM_SID, FROM_OWN_RELEASE, (PAUSE / "main.go").read_text()]
    return cache_root() / "nodes" / f"tree-{hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:12]}"


def _make_tree() -> None:
    place = _tree_place()
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix="building-") as scratch:
        work, whole = Path(scratch) / "work", Path(scratch) / "tree"
        mirror = machines_mirror()
        fetch(FROM_SID, suite="sid", mirror=mirror, work=work)
        for package in FROM_OWN_RELEASE:
            fetch_own(package, work=work)
        for name in ("bin", "lib"):
            (whole / name).mkdir(parents=True)
        shutil.copytree(work / "containernetworking-plugins/usr/lib/cni", whole / "cni")
        for program in PROGRAM_FILES:
            shutil.copy2(work / program, whole / "bin")
        for library in [one for package in FROM_OWN_RELEASE for one in (work / package).rglob("*.so.*")]:
            shutil.copy2(library, whole / "lib", follow_symlinks=False)
        os.environ["CGO_ENABLED"] = "0"
        try:
            go_build(
                find_go("pause"),
                "-trimpath",
                "-ldflags=-s -w",
                "-o",
                str(whole / "bin/pause"),
                folder=PAUSE,
                what="pause",
            )
        finally:
            del os.environ["CGO_ENABLED"]
        whole.chmod(0o755)
        whole.rename(place)


def main() -> int:
    """0 when all of it is there."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--prepare", action="store_true", help="make what is missing (root, Debian, Go)")
    options = parser.parse_args()
    try:
        found = prepare(lambda step: print(f"- {step}", flush=True)) if options.prepare else cached()
    except (bed.BedError, GoBuildError, AptError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"programs of nodes: {found.tree}, {found.binary}" if found else "programs of nodes: not all there")
    return 0 if found else 1


if __name__ == "__main__":
    sys.exit(main())
