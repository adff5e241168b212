"""Starting one guest: the command line of its kernel, and the directory that tells it what to be.

A guest is ``unshare`` with a shell as process 1 of a PID namespace and the kernel below it: killing that shell is
the power cut, since the machine's kernel then collects the whole namespace, every helper of the guest's kernel too.
The guest's own kernel must not be process 1: it could not abort then.  It runs with address layout randomisation off,
and all that it writes goes to its directory, its disks and the descriptors it is given.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from backstay_sandbox.hosts import HOST_PATH, HostError, code_trees
from backstay_sandbox.uml.bed import Bed
from backstay_sandbox.uml.bytecode import VARIABLE, bytecode_directory
from backstay_sandbox.uml.guest_config import (
    CLUSTER_CARD,
    CONFIG_FILE,
    DONE,
    MANAGEMENT_CARD,
    MOUNTS_FILE,
    READY,
    START_FILE,
    GuestConfig,
)
from backstay_sandbox.uml.guest_tree import STAGE1_IN_TREE

MEMORY_MB = 512
SHARED_MEMORY = Path("/dev/shm")
CONSOLE_TAIL_LINES = 15
_WRAPPER = 'ulimit -c 0; "$@"; exit $?'
_CARD_OPTIONS = "transport=tap,depth=128,gro=1"


@dataclass(frozen=True, slots=True)
class Card:
    """A network card: the tap device it is, and its address."""

    tap: str
    mac: str


@dataclass(frozen=True, slots=True)
class Guest:
    """Everything a guest is made of, but its configuration."""

    name: str
    directory: Path
    """Its own: configuration, and what the kernel keeps there while it runs."""
    console: Path
    """Log of the kernel and of its process 1; appended to."""
    private_disk: Path
    shared_disk: Path
    netns: str = ""
    """The network namespace of the cards, a path; empty if it has none."""
    cluster_card: Card | None = None
    management_card: Card | None = None
    lines: Sequence[Path] = ()
    """Logs behind the serial lines ttyS1, ttyS2 ..., appended to."""
    environment: dict[str, str] = field(default_factory=dict)
    memory_mb: int = MEMORY_MB
    more_disks: Sequence[Path] = ()
    """Its third disk (/dev/ubdc) and so on."""
    more_trees: Sequence[str] = ()
    """More of the machine's directories that it sees, each where it lies on the machine, read-only."""


@dataclass(slots=True)
class RunningGuest:
    """A guest that was started: ``unshare``, and what it says on its first serial line."""

    process: asyncio.subprocess.Process
    words: asyncio.StreamReader
    _transport: asyncio.BaseTransport

    async def await_ready(self) -> None:
        """Until the guest is a host; HostError when it dies before."""
        if await self._word() != [READY]:
            raise HostError("its kernel ended")

    async def await_done(self) -> int:
        """Until the guest's task has ended; its exit status."""
        words = await self._word()
        if len(words) != 2 or words[0] != DONE:
            raise HostError("its kernel ended")
        return int(words[1])

    async def _word(self) -> list[str]:
        return (await self.words.readline()).decode(errors="replace").split()

    def close(self) -> None:
        self._transport.close()


async def start(bed: Bed, guest: Guest, config: GuestConfig) -> RunningGuest:
    """Start the guest's kernel.  The caller bounds, watches and ends it."""
    configuration = _lay_out(guest, config)
    reads, writes = os.pipe()
    outputs = [_append(path) for path in (guest.console, *guest.lines)]
    try:
        process = await asyncio.create_subprocess_exec(
            *(("nsenter", f"--net={guest.netns}") if guest.netns else ()),
            *("setarch", "-R", "unshare", "--pid", "--fork", "--kill-child=SIGKILL"),
            *("sh", "-c", _WRAPPER, "sh", *bed.kernel.command),
            *_kernel_arguments(bed, guest, configuration),
            *_line_arguments(console=outputs[0], ready=writes, lines=outputs[1:]),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=outputs[0],
            stderr=outputs[0],
            pass_fds=[writes, *outputs],
            cwd=bed.kernel.directory,
            env={"PATH": HOST_PATH, "TMPDIR": str(SHARED_MEMORY), **guest.environment},
            start_new_session=True,
        )
    except OSError:
        os.close(reads)
        raise
    finally:
        for descriptor in (writes, *outputs):
            os.close(descriptor)
    words = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(words), os.fdopen(reads, "rb")
    )
    return RunningGuest(process, words, transport)


