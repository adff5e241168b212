"""Meta-data of an agent: what a node has already published, or, asked for through HANode.spec.requests, what one publishes now."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Iterable

from backstay.api import HANodePlan
from backstay.api.plan import AgentMetadata
from backstay.ocf.metadata import Metadata, MetadataError, parse_metadata
from backstay_cli.build.agents import Catalogue
from backstay_cli.edit import request, wait_until
from backstay_cli.errors import CliError
from backstay_cli.gather import Wanted, gather
from backstay_cli.session import Session
from backstay_cli.view import View
from backstay_kube import kinds

XML_LIMIT = 4 << 20
"""Bytes that an unpacked document may have."""


def published(plans: Iterable[HANodePlan], agent: str) -> AgentMetadata | None:
    """The first node's copy that has one, a successful one before a failed one."""
    copies = [copy for plan in plans for copy in plan.status.metadata if copy.agent == agent]
    return min(copies, key=lambda copy: copy.rc, default=None)


def unpack(copy: AgentMetadata) -> str:
    """The XML. Raises CliError for what is no gzip in base64, or grows beyond all measure."""
    try:
        unpacker = zlib.decompressobj(wbits=31)
        raw = unpacker.decompress(base64.b64decode(copy.xml_gz, validate=True), XML_LIMIT)
    except (zlib.error, binascii.Error, ValueError) as error:
        raise CliError(f"the published meta-data of {copy.agent} is broken: {error}") from None
    if unpacker.unconsumed_tail:
        raise CliError(f"the published meta-data of {copy.agent} is larger than {XML_LIMIT} bytes")
    return raw.decode("utf-8", "replace")


def parsed(copy: AgentMetadata) -> Metadata:
    """Raises CliError when the agent could not say what it is."""
    if copy.rc != 0 or not copy.xml_gz:
        raise CliError(
            f"{copy.agent} could not print its meta-data (exit code {copy.rc})",
            hint="run it on the host: /usr/lib/ocf/resource.d/PROVIDER/TYPE meta-data",
        )
    try:
        return parse_metadata(unpack(copy))
    except MetadataError as error:
        raise CliError(f"the meta-data of {copy.agent} cannot be read: {error}") from None


async def fetch(session: Session, view: View, known: Catalogue, *, agent: str, wait_s: float) -> Metadata:
    """Published meta-data, or asked from a node that is online and has the agent. Raises CliError."""
    copy = published(view.plans, agent)
    if copy is not None:
        return parsed(copy)
    node = _node_to_ask(view, known, agent)
    session.say(f"asking {node} for the meta-data of {agent}...")
    await request(session, (kinds.HANODE, node, None), {"type": "describe", "agent": agent}, wait_s=wait_s)

    async def appeared() -> AgentMetadata | None:
        return published((await gather(session, Wanted(plans=True))).plans, agent)

    copy = await wait_until(session, appeared, timeout_s=wait_s)
    if copy is None:
        raise CliError(
            f"{node} did not publish the meta-data of {agent} within {wait_s:g} s",
            hint="see whether its agent is active: kubectl ha status",
        )
    return parsed(copy)


def _node_to_ask(view: View, known: Catalogue, agent: str) -> str:
    online = [
        n.metadata.name
        for n in view.nodes
        if n.status.state in ("Online", "Standby", "Maintenance", "Leaving")
    ]
    having = known.agents.get(agent, ()) if known.lists(agent.split(":", maxsplit=1)[0]) else tuple(online)
    able = [name for name in online if name in having]
    if able:
        return able[0]
    if not online:
        raise CliError(f"no node is online that could describe {agent}", hint="look with kubectl ha status")
    raise CliError(
        f"no node that is online has the agent {agent}", hint="list them: kubectl ha resource agents"
    )
