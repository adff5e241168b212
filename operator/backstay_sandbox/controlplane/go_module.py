"""One program built from a Go module in the checkout that imports Kubernetes' own command packages, and kept in a cache.

The cache is a directory below ``$XDG_CACHE_HOME/backstay`` (by default below ~/.cache), in it one per digest of the module's files,
made beside its place and renamed into it, so that it is whole or not there.  The build cache is shared by all modules: the second one
of the same release takes a tenth of the first one's time.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from backstay_sandbox import file_lock

MODULE_FILES = ("main.go", "go.mod", "go.sum")
GO_RELEASE = "1.26"
"""With 1.27 the API server compiles, and its OpenAPI documents come out broken."""
GO_PLACES = ("go", "/usr/local/go/bin/go", f"/usr/lib/go-{GO_RELEASE}/bin/go")
BUILD_TIMEOUT_S = 3600.0

Progress = Callable[[str], None]


class GoBuildError(RuntimeError):
    """The program is not there and cannot be made; the message is for the user."""


def cache_root() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "backstay"


@dataclass(frozen=True, slots=True)
class GoModule:
    """A module whose main package is one program."""

    source: Path
    binary: str
    """Name of the program; its folder in the cache bears it too."""
    what: str
    """For people: "a control plane"."""

    @property
    def cache(self) -> Path:
        return cache_root() / self.binary

    @property
    def has_source(self) -> bool:
        return all((self.source / name).is_file() for name in MODULE_FILES)

    def digest(self) -> str:
        """Names the program that this checkout wants."""
        digest = hashlib.sha256()
        for name in MODULE_FILES:
            digest.update((self.source / name).read_bytes())
        digest.update(self.link_flags().encode())
        return digest.hexdigest()[:12]

    def built(self) -> Path | None:
        """The program, if it is in the cache; never builds."""
        if not self.has_source:
            return None
        binary = self.cache / self.digest() / self.binary
        return binary if os.access(binary, os.X_OK) else None

    def prepare(self, progress: Progress) -> Path:
        """The program, built now if it is not there.  Two at once: one builds, the other waits.  Raises GoBuildError."""
        there = self.built()
        if there is not None:
            return there
        if not self.has_source:
            raise GoBuildError(f"{self.what} is built in a checkout of the repository only")
        with self._lock():
            return self.built() or self._build(progress)

    def link_flags(self) -> str:
        """Kubernetes' own build stamps its version in; without it clients can't read the one that the server tells."""
        named = re.search(r"k8s\.io/kubernetes v((\d+)\.(\d+)\.\d+)", (self.source / "go.mod").read_text())
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

    def _build(self, progress: Progress) -> Path:
        go = find_go(self.what)
        place = self.cache / self.digest()
        progress(f"building {self.what} from Go modules with {go} (about ten minutes, once)")
        started = time.monotonic()
        with tempfile.TemporaryDirectory(dir=self.cache, prefix="building-") as scratch:
            whole = Path(scratch) / "whole"
            whole.mkdir()
            output = str(whole / self.binary)
            go_build(
                go,
                "-trimpath",
                f"-ldflags={self.link_flags()}",
                "-o",
                output,
                folder=self.source,
                what=self.what,
            )
            shutil.rmtree(place, ignore_errors=True)
            whole.rename(place)
        progress(f"built {place / self.binary} in {time.monotonic() - started:.0f} s")
        binary = self.built()
        assert binary is not None
        return binary

    def _lock(self) -> contextlib.AbstractContextManager[None]:
        """One build at a time; whoever waited finds it built."""
        self.cache.mkdir(parents=True, exist_ok=True)
        late = GoBuildError(f"another build of {self.what} does not end")
        return file_lock.held(self.cache / "lock", timeout_s=BUILD_TIMEOUT_S, late=late)


def go_build(go: str, *arguments: str, folder: Path, what: str) -> None:
    """`go build` in ``folder``, at low priority.  Raises GoBuildError with the compiler's last words."""
    command = [go, "build", *arguments, "."]
    if nice := shutil.which("nice"):
        command = [nice, "-n", "10", *command]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=_build_environment(),
            capture_output=True,
            text=True,
            timeout=BUILD_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise GoBuildError(f"{what} was not built within {BUILD_TIMEOUT_S:.0f} s") from None
    if done.returncode != 0:
        raise GoBuildError(f"{what} could not be built: {done.stderr[-2000:].strip()}")


def find_go(what: str) -> str:
    """A Go of the right release.  Raises GoBuildError."""
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
    raise GoBuildError(f"building {what} needs Go {GO_RELEASE}: {'; '.join(seen) or 'there is no go'}")


def _build_environment() -> dict[str, str]:
    """The user's module cache and proxy, our own build cache: a gigabyte that nobody wants in his own."""
    return {
        **os.environ,
        "GOCACHE": str(cache_root() / "go-build"),
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-mod=readonly",
    }