def last_words(console: Path) -> str:
    """The end of a console's log."""
    if not console.exists():
        return ""
    return "\n".join(console.read_text(errors="replace").splitlines()[-CONSOLE_TAIL_LINES:])


def python_trees() -> list[str]:
    """The machine's directories that guests need to run this code, each where it lies on the machine.

    What is below /usr is the guest's own: it has the Python of the same release there, with its libraries."""
    executable = Path(os.path.realpath(sys.executable))
    given = {
        *code_trees(),
        sys.prefix,
        sys.base_prefix,
        str(executable.parents[1]),
        str(bytecode_directory()),
    }
    wanted = sorted(path for path in given if path.startswith("/usr/local/") or not _in_guest(path))
    for path in wanted:
        if any(character in path for character in " ,\n\\"):
            raise HostError(
                f"own-kernel hosts cannot mount {path!r}: move it to a path without such characters"
            )
    return [path for path in wanted if not any(path.startswith(f"{other}/") for other in wanted)]


def _in_guest(path: str) -> bool:
    return path in ("/", "/usr", "/usr/local") or path.startswith(("/usr/", "/lib"))


def _lay_out(guest: Guest, config: GuestConfig) -> Path:
    """Write what the guest is told; returns the directory of it."""
    configuration, kernels_own = guest.directory / "guest", guest.directory / "kernel"
    if kernels_own.exists():  # a stale one makes the kernel take another name
        shutil.rmtree(kernels_own)
    for directory in (configuration, kernels_own, bytecode_directory()):
        directory.mkdir(parents=True, exist_ok=True)
    (configuration / MOUNTS_FILE).write_text(
        "".join(f"{path}\n" for path in (*python_trees(), *guest.more_trees))
    )
    package_root = Path(__file__).resolve().parents[2]
    (configuration / START_FILE).write_text(
        f"export PYTHONPATH='{package_root}' PYTHONDONTWRITEBYTECODE=1 {VARIABLE}='{bytecode_directory()}'\n"
        f"exec '{sys.executable}' -S -P -m backstay_sandbox.uml.guest_init\n"
    )
    secret = configuration / CONFIG_FILE
    secret.touch(mode=0o600)
    secret.write_text(json.dumps(config))
    return configuration


def _kernel_arguments(bed: Bed, guest: Guest, configuration: Path) -> list[str]:
    cards = [
        f"{name}:{_CARD_OPTIONS},ifname={card.tap},mac={card.mac}"
        for name, card in ((CLUSTER_CARD, guest.cluster_card), (MANAGEMENT_CARD, guest.management_card))
        if card is not None
    ]
    return [
        *(
            f"umid={guest.name}",
            f"uml_dir={guest.directory / 'kernel'}",
            f"mem={guest.memory_mb}M",
            "seccomp=on",
        ),
        *("root=/dev/root", "rootfstype=hostfs", f"rootflags={bed.tree}", "ro", f"init={STAGE1_IN_TREE}"),
        # c: no lock on the file, since it is shared; and not s, since every write would wait for the machine's disk.
        *(f"ubd0c={guest.private_disk}", f"ubd1c={guest.shared_disk}"),
        *(f"ubd{number}c={disk}" for number, disk in enumerate(guest.more_disks, start=2)),
        *("noreboot", *cards),
        *(f"modules={bed.kernel.modules}", f"guest={configuration}"),
    ]


def _line_arguments(*, console: int, ready: int, lines: Sequence[int]) -> list[str]:
    serial = [f"ssl{number}=null,fd:{descriptor}" for number, descriptor in enumerate((ready, *lines))]
    return ["con=null", f"con0=null,fd:{console}", "ssl=null", *serial]


def _append(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
