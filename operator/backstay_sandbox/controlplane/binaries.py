"""Where the control plane's programs are: installed ones first, else one binary built from Go modules and kept in a cache.

Installed: ``KUBEBUILDER_ASSETS``, or the folder that envtest's users have.  Built: from the Go module in the checkout, which
imports the programs' own command packages; about ten minutes of two cores, once per go.sum.  The cache is
``$XDG_CACHE_HOME/backstay/controlplane`` (by default below ~/.cache), a directory per digest of the module's files, made
beside its place and renamed into it, so that it is whole or not there.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ENVTEST_FOLDER = Path("/usr/local/kubebuilder/bin")
PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager")
SOURCE = Path(__file__).resolve().parents[3] / "tests/cluster/controlplane"
SOURCE_FILES = ("main.go", "go.mod", "go.sum")
BINARY = "controlplane"
GO_RELEASE = "1.26"
"""With 1.27 the API server compiles, and its OpenAPI documents come out broken."""
GO_PLACES = ("go", "/usr/local/go/bin/go", f"/usr/lib/go-{GO_RELEASE}/bin/go")
BUILD_TIMEOUT_S = 3600.0
LOCK_POLL_S = 0.5

Progress = Callable[[str], None]


class BinariesError(RuntimeError):
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
    if not _has_source():
        return None
    binary = cache_directory() / source_digest() / BINARY
    if not os.access(binary, os.X_OK):
        return None
    etcd, apiserver, manager = ((str(binary), program) for program in PROGRAMS)
    return Binaries(etcd=etcd, apiserver=apiserver, controller_manager=manager, origin=str(binary))


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
    there = found()
    if there is not None:
        return there
    if not _has_source():
        raise BinariesError(f"{why_none()}; it builds in a checkout of the repository only")
    with _lock():
        return built() or _build(progress)


def cache_directory() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "backstay" / "controlplane"


def source_digest() -> str:
    """Names the binary that this checkout wants."""
    digest = hashlib.sha256()
    for name in SOURCE_FILES:
        digest.update((SOURCE / name).read_bytes())
    digest.update(_link_flags().encode())
    return digest.hexdigest()[:12]


def _has_source() -> bool:
    return all((SOURCE / name).is_file() for name in SOURCE_FILES)


def _build(progress: Progress) -> Binaries:
    go = _go()
    place = cache_directory() / source_digest()
    progress(f"building a control plane from Go modules with {go} (about ten minutes, once)")
    started = time.monotonic()
    with tempfile.TemporaryDirectory(dir=cache_directory(), prefix="building-") as scratch:
        whole = Path(scratch) / "whole"
        whole.mkdir()
        command = [go, "build", "-trimpath", f"-ldflags={_link_flags()}", "-o", str(whole / BINARY), "."]
        if nice := shutil.which("nice"):
            command = [nice, "-n", "10", *command]
        try:
            done = subprocess.run(
                command,
                cwd=SOURCE,
                env=_build_environment(),
                capture_output=True,
                text=True,
                timeout=BUILD_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise BinariesError(f"the control plane was not built within {BUILD_TIMEOUT_S:.0f} s") from None
        if done.returncode != 0:
            raise BinariesError(f"the control plane could not be built: {done.stderr[-2000:].strip()}")
        shutil.rmtree(place, ignore_errors=True)
        whole.rename(place)
    progress(f"built {place / BINARY} in {time.monotonic() - started:.0f} s")
    binaries = built()
    assert binaries is not None
    return binaries


def _link_flags() -> str:
    """Kubernetes' own build stamps its version in; without it clients can't read the one that the server tells."""
    named = re.search(r"k8s\.io/kubernetes v((\d+)\.(\d+)\.\d+)", (SOURCE / "go.mod").read_text())
    assert named is not None, "go.mod names no k8s.io/kubernetes"
    version, major, minor = named.groups()
    stamps = {
        "gitVersion": f"v{version}",
        "gitMajor": major,
        "gitMinor": minor,
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
    }
    package = "k8s.io/component-base/version"
    return " ".join(["-s", "-w", *(f"-X={package}.{name}={value}" for name, value in stamps.items())])


def _build_environment() -> dict[str, str]:
    """The user's module cache and proxy, our own build cache: a gigabyte that nobody wants in his own."""
    return {
        **os.environ,
        "GOCACHE": str(cache_directory().parent / "go-build"),
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-mod=readonly",
    }


def _go() -> str:
    """A Go of the right release.  Raises BinariesError."""
    seen = []
    for place in GO_PLACES:
        go = shutil.which(place)
        if go is None:
            continue
        told = subprocess.run(
            [go, "env", "GOVERSION"], capture_output=True, text=True, timeout=30, check=False
        )
        version = told.stdout.strip()
        if re.match(rf"go{re.escape(GO_RELEASE)}(\D|$)", version):
            return go
        seen.append(f"{go} is {version or 'broken'}")
    raise BinariesError(
        f"building a control plane needs Go {GO_RELEASE}: {'; '.join(seen) or 'there is no go'}"
    )


@contextlib.contextmanager
def _lock() -> Iterator[None]:
    """One build at a time; whoever waited finds it built."""
    cache_directory().mkdir(parents=True, exist_ok=True)
    with (cache_directory() / "lock").open("w") as lock:
        deadline = time.monotonic() + BUILD_TIMEOUT_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise BinariesError("another build of the control plane does not end") from None
                time.sleep(LOCK_POLL_S)
        yield


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
