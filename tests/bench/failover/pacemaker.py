"""Pacemaker on Corosync, as Debian packages them: default timings, fencing off, stickiness so that a return moves nothing."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from backstay_sandbox.layout import SERVICES_ADDRESS, SHARED_DISK_IN_HOST
from bench.failover.bed import Bed, BenchError, await_nothing_missing
from bench.failover.contender import GROUP_ADDRESS, VIP

UP_TIMEOUT_S = 90.0
COROSYNC_CONF = """\
totem {{
    version: 2
    cluster_name: bench
    transport: knet
    crypto_cipher: none
    crypto_hash: none
}}
logging {{
    to_stderr: no
    to_syslog: no
    to_logfile: yes
    logfile: /var/log/corosync/corosync.log
}}
quorum {{
    provider: corosync_votequorum
}}
nodelist {{
{nodes}}}
"""
NODE = "    node {{\n        name: {name}\n        nodeid: {id}\n        ring0_addr: {address}\n    }}\n"
ADDRESS = """<primitive id="VIP" class="ocf" provider="heartbeat" type="IPaddr2">
  <instance_attributes id="VIP-ia"><nvpair id="VIP-ip" name="ip" value="{ip}"/>
    <nvpair id="VIP-mask" name="cidr_netmask" value="24"/></instance_attributes>
  <operations><op id="VIP-monitor" name="monitor" interval="10s" timeout="20s"/></operations>
</primitive>"""
GROUP = """<group id="appgroup">
<primitive id="app_fs" class="ocf" provider="heartbeat" type="Filesystem">
  <instance_attributes id="app_fs-ia"><nvpair id="app_fs-device" name="device" value="{disk}"/>
    <nvpair id="app_fs-directory" name="directory" value="/var/www"/>
    <nvpair id="app_fs-fstype" name="fstype" value="xfs"/></instance_attributes>
  <operations><op id="app_fs-monitor" name="monitor" interval="20s" timeout="40s"/>
    <op id="app_fs-start" name="start" interval="0" timeout="60s"/>
    <op id="app_fs-stop" name="stop" interval="0" timeout="60s"/></operations>
</primitive>
{address}
<primitive id="Website-Testes" class="ocf" provider="heartbeat" type="apache">
  <instance_attributes id="web-ia"><nvpair id="web-config" name="configfile" value="/etc/apache2/apache2.conf"/>
    <nvpair id="web-url" name="statusurl" value="http://127.0.0.1/server-status"/></instance_attributes>
  <operations><op id="web-monitor" name="monitor" interval="5s" timeout="20s"/>
    <op id="web-start" name="start" interval="0" timeout="40s"/>
    <op id="web-stop" name="stop" interval="0" timeout="60s"/></operations>
</primitive>
</group>"""
FENCE_DEVICE = """<primitive id="power-switch" class="stonith" type="fence_sandbox">
  <instance_attributes id="power-ia"><nvpair id="power-ip" name="ip" value="{ip}"/>
    <nvpair id="power-password" name="password" value="{password}"/>
    <nvpair id="power-hosts" name="pcmk_host_list" value="{nodes}"/></instance_attributes>
</primitive>"""
CONFIGURATION = """<configuration>
<crm_config><cluster_property_set id="options">
  <nvpair id="stonith" name="stonith-enabled" value="{fencing}"/>
  <nvpair id="stonith-action" name="stonith-action" value="off"/>
</cluster_property_set></crm_config>
<nodes/>
<resources>{resources}</resources>
<constraints/>
<rsc_defaults><meta_attributes id="defaults">
  <nvpair id="stickiness" name="resource-stickiness" value="100"/>
