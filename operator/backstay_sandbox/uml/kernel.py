"""Making the kernel: Debian's User-Mode Linux, runnable on any release of the machine.

The kernel comes from sid, since only kernels from 6.16 on have `seccomp=on`, which makes a fork in the guest eight
times cheaper than ptrace does.  It wants a newer C library than the machine may have, so the library is put next to
it and the program is made to look for its loader there: the path of the loader in an ELF file may be relative, and
is then looked up from the current directory.  So a kernel must be started with its own directory as current
directory; ``Kernel.directory`` is that.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from backstay_sandbox.uml.apt import Mirror, checked, fetch

SUITE = "sid"
PACKAGES = ("user-mode-linux", "libc6")
LIBRARY = "usr/lib/x86_64-linux-gnu"
LOADER = b"/lib64/ld-linux-x86-64.so.2\0"
LOADER_HERE = b"libc/ld\0"
TRY_TIMEOUT_S = 20.0


class KernelError(RuntimeError):
    """The kernel that was obtained is not one that can be used."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel in its directory."""

    directory: Path

    @property
    def command(self) -> tuple[str, ...]:
        """How to start it, with ``directory`` as current directory.  The library path is set by `env` in the last
        moment: no other program on the way may load this C library."""
        return ("env", f"LD_LIBRARY_PATH={self.directory / 'libc'}", "./linux.uml")

    @property
    def modules(self) -> Path:
        """Seen from guests as /lib/modules."""
        return self.directory / "modules"

    @property
    def version(self) -> str:
        return str(json.loads((self.directory / "kernel.json").read_text())["version"])


def build_kernel(directory: Path, *, mirror: Mirror, work: Path) -> Kernel:
    """Obtain the kernel and lay it out in ``directory``; raises AptError or KernelError."""
    fetch(PACKAGES, suite=SUITE, mirror=mirror, work=work)
    (directory / "libc").mkdir(parents=True)
    package, library = work / PACKAGES[0], work / PACKAGES[1] / LIBRARY
    for source, name in (("libc.so.6", "libc.so.6"), ("ld-linux-x86-64.so.2", "ld")):
        shutil.copy(library / source, directory / "libc" / name)
        (directory / "libc" / name).chmod(0o755)
    program = (package / "usr/bin/linux.uml").read_bytes()
    if program.count(LOADER) != 1:
        raise KernelError("the kernel's program names its loader in a way that is not known here")
    (directory / "linux.uml").write_bytes(program.replace(LOADER, LOADER_HERE.ljust(len(LOADER), b"\0")))
    (directory / "linux.uml").chmod(0o755)
    shutil.copytree(package / "usr/lib/uml/modules", directory / "modules")
    kernel = Kernel(directory)
    version = checked([*kernel.command, "--version"], timeout_s=TRY_TIMEOUT_S, directory=directory).strip()
    (directory / "kernel.json").write_text(json.dumps({"version": version}) + "\n")
    return kernel
