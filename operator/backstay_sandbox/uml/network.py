"""How an own-kernel host is plugged in: its cards are tap devices inside the network namespace of the host.

    switch  --cable--  [ eth0 -- bridge -- tap0 ]   eth0 of the guest
                       [ management tap         ]   mgmt0 of the guest

The cable is the one of every host, so pulling it is the same.  A tap must never be set down by itself, the guest's
card would stay dead; it goes with the namespace.  The management card leads nowhere but into that namespace.
"""

from __future__ import annotations

from backstay_sandbox import network
from backstay_sandbox.layout import PREFIX_LENGTH, Layout
from backstay_sandbox.uml.exec_frames import PORT
from backstay_sandbox.uml.machine import Card

CLUSTER_TAP, MANAGEMENT_TAP = "tap0", "management"
MANAGEMENT_PREFIX = "169.254.77"
MANAGEMENT_GUEST, MANAGEMENT_MACHINE = f"{MANAGEMENT_PREFIX}.2", f"{MANAGEMENT_PREFIX}.1"
MANAGEMENT_LENGTH = 30
EXEC_ADDRESS = (MANAGEMENT_GUEST, PORT)


async def plug_in_guest(layout: Layout, node: str, *, link_up: bool) -> None:
    """Make the namespace of a booting guest with its cable and its taps."""
    # The guest's card has the host's address; the near end of the cable needs one of its own.
    mac = layout.addresses(node).mac.replace("02:b5:00", "02:b5:02")
    await network.plug_in(layout, node, addresses=(), mac=mac, link_up=link_up)
    await network.batch(
        layout.netns(node),
        "link add bridge type bridge stp_state 0 forward_delay 0",
        f"tuntap add dev {CLUSTER_TAP} mode tap",
        f"tuntap add dev {MANAGEMENT_TAP} mode tap",
        *(f"link set {device} addrgenmode none" for device in ("bridge", CLUSTER_TAP, MANAGEMENT_TAP)),
        *(f"link set {device} master bridge up" for device in ("eth0", CLUSTER_TAP)),
        "link set bridge up",
        f"addr add {MANAGEMENT_MACHINE}/{MANAGEMENT_LENGTH} dev {MANAGEMENT_TAP}",
        f"link set {MANAGEMENT_TAP} up",
    )


def cluster_card(layout: Layout, node: str) -> Card:
    return Card(tap=CLUSTER_TAP, mac=layout.addresses(node).mac)


def management_card(layout: Layout, node: str) -> Card:
    return Card(tap=MANAGEMENT_TAP, mac=layout.addresses(node).mac.replace("02:b5:00", "02:b5:03"))


def addresses(layout: Layout, node: str) -> list[str]:
    """Of the guest's eth0."""
    host = layout.addresses(node)
    return [f"{address}/{PREFIX_LENGTH}" for address in (host.cluster, host.service)]
