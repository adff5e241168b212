"""Two resources that would bring up one address: whichever comes second would take it from the first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_address

from backstay.verify.written import Finding, Written

_ADDRESS_AGENTS = ("ocf:heartbeat:IPaddr2", "ocf:heartbeat:IPaddr")


def check_addresses(resources: Iterable[Written]) -> Iterator[Finding]:
    """`resources` oldest first: the younger one is wrong."""
    owners: dict[str, Written] = {}
    for one in resources:
        text = one.template.params.get("ip", "")
        if one.template.agent not in _ADDRESS_AGENTS or not text:
            continue
        address = _normal(text)
        if not address:
            yield one.error(
                "InvalidValue", "params.ip", f"{text!r} is no address; write for example 10.0.0.3 or fd00::3"
            )
            continue
        owner = owners.setdefault(address, one)
        if owner is not one:
            yield one.error(
                "DuplicateAddress",
                "params.ip",
                f"{text} belongs to {owner.id!r} ({owner.owner}) already; choose another address",
            )


def _normal(text: str) -> str:
    try:
        return str(ip_address(text.strip()))
    except ValueError:
        return ""