</meta_attributes></rsc_defaults>
</configuration>"""


class Pacemaker:
    """With the VIP alone, or with the tutorial's group (`group`); `fencing` by the sandbox's power switch."""

    def __init__(
        self, bed: Bed, *, name: str = "pacemaker-default", group: bool = False, fencing: bool = False
    ) -> None:
        self.name = name
        self._bed = bed
        self._fencing = fencing
        self._group = group

    def bring_up(self) -> None:
        for node in self._bed.nodes:
            self._start(node)
        await_nothing_missing(lambda: self._missing(started=False), timeout_s=UP_TIMEOUT_S)
        self._configure()
        await_nothing_missing(self._missing, timeout_s=UP_TIMEOUT_S)

    def join(self, node: str) -> None:
        self._start(node)
        await_nothing_missing(self._missing, timeout_s=UP_TIMEOUT_S)

    def leave(self, node: str) -> None:
        self._checked(node, "crm_standby", "--node", node, "--update", "on")

    def come_back(self, node: str) -> None:
        self._checked(node, "crm_standby", "--node", node, "--delete")
        await_nothing_missing(self._missing, timeout_s=UP_TIMEOUT_S)

    def _start(self, node: str) -> None:
        bed = self._bed
        nodes = "".join(
            NODE.format(name=one, id=number, address=bed.layout.addresses(one).cluster)
            for number, one in enumerate(bed.nodes, start=1)
        )
        bed.write(node, "/etc/corosync/corosync.conf", COROSYNC_CONF.format(nodes=nodes))
        bed.run(node, "mkdir", "-p", "/var/log/corosync", "/var/log/pacemaker", "/var/log/cluster")
        bed.spawn(node, "corosync", ["corosync", "-f"])
        await_nothing_missing(
            lambda: "" if bed.run(node, "corosync-cfgtool", "-s").returncode == 0 else "corosync",
            timeout_s=UP_TIMEOUT_S,
        )
        bed.spawn(node, "pacemakerd", ["pacemakerd", "-f"])

    def _configure(self) -> None:
        address = ADDRESS.format(ip=GROUP_ADDRESS if self._group else VIP)
        resources = GROUP.format(address=address, disk=SHARED_DISK_IN_HOST) if self._group else address
        if self._fencing:
            resources += FENCE_DEVICE.format(
                ip=SERVICES_ADDRESS,
                password=self._bed.layout.power_password.read_text().strip(),
                nodes=" ".join(self._bed.nodes),
            )
        node = self._bed.nodes[0]
        present = self._checked(node, "cibadmin", "--query", "--scope", "nodes").strip()
        xml = CONFIGURATION.format(resources=resources, fencing=str(self._fencing).lower()).replace(
            "<nodes/>", present
        )
        self._checked(node, "cibadmin", "--replace", "--scope", "configuration", "--xml-pipe", stdin=xml)

    def _missing(self, *, started: bool = True) -> str:
        """What is still to come: every node online, every resource started, the DC idle."""
        shown = None
        for node in self._bed.nodes:
            shown = self._bed.run(node, "crm_mon", "-1", "--output-as=xml")
            if shown.returncode != 0:
                return f"an answer of Pacemaker on {node}"
            tree = ET.fromstring(shown.stdout)
            online = [one.get("name") for one in tree.findall("nodes/node") if _is_on(one)]
            if len(online) != len(self._bed.nodes):
                return f"all nodes in the eyes of {node} (it has {len(online)})"
            if tree.find("summary/current_dc[@with_quorum='true']") is None:
                return "a DC with quorum"
            resources = list(tree.iter("resource"))
            if started and (
                not resources or any(one.get("role") != "Started" or one.get("pending") for one in resources)
            ):
                return "all resources to be started"
        idle = self._bed.run(self._bed.nodes[0], "crm_resource", "--wait", "--timeout=20")
        return "" if idle.returncode == 0 else "an idle cluster"

    def _checked(self, node: str, *argv: str, stdin: str = "") -> str:
        done = self._bed.run(node, *argv, stdin=stdin)
        if done.returncode != 0:
            raise BenchError(
                f"{node}: `{' '.join(argv)}` ended with {done.returncode}: {done.stderr.strip()}"
            )
        return done.stdout


def _is_on(node: ET.Element) -> bool:
    return node.get("online") == "true" and node.get("pending") != "true" and node.get("standby") != "true"
