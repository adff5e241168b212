"""Where the control plane's programs are: installed ones first, else one binary built from Go modules and kept in a cache.

Installed: ``KUBEBUILDER_ASSETS``, or the folder that envtest's users have.  Built: from the Go module in the checkout, which
imports the programs' own command packages; about ten minutes of two cores, once per go.sum.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from backstay_sandbox.controlplane.go_module import GO_RELEASE, GoBuildError, GoModule, Progress

ENVTEST_FOLDER = Path("/usr/local/kubebuilder/bin")
PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager")
MODULE = GoModule(
    source=Path(__file__).resolve().parents[3] / "tests/cluster/controlplane",
    binary="controlplane",
    what="a control plane",
)
BinariesError = GoBuildError
"""There is no control plane, and none can be made; the message is for the user."""


@dataclass(frozen=True, slots=True)
class Binaries:
    """How to run each program: the beginning of its command line."""

    etcd: tuple[str, ...]
    apiserver: tuple[str, ...]
    controller_manager: tuple[str, ...]
    origin: str
    """For people."""


def installed() -> Binaries | None:
    """The programs of envtest's folder, if all three are there.  (setup-envtest brings no kube-controller-manager.)"""
    folder = Path(os.environ.get("KUBEBUILDER_ASSETS") or ENVTEST_FOLDER)
    paths = [folder / program for program in PROGRAMS]
    if not all(os.access(path, os.X_OK) for path in paths):
        return None
    etcd, apiserver, manager = ((str(path),) for path in paths)
    return Binaries(etcd=etcd, apiserver=apiserver, controller_manager=manager, origin=str(folder))


def built() -> Binaries | None:
    """The one built before, if it is in the cache; never builds."""
    binary = MODULE.built()
    return None if binary is None else _in_one(binary)


def found() -> Binaries | None:
    """What is there without building."""
    return installed() or built()


def why_none() -> str:
    """The reason for a skip, and the way out of it."""
    folder = os.environ.get("KUBEBUILDER_ASSETS") or ENVTEST_FOLDER
    return (
        f"a real API server: {', '.join(PROGRAMS)} are not all in {folder}, and none was built yet; "
        f"run `make test-cluster` (needs Go {GO_RELEASE}, about ten minutes, once)"
    )


def prepare(progress: Progress) -> Binaries:
    """What is there, else build.  Raises BinariesError."""
    return found() or _in_one(MODULE.prepare(progress))


def _in_one(binary: Path) -> Binaries:
    etcd, apiserver, manager = ((str(binary), program) for program in PROGRAMS)
    return Binaries(etcd=etcd, apiserver=apiserver, controller_manager=manager, origin=str(binary))


def main() -> None:
    parser = argparse.ArgumentParser(description="Find, or with --prepare build, a real control plane.")
    parser.add_argument("--prepare", action="store_true", help="build it where it is not there")
    args = parser.parse_args()
    try:
        there = prepare(lambda step: print(f"- {step}", flush=True)) if args.prepare else found()
    except BinariesError as error:
        sys.exit(str(error))
    print(f"control plane: {there.origin}" if there else why_none())
    sys.exit(0 if there else 1)


if __name__ == "__main__":
    main()
