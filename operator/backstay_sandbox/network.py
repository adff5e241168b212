"""The sandbox's network: a switch (a bridge in a namespace of its own) and the cables plugged into it.

Every member (each host, the client, the services) has a network namespace with ``eth0``, the other end of a veth
pair whose near end is a switch port named after the member.  Nothing leads out: no namespace holds a route beyond
its own two networks, and the machine's root namespace holds no end of any cable.

A host's namespace is made anew at each boot, because a power cut loses the addresses its card had taken over.
The commands go to ``ip -batch``: one process for the whole of it.
"""

from __future__ import annotations

import ctypes
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from backstay_sandbox.command import CommandError, run
from backstay_sandbox.layout import (
    CLIENT_ADDRESSES,
    NETNS_ROOT,
    PREFIX_LENGTH,
    SERVICES_ADDRESS,
    Layout,
)

BRIDGE = "br0"
CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)
Result = TypeVar("Result")


async def build_switch(layout: Layout) -> None:
    """Make the switch and the two members that are always on: services and client."""
    switch = layout.netns_switch
    await run("ip", "netns", "add", switch)
    await batch(
        switch,
        "link set lo up",
        f"link add {BRIDGE} type bridge stp_state 0 forward_delay 0",
        f"link set {BRIDGE} up",
    )
    await plug_in(layout, "services", addresses=(SERVICES_ADDRESS,), mac="02:b5:00:00:01:01")
    await plug_in(layout, "client", addresses=CLIENT_ADDRESSES, mac="02:b5:00:00:01:02")


async def plug_in_host(layout: Layout, node: str, *, link_up: bool) -> None:
    """Give a booting host its namespace and its cable."""
    host = layout.addresses(node)
    await plug_in(layout, node, addresses=(host.cluster, host.service), mac=host.mac, link_up=link_up)


async def plug_in(
    layout: Layout, member: str, *, addresses: Sequence[str], mac: str, link_up: bool = True
) -> None:
    """Make ``member``'s namespace and connect it to the switch, port down unless ``link_up``."""
    netns = layout.netns(member)
    await run("ip", "netns", "add", netns)
    # addrgenmode none: no IPv6 link-local address, so no duplicate-address probes on a network that has no IPv6.
    await batch(
        layout.netns_switch,
        f"link add {member} address 02:b5:01{mac[8:]} type veth peer name eth0 address {mac} netns {netns}",
        f"link set {member} addrgenmode none master {BRIDGE}",
        f"link set {member} {'up' if link_up else 'down'}",
    )
    await batch(
        netns,
        "link set lo up",
        "link set eth0 addrgenmode none",
        *(f"addr add {address}/{PREFIX_LENGTH} brd + dev eth0" for address in addresses),
        "link set eth0 up",
    )


async def set_port(layout: Layout, node: str, *, up: bool) -> None:
    """Pull (``up=False``) or plug the cable at the switch; the host sees its carrier go or come."""
    await run("ip", "-n", layout.netns_switch, "link", "set", node, "up" if up else "down")


def listen_inside(layout: Layout, member: str, address: tuple[str, int]) -> socket.socket:
    """A listening TCP socket inside a member's namespace, served from outside by whoever holds it."""
    return call_inside(netns_path(layout, member), lambda: socket.create_server(address, backlog=128))


def call_inside(netns: str, function: Callable[[], Result]) -> Result:
    """What ``function`` returns, or raises, inside a network namespace (a path); OSError where there is none.

    A namespace is a property of the thread, so a thread that lives only for this goes in, and nothing comes back
    but the result: a socket stays where it was made."""

    def go_in_and_call() -> Result:
        with open(netns) as namespace:
            if LIBC.setns(namespace.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), f"cannot enter the namespace {netns}")
        return function()

    with ThreadPoolExecutor(1, thread_name_prefix="inside") as thread:
        return thread.submit(go_in_and_call).result()


async def unplug_host(layout: Layout, node: str) -> None:
    """Remove a dead host's cable and namespace.  The cable goes first and by itself: a namespace that something
    still holds open would otherwise keep answering ARP for the dead host's addresses."""
    await _tolerate_absence("ip", "-n", layout.netns_switch, "link", "del", node)
    await _tolerate_absence("ip", "netns", "del", layout.netns(node))


def netns_path(layout: Layout, member: str) -> str:
    """The file that stands for a member's network namespace."""
    return str(NETNS_ROOT / layout.netns(member))


async def _tolerate_absence(*argv: str) -> None:
    try:
        await run(*argv)
    except CommandError as error:
        if "Cannot find device" not in str(error) and "No such file" not in str(error):
            raise


async def batch(netns: str, *commands: str) -> None:
    await run("ip", "-n", netns, "-batch", "-", stdin="".join(f"{command}\n" for command in commands))
