"""Objects of a small cluster, as an API server would hand them out."""

from __future__ import annotations

import base64
import gzip
from typing import Any

from backstay.api.quantities import timestamp

NOW = 1_700_000_000.0
"""Tue Nov 14 22:13:20 2023 UTC."""

IPADDR2_XML = """<?xml version="1.0"?>
<resource-agent name="IPaddr2" version="1.0">
<version>1.0</version>
<longdesc lang="en">Manages an address.

It can be moved.</longdesc>
<shortdesc lang="en">Manages virtual IPv4 addresses</shortdesc>
<parameters>
<parameter name="ip" unique="1" required="1"><longdesc lang="en">The address, dotted quad.</longdesc>
<shortdesc lang="en">IPv4 address</shortdesc><content type="string" default="" /></parameter>
<parameter name="cidr_netmask"><longdesc lang="en">The netmask, for example 24.</longdesc>
<shortdesc lang="en">Netmask</shortdesc><content type="string" /></parameter>
<parameter name="arp_count"><longdesc lang="en">Number of packets.</longdesc>
<shortdesc lang="en">ARP count</shortdesc><content type="integer" default="5"/></parameter>
</parameters>
<actions>
<action name="start" timeout="20s"/><action name="stop" timeout="20s"/>
<action name="monitor" depth="0" timeout="20s" interval="10s"/><action name="meta-data" timeout="5s"/>
</actions>
</resource-agent>
"""

Obj = dict[str, Any]


def made(
    kind: str, name: str, *, namespace: str = "", spec: Obj | None = None, status: Obj | None = None
) -> Obj:
    metadata = {"name": name, "creationTimestamp": timestamp(NOW - 3600)}
    if namespace:
        metadata["namespace"] = namespace
    return {
        "apiVersion": "ha.backstay.io/v1alpha1",
        "kind": kind,
        "metadata": metadata,
        "spec": spec or {},
        "status": status or {},
    }


def cluster(**status: Any) -> Obj:
    facts = {
        "dc": "operator-a",
        "epoch": 7,
        "quorum": True,
        "dcSince": timestamp(NOW - 600),
        "operators": ["operator-a", "operator-b"],
    }
    return made("HACluster", "tutorial", status={**facts, **status})


def node(name: str, state: str = "Online", **status: Any) -> Obj:
    facts = {"cluster": "tutorial", "state": state, "agentVersion": "0.1.0"}
    return made("HANode", name, spec={"cluster": "tutorial"}, status={**facts, **status})


def lease(
    name: str, *, age_s: float = 0.4, holder: str = "x", duration_s: int = 3, alive: bool = True
) -> Obj:
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": name,
            "namespace": "backstay-system",
            "annotations": {"ha.backstay.io/agent": "alive" if alive else "absent"},
        },
        "spec": {
            "holderIdentity": holder,
            "renewTime": timestamp(NOW - age_s),
            "leaseDurationSeconds": duration_s,
        },
    }


def resource(id_: str, name: str, agent: str, on: str = "", **more: Any) -> Obj:
    """`more`: spec fields, or status={...}."""
    status = {"cluster": "tutorial", "role": "Started" if on else "Stopped", "node": on}
    status["active"] = [{"node": on, "role": "Started"}] if on else []
    status |= more.pop("status", {})
    spec = {"agent": agent, **more}
    if id_ != name:
        spec["resourceId"] = id_
    return made("HAResource", name, namespace="default", spec=spec, status=status)


def group(name: str, members: list[str], on: str = "", **more: Any) -> Obj:
    status = {"cluster": "tutorial", "role": "Started" if on else "Stopped", "node": on}
    status |= more.pop("status", {})
    spec = {"members": [{"resource": member} for member in members], **more}
    return made("ResourceGroup", name, namespace="default", spec=spec, status=status)


def plan(
    name: str, *, agents: list[str] | None = None, metadata: dict[str, str] | None = None, **status: Any
) -> Obj:
    if agents is not None:
        standards = sorted({agent.split(":")[0] for agent in agents})
        status["capabilities"] = {"standards": standards, "agents": agents}
    if metadata is not None:
        status["metadata"] = [
            {"agent": agent, "rc": 0, "xmlGz": base64.b64encode(gzip.compress(xml.encode())).decode()}
            for agent, xml in metadata.items()
        ]
    return made("HANodePlan", name, spec={"cluster": "tutorial"}, status=status)


def tutorial() -> list[Obj]:
    """Three nodes, one lost; an address, a group of four on n2; one failure behind it."""
    failure = {
        "resource": "Website-Testes",
        "operation": "monitor",
        "intervalMs": 30_000,
        "count": 3,
        "lastFailure": timestamp(NOW - 120),
        "rc": 7,
        "status": "Error",
        "reason": "apache is not responding on http://127.0.0.1/server-status",
        "callId": 25,
        "execMs": 12,
    }
    agents = [f"ocf:heartbeat:{name}" for name in ("Filesystem", "IPaddr2", "LVM", "apache")]
    fenced = {"action": "reboot", "by": "pdu", "time": timestamp(NOW - 30), "bootId": "b1"}
    return [
        cluster(),
        node("n1", "Offline", reason="fenced by pdu", fenced=fenced),
        node("n2", resources=5),
        node("n3"),
        lease("dc-tutorial", holder="operator-a"),
        lease("node-n1", age_s=35.2),
        lease("node-n2"),
        lease("node-n3"),
        resource("ClusterIP", "cluster-ip", "ocf:heartbeat:IPaddr2", "n3"),
        resource("app_lvm", "app-lvm", "ocf:heartbeat:LVM", "n2"),
        resource("app_fs", "app-fs", "ocf:heartbeat:Filesystem", "n2"),
        resource("VIP", "vip", "ocf:heartbeat:IPaddr2", "n2"),
        resource("Website-Testes", "website-testes", "ocf:heartbeat:apache", "n2", status={"failures": 3}),
        group("appgroup", ["app-lvm", "app-fs", "vip", "website-testes"], "n2"),
        plan("n1", agents=agents, failures=[failure]),
        plan("n2", agents=agents, metadata={"ocf:heartbeat:IPaddr2": IPADDR2_XML}),
        plan("n3", agents=[*agents, "ocf:pacemaker:Dummy", "systemd:cron"]),
        power_cut(),
    ]


def power_cut() -> Obj:
    """The transition that the loss of n1 led to."""
    return made(
        "HATransition",
        "tutorial-41",
        spec={
            "cluster": "tutorial",
            "number": 41,
            "epoch": 7,
            "dc": "operator-a",
            "trigger": "node n1 is lost",
        },
        status={
            "phase": "Complete",
            "summary": [
                "Fence (reboot) n1 'peer is no longer part of the cluster'",
                "Move ClusterIP ( n1 -> n3 )",
            ],
            "moments": [{"time": timestamp(NOW - 35.1), "node": "n1", "what": "its last heartbeat was seen"}],
            "started": timestamp(NOW - 32),
            "finished": timestamp(NOW - 29.5),
            "decideMs": 1.7,
            "durationMs": 2500,
            "actions": [
                {
                    "number": 1,
                    "action": "stonith-n1-reboot",
                    "node": "n2",
                    "state": "Done",
                    "rc": 0,
                    "started": timestamp(NOW - 32),
                    "durationMs": 1800,
                    "reason": "by power-switch on n2",
                },
                {
                    "number": 2,
                    "action": "ClusterIP_start_0",
                    "node": "n3",
                    "state": "Done",
                    "rc": 0,
                    "started": timestamp(NOW - 30.2),
                    "durationMs": 660,
                },
            ],
        },
    )
