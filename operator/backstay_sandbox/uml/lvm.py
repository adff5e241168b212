"""LVM on own-kernel hosts: the two ways in which a volume group has one owner, and the tutorial's volume group.

Tags: a host activates only what `volume_list` names, which is nothing of ours; the resource agent tags the volume
group and activates it by that tag.  This is what ocf:heartbeat:LVM with exclusive=true needs, and LVM-activate with
vg_access_mode=tagging.  System id: the volume group carries the name of the host that owns it and other hosts leave
it alone; LVM-activate with vg_access_mode=system_id needs it.  The two exclude each other, so a sandbox has one.
"""

from __future__ import annotations

import shlex

from backstay_sandbox.options import VolumeOwnership

VOLUME_GROUP, LOGICAL_VOLUME = "app_vg", "app_lv"
DEVICE = f"/dev/{VOLUME_GROUP}/{LOGICAL_VOLUME}"


def lvm_conf(ownership: VolumeOwnership, *, disk: str, restricted: bool = True) -> str:
    """A host's whole lvm.conf; without ``restricted`` it may activate everything, to make a volume group."""
    activation, system_id = ["udev_sync = 0", "udev_rules = 0"], "none"
    match ownership:
        case VolumeOwnership.TAGS:
            if restricted:
                activation.append('volume_list = [ "local" ]')
        case VolumeOwnership.SYSTEM_ID:
            system_id = "uname"
    return "\n".join(
        [
            "# Hosts have no udev: the device nodes are made by LVM itself.",
            *("activation {", *(f"\t{line}" for line in activation), "}"),
            *("global {", f'\tsystem_id_source = "{system_id}"', "}"),
            *("devices {", "\tobtain_device_list_from_udev = 0", "\tuse_devicesfile = 0"),
            *(f'\tfilter = [ "a|^{disk}$|", "r|.*|" ]', "}", ""),
        ]
    )


def make_volume_script(*, disk: str, page: str) -> str:
    """A shell script that makes the tutorial's volume group, file system and page on ``disk``, all of it its own."""
    return f"""
pvcreate -q -y {disk}
vgcreate -q {VOLUME_GROUP} {disk}
lvcreate -q -y -n {LOGICAL_VOLUME} -l 100%FREE {VOLUME_GROUP}
mkfs.xfs -q -f -L app {DEVICE}
mount -t xfs {DEVICE} /mnt
mkdir /mnt/html
printf %s {shlex.quote(page)} >/mnt/html/index.html
umount /mnt
vgchange -q -an {VOLUME_GROUP}
"""
