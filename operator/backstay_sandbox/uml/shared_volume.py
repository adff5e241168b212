"""The disk that all own-kernel hosts share: a physical volume with the tutorial's volume group, made at every `up`.

Only a kernel with a device mapper can make it, so a guest without network boots for that, does it, and powers itself
off.  In ownership by system id the volume group is born as the first host's.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from backstay_sandbox.hosts import HostError
from backstay_sandbox.layout import Layout
from backstay_sandbox.options import VolumeOwnership
from backstay_sandbox.process_record import forget, record
from backstay_sandbox.shared_disk import PAGE
from backstay_sandbox.uml import machine
from backstay_sandbox.uml.bed import Bed
from backstay_sandbox.uml.guest_config import SHARED_DISK, GuestConfig
from backstay_sandbox.uml.host import make_sparse
from backstay_sandbox.uml.lvm import lvm_conf, make_volume_script
from backstay_sandbox.uml.machine import Guest

SIZE_BYTES = 512 << 20
"""mkfs.xfs refuses less than 300 MB."""
MAKE_TIMEOUT_S = 60.0
NAME = "maker"


async def make_shared_volume(layout: Layout, bed: Bed, ownership: VolumeOwnership) -> None:
    """Make the shared disk anew; raises HostError with the maker's own words."""
    layout.shared_image.unlink(missing_ok=True)
    make_sparse(layout.shared_image, SIZE_BYTES)
    console = layout.logs_dir / f"{NAME}.console.log"
    guest = Guest(
        name=NAME,
        directory=layout.host_dir(NAME),
        console=console,
        private_disk=Path("/dev/null"),
        shared_disk=layout.shared_image,
    )
    running = await machine.start(bed, guest, _config(layout, ownership))
    record(layout.processes_dir, NAME, running.process.pid)
    try:
        async with asyncio.timeout(MAKE_TIMEOUT_S):
            status = await running.await_done()
            await running.process.wait()
    except (TimeoutError, HostError) as error:
        why = f"{error}\n{machine.last_words(console)}" if str(error) else "no end in time"
        raise HostError(f"the shared volume group was not made: {why}") from None
    finally:
        running.close()
        if running.process.returncode is None:
            running.process.kill()  # unshare's death kills its child
            await running.process.wait()
        forget(layout.processes_dir, NAME)
    if status != 0:
        raise HostError(f"the shared volume group was not made:\n{machine.last_words(console)}")


def _config(layout: Layout, ownership: VolumeOwnership) -> GuestConfig:
    return GuestConfig(
        node=layout.nodes[0],
        hosts={},
        files={},
        programs={},
        addresses=[],
        management="",
        lvm_conf=lvm_conf(ownership, disk=SHARED_DISK, restricted=False),
        services=[],
        task=make_volume_script(disk=SHARED_DISK, page=PAGE),
    )
