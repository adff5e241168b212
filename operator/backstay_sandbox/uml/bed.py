"""The bed: kernel and guest tree, obtained once and kept in a cache outside the checkout.

The cache is ``$XDG_CACHE_HOME/backstay/uml`` (by default below ~/.cache); in it, a directory per set of inputs, named
by their digest, so that a change of the package list or of the guest's first script makes a new bed and never spoils
one in use.  A bed is built beside its place and renamed into it: it is whole or not there.  Building needs root on a
Debian machine, about a minute, and 350 MB; using one needs root and /dev/net/tun.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from backstay_sandbox import file_lock
from backstay_sandbox.uml import guest_tree, kernel
from backstay_sandbox.uml.apt import AptError, machines_mirror
from backstay_sandbox.uml.kernel import Kernel, KernelError

FORMAT = 1
"""Counts changes of how a bed is built that the other inputs do not show."""
LOCK_TIMEOUT_S = 1200.0

Progress = Callable[[str], None]


class BedError(RuntimeError):
    """There is no bed, and none can be made; the message is for the user."""


@dataclass(frozen=True, slots=True)
class Bed:
    """A bed that is whole."""

    directory: Path

    @property
    def kernel(self) -> Kernel:
        return Kernel(self.directory / "kernel")

    @property
    def tree(self) -> Path:
        return self.directory / "tree"


def cache_directory() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "backstay" / "uml"


def bed_digest() -> str:
    """Names the bed that this code wants on this machine."""
    inputs = {
        "format": FORMAT,
        "release": _release(),
        "kernel": [kernel.SUITE, *kernel.PACKAGES],
        "tree": [*guest_tree.PACKAGES, *guest_tree.LEFT_OUT],
        "stage1": guest_tree.STAGE1.read_text(),
    }
    return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:12]


def cached_bed() -> Bed | None:
    """The bed if it is there already; never builds."""
    directory = cache_directory() / bed_digest()
    return Bed(directory) if directory.is_dir() else None


def existing_bed() -> Bed:
    """The bed, or BedError that tells how to get it."""
    bed = cached_bed()
    if bed is None:
        raise BedError(
            "own-kernel hosts need a kernel and a guest tree that are not here yet; "
            "get them, as root, with: python -m backstay_sandbox.uml --prepare"
        )
    return bed


def prepare(progress: Progress) -> Bed:
    """The bed, built now if it is not there; raises BedError.  Two at once: one builds, the other waits for it."""
    found = cached_bed()
    if found is not None:
        return found
    reason = why_no_build()
    if reason is not None:
        raise BedError(reason)
    cache = cache_directory()
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache):
        found = cached_bed()
        return found if found is not None else _build(cache, progress)


def why_no_build() -> str | None:
    """What keeps this process from building a bed, None if nothing is known to."""
    if platform.machine() != "x86_64":
        return f"own-kernel hosts run on x86_64 only, this machine is {platform.machine()}"
    for tool in ("apt-get", "dpkg-deb", "perl", "unshare"):
        if shutil.which(tool) is None:
            return f"building own-kernel hosts needs `{tool}`, which is not here (a Debian machine has it)"
    if os.geteuid() != 0:
        return (
            "building the guest tree of own-kernel hosts needs root: it makes device nodes and files of root"
        )
    return None


def forget() -> list[str]:
    """Remove every bed, of whatever digest; returns their names.  No host may be running on one."""
    cache = cache_directory()
    if not cache.is_dir():
        return []
    with _locked(cache):
        names = sorted(path.name for path in cache.iterdir() if path.is_dir())
        for name in names:
            shutil.rmtree(cache / name)
    return names


def _build(cache: Path, progress: Progress) -> Bed:
    start = time.monotonic()
    for left in cache.glob("building-*"):  # by one that was killed: the lock is ours, so nobody builds there
        shutil.rmtree(left)
    place = Path(tempfile.mkdtemp(prefix="building-", dir=cache))
    try:
        mirror = machines_mirror()
        whole, work = place / "bed", place / "work"
        progress("fetching the kernel")
        built = kernel.build_kernel(whole / "kernel", mirror=mirror, work=work)
        progress(f"kernel {built.version} is here; building the guest tree ({mirror.codename})")
        guest_tree.build_tree(whole / "tree", mirror=mirror, work=work)
        bed = Bed(cache / bed_digest())
        whole.rename(bed.directory)
    except (AptError, KernelError, OSError) as error:
        raise BedError(f"cannot build the bed of own-kernel hosts: {error}") from error
    finally:
        shutil.rmtree(place, ignore_errors=True)
    progress(f"the bed is ready after {time.monotonic() - start:.0f} s, in {bed.directory}")
    return bed


def _locked(cache: Path) -> contextlib.AbstractContextManager[None]:
    late = BedError(f"another process has been building for too long: {cache}/lock")
    return file_lock.held(cache / "lock", timeout_s=LOCK_TIMEOUT_S, late=late)


def _release() -> str:
    """The machine's release, as far as it matters: another one has other libraries."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return ""
    return f"{release.get('ID', '')} {release.get('VERSION_CODENAME', '')}"
