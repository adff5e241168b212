"""The identity of this machine, by which the DC tells a reboot from a second machine of the same name (design note 0015).

machine-id(5), and the system UUID that the firmware gives (SMBIOS). Where one of them is missing or shared, as on many ARM boards, in
containers, or for cloned images, an administrator writes an identity file; what it says comes first.
"""

from __future__ import annotations

import logging
from pathlib import Path

from backstay.liveness.machine import MachineIdentity, identity_value
from backstay_nodeagent.invocation import HostPaths

log = logging.getLogger(__name__)

MACHINE_ID = "/etc/machine-id"
SYSTEM_UUID = "/sys/class/dmi/id/product_uuid"
FILE_MAX = 4096


def machine_identity(paths: HostPaths, identity_file: str) -> MachineIdentity:
    """What is known; a value that can't be read, or identifies no machine, is empty."""
    given = _given(_read(paths.local(identity_file)))
    found = MachineIdentity(
        given.get("MACHINE_ID") or identity_value(_read(paths.local(MACHINE_ID))),
        given.get("SYSTEM_UUID") or identity_value(_read(paths.local(SYSTEM_UUID))),
    )
    if not found.complete:
        log.warning(
            "this machine's identity is not known: after a reboot its node is fenced once, or waits for `kubectl ha fence confirm`",
            extra={"fields": {"missing": found.missing, "way_out": f"write {identity_file}"}},
        )
    return found


def _given(text: str) -> dict[str, str]:
    """Lines of the form MACHINE_ID=VALUE and SYSTEM_UUID=VALUE; `#` begins a comment."""
    pairs = [line.partition("=") for line in text.splitlines() if not line.lstrip().startswith("#")]
    return {name.strip(): identity_value(value.strip().strip("\"'")) for name, _, value in pairs}


def _read(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            return file.read(FILE_MAX).decode("ascii", "replace")
    except OSError:
        return ""
