"""`ocf:heartbeat:LVM` on hosts that ship only `LVM-activate`: how its parameters map.

The old agent protects an exclusive volume group with a tag and lvm.conf's volume_list, LVM-activate with a tag or with LVM's own
system id. Where the host uses system ids the mapping does too: they are enforced by LVM itself. It refuses what LVM-activate can't do
(activation without exclusivity), as LVM-activate always claims the group for one host; asking for less than it gives is
mapped, with a note that says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backstay.ocf.agentspec import AgentSpec, Standard

LVM = AgentSpec(Standard.OCF, "LVM", "heartbeat")
LVM_ACTIVATE = AgentSpec(Standard.OCF, "LVM-activate", "heartbeat")
_TRUE = ("1", "true", "yes", "y", "on", "ja")


@dataclass(frozen=True, slots=True)
class Mapped:
    """The agent to run instead, its parameters, and what to tell the user."""

    spec: AgentSpec
    params: dict[str, str]
    note: str


def lvm_activate_params(params: Mapping[str, str], *, system_id_source: str = "") -> Mapped:
    """Parameters of LVM-activate for those of LVM.

    `system_id_source` is lvm.conf's global/system_id_source; empty, `none` or `off` means that this host has no system id."""
    uses_system_id = system_id_source not in ("", "none", "off")
    mode = "system_id" if uses_system_id else "tagging"
    mapped = {"vg_access_mode": mode}
    if "volgrpname" in params:
        mapped["vgname"] = params["volgrpname"]
    if mode == "tagging":
        mapped["tag"] = params.get("tag", "pacemaker")
    if "partial_activation" in params:
        mapped["partial_activation"] = params["partial_activation"]
    mapped |= {name: value for name, value in params.items() if name == "OCF_CHECK_LEVEL"}
    exclusive = params.get("exclusive", "false").strip().lower() in _TRUE
    note = f"this host ships no ocf:heartbeat:LVM; ran ocf:heartbeat:LVM-activate with vg_access_mode={mode}"
    if not exclusive:
        note += "; LVM-activate always activates exclusively, though exclusive=false was asked for"
    if mode == "tagging":
        note += "; lvm.conf must set activation/volume_list for it"
    return Mapped(LVM_ACTIVATE, dict(sorted(mapped.items())), note)
