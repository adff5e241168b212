"""Objects with faults in them, and nodes that have a few agents."""

from __future__ import annotations

from backstay.api import FenceDevice, HACluster, HAConstraint, HANode, HANodePlan, HAResource, ResourceGroup
from backstay.api.plan import AgentMetadata, Capabilities
from backstay.state.assemble import Objects
from backstay.state.assemble_resources import ResourceIndex
from backstay.state.reach import reach_of
from backstay.verify import AgentBook, Findings, verify, wanted_agents
from backstay_nodeagent.documents import document_of

IPADDR2 = "ocf:heartbeat:IPaddr2"
FILESYSTEM = "ocf:heartbeat:Filesystem"


def xml(name: str, *parameters: str) -> str:
    return f'<?xml version="1.0"?><resource-agent name="{name}"><parameters>{"".join(parameters)}</parameters></resource-agent>'


def parameter(
    name: str, kind: str = "string", *, required: bool = False, default: str = "", text: str = ""
) -> str:
    need = ' required="1"' if required else ""
    return (
        f'<parameter name="{name}"{need}><shortdesc>{text}</shortdesc>'
        f'<content type="{kind}" default="{default}"/></parameter>'
    )


AGENTS = {
    IPADDR2: xml(
        "IPaddr2",
        parameter("ip", required=True, text="IPv4 or IPv6 address"),
        parameter("cidr_netmask"),
        parameter("nic"),
        parameter("arp_count", "integer", default="5"),
        parameter("lvs_support", "boolean", default="false"),
    ),
    FILESYSTEM: xml(
        "Filesystem",
        parameter("device", required=True, text="block device"),
        parameter("directory", required=True, text="mount point"),
        parameter("fstype", required=True, text="filesystem type"),
        parameter("run_fsck", default="auto", required=True),
    ),
    "stonith:fence_pdu": xml(
        "fence_pdu", parameter("ip", required=True), parameter("plug", required=True), parameter("password")
    ),
}


def resource(name: str, agent: str = IPADDR2, **spec: object) -> HAResource:
    created = spec.pop("created", "2026-01-01T00:00:00Z")
    metadata = {
        "name": name,
        "namespace": "default",
        "creationTimestamp": created,
        "uid": name,
        "generation": 1,
    }
    return HAResource.parse({"metadata": metadata, "spec": {"agent": agent, **spec}})


def group(name: str, *members: dict[str, object]) -> ResourceGroup:
    metadata = {"name": name, "namespace": "default", "uid": name, "generation": 1}
    return ResourceGroup.parse({"metadata": metadata, "spec": {"members": list(members)}})


def constraint(name: str, **spec: object) -> HAConstraint:
    return HAConstraint.parse({"metadata": {"name": name, "namespace": "default"}, "spec": spec})


def device(agent: str = "stonith:fence_pdu", **spec: object) -> FenceDevice:
    return FenceDevice.parse({"metadata": {"name": "pdu"}, "spec": {"cluster": "c", "agent": agent, **spec}})


def plan(node: str, agents: dict[str, str] | None = None) -> HANodePlan:
    made = HANodePlan.parse({"metadata": {"name": node}})
    offered = AGENTS if agents is None else agents
    made.status.capabilities = Capabilities(standards=["ocf", "stonith"], agents=sorted(offered))
    for agent, text in sorted(offered.items()):
        document = document_of(agent, 0, text)
        made.status.metadata.append(
            AgentMetadata(agent=agent, digest=document.digest, xml_gz=document.xml_gz)
        )
    return made


def objects_of(
    *items: HAResource | ResourceGroup | HAConstraint | FenceDevice,
    plans: dict[str, HANodePlan] | None = None,
) -> Objects:
    return Objects(
        cluster=HACluster.parse({"metadata": {"name": "c"}, "spec": {}}),
        nodes=tuple(HANode.parse({"metadata": {"name": name}}) for name in ("n1", "n2")),
        resources=tuple(one for one in items if isinstance(one, HAResource)),
        groups=tuple(one for one in items if isinstance(one, ResourceGroup)),
        constraints=tuple(one for one in items if isinstance(one, HAConstraint)),
        devices=tuple(one for one in items if isinstance(one, FenceDevice)),
        plans={"n1": plan("n1"), "n2": plan("n2")} if plans is None else plans,
    )


def judged(objects: Objects) -> Findings:
    """By what the plans of all nodes say."""
    book = AgentBook()
    wanted = wanted_agents(objects)
    while not book.look(objects.plans, members=["n1", "n2"], wanted=wanted):
        pass
    return verify(objects, book, index=index_of(objects)).conclude(objects.plans)


def index_of(objects: Objects) -> ResourceIndex:
    """As assembly makes it."""
    return ResourceIndex.build(
        objects.resources, objects.groups, objects.devices, reach=reach_of(objects.cluster)
    )
