"""Packages out of the machine's own Debian mirror, without installing anything.

The mirror is the one that the machine's apt uses.  Packages of another suite (the kernel comes from sid) are fetched
through an apt state of our own, below a directory the caller owns, so the machine's apt never hears of that suite.
Signatures are checked with Debian's keyring as always.  Refuses a machine whose apt knows no Debian mirror.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
ATTEMPTS = 3
UPDATE_TIMEOUT_S = 180.0
DOWNLOAD_TIMEOUT_S = 300.0
UNPACK_TIMEOUT_S = 120.0
_TARGET = "$(LABEL) $(COMPONENT) $(CODENAME) $(REPO_URI)"


class AptError(RuntimeError):
    """A package cannot be had; the message is for the user."""


@dataclass(frozen=True, slots=True)
class Mirror:
    """Where the machine's own release comes from."""

    uri: str
    codename: str


def machines_mirror() -> Mirror:
    """The Debian mirror of this machine's apt; raises AptError where there is none."""
    targets = _targets()
    if not targets:  # a fresh machine, or a cleaned image, has no lists yet
        attempt(["apt-get", "-qq", "update"], timeout_s=UPDATE_TIMEOUT_S)
        targets = _targets()
    for line in targets:
        label, component, codename, uri = line.split()
        if label == "Debian" and component == "main" and "-" not in codename:
            return Mirror(uri=uri, codename=codename)
    raise AptError("apt on this machine knows no Debian mirror; own-kernel hosts need Debian's packages")


def _targets() -> list[str]:
    command = ["apt-get", "indextargets", "--format", _TARGET, "Created-By: Packages"]
    lines = checked(command, timeout_s=UPDATE_TIMEOUT_S).splitlines()
    return [line for line in lines if len(line.split()) == 4]


def fetch(packages: Sequence[str], *, suite: str, mirror: Mirror, work: Path) -> None:
    """Download packages of ``suite`` and unpack them into ``work``/<package>."""
    state = work / "apt" / suite
    for name in ("lists/partial", "cache/archives/partial"):
        (state / name).mkdir(parents=True, exist_ok=True)
    source = f"deb [signed-by={KEYRING}] {mirror.uri} {suite} main\n"
    (state / "sources.list").write_text(source)
    (state / "apt.conf").write_text(
        f'Dir::Etc::sourcelist "{state}/sources.list";\nDir::Etc::sourceparts "/dev/null";\n'
        f'Dir::State::lists "{state}/lists";\nDir::State::status "/dev/null";\nDir::Cache "{state}/cache";\n'
        'APT::Sandbox::User "root";\nAcquire::Languages "none";\n'
    )
    environment = {"APT_CONFIG": str(state / "apt.conf")}
    attempt(["apt-get", "-qq", "update"], timeout_s=UPDATE_TIMEOUT_S, environment=environment)
    for package in packages:
        place = work / package
        place.mkdir(parents=True)
        attempt(
            ["apt-get", "-qq", "download", package],
            timeout_s=DOWNLOAD_TIMEOUT_S,
            environment=environment,
            directory=place,
        )
        unpack(place)


def fetch_own(package: str, *, work: Path) -> None:
    """As :func:`fetch`, from the machine's own release."""
    place = work / package
    place.mkdir(parents=True)
    attempt(
        ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", package],
        timeout_s=DOWNLOAD_TIMEOUT_S,
        directory=place,
    )
    unpack(place)


def unpack(place: Path) -> None:
    """Unpack the one package file in ``place`` there; the file goes."""
    (archive,) = place.glob("*.deb")
    checked(["dpkg-deb", "--extract", str(archive), str(place)], timeout_s=UNPACK_TIMEOUT_S)
    archive.unlink()


def attempt(
    command: Sequence[str],
    *,
    timeout_s: float,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> None:
    """Run what may fail for a reason that passes (a mirror in the middle of its update), up to ATTEMPTS times."""
    for left in reversed(range(ATTEMPTS)):
        try:
            checked(command, timeout_s=timeout_s, environment=environment, directory=directory)
            return
        except AptError:
            if left == 0:
                raise


def checked(
    command: Sequence[str],
    *,
    timeout_s: float,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> str:
    """Run to the end and return standard output; AptError with the tool's words otherwise.

    In a session of its own: at a time-out the tool goes with everything that it started."""
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive", **(environment or {})},
            cwd=directory,
            text=True,
            start_new_session=True,
        )
    except FileNotFoundError:
        raise AptError(f"`{command[0]}` is not here: own-kernel hosts are built on Debian") from None
    try:
        out, err = process.communicate(timeout=timeout_s)
    except (subprocess.TimeoutExpired, KeyboardInterrupt) as error:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if isinstance(error, KeyboardInterrupt):
            raise
        raise AptError(f"`{' '.join(command[:3])}` did not end in {timeout_s:.0f} s") from None
    if process.returncode != 0:
        words = "\n".join((err or out).strip().splitlines()[-8:])
        raise AptError(f"`{' '.join(command[:3])}` ended with status {process.returncode}: {words}")
    return out
