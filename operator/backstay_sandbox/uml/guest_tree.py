"""Making the guest tree: a small Debian with what the tutorial's resource agents need, of the machine's own release.

Of the same release, since the machine's Python is mounted into the guests and runs there on the guest's libraries.
Guests see the tree read-only, each with a layer of memory on top.  Nothing of the machine's configuration goes in.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from backstay_sandbox.uml.apt import Mirror, checked, fetch_own

BUILD_TIMEOUT_S = 900.0
PACKAGES = (
    *("resource-agents", "lvm2", "xfsprogs", "apache2", "iproute2", "iputils-arping", "iputils-ping"),
    *("procps", "psmisc", "kmod", "util-linux", "mount", "e2fsprogs", "curl", "wget", "netbase", "python3"),
)
LEFT_OUT = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*")
STAGE1 = Path(__file__).with_name("stage1.sh")
STAGE1_IN_TREE = "/sbin/backstay-stage1"


def build_tree(directory: Path, *, mirror: Mirror, work: Path) -> None:
    """Build the tree in ``directory``; needs root; raises AptError."""
    search_path = os.environ.get("PATH", os.defpath)
    if shutil.which("mmdebstrap") is None:  # a few Perl programs: fetched, not installed
        fetch_own("mmdebstrap", work=work)
        search_path = f"{work}/mmdebstrap/usr/bin:{search_path}"
    checked(
        [
            # Whatever happens to the builder, what it has mounted goes with its mount namespace.
            *("unshare", "--mount", "--", "mmdebstrap", "--quiet", "--mode=root", "--variant=minbase"),
            f"--include={','.join(PACKAGES)}",
            *(f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT),
            '--aptopt=Acquire::Languages "none"',
            *(mirror.codename, str(directory), f"deb {mirror.uri} {mirror.codename} main"),
        ],
        timeout_s=BUILD_TIMEOUT_S,
        environment={"PATH": search_path},
    )
    (directory / "lib/modules").mkdir(exist_ok=True)
    stage1 = directory / STAGE1_IN_TREE.lstrip("/")
    shutil.copy(STAGE1, stage1)
    stage1.chmod(0o755)
