"""A small CIB to ask about, with the parts that a test wants."""

from __future__ import annotations

from backstay.cib import parse_cib
from backstay.state.cluster import ClusterState

NOW = 1_700_000_000.0


def running(resource: str, kind: str, *, extra: str = "") -> str:
    """The history of a resource that was started."""
    return (
        f'<lrm_resource id="{resource}" class="ocf" provider="heartbeat" type="{kind}">'
        f'<lrm_rsc_op id="{resource}_last_0" operation_key="{resource}_start_0" operation="start" interval="0" call-id="2"'
        f' rc-code="0" op-status="0" transition-key="1:1:0:x"/>{extra}</lrm_resource>'
    )


def primitive(name: str, kind: str = "Dummy", *, meta: str = "", ops: str = "") -> str:
    operations = f"<operations>{ops}</operations>" if ops else ""
    attributes = f'<meta_attributes id="{name}-m">{meta}</meta_attributes>' if meta else ""
    return f'<primitive id="{name}" class="ocf" provider="heartbeat" type="{kind}">{attributes}{operations}</primitive>'


def pair(name: str, value: str) -> str:
    return f'<nvpair id="nv-{name}-{value}" name="{name}" value="{value}"/>'


def state(
    *,
    resources: str,
    constraints: str = "",
    options: str = "",
    node_attributes: dict[str, str] | None = None,
    histories: dict[str, str] | None = None,
    transient: dict[str, str] | None = None,
    defaults: str = "",
    offline: tuple[str, ...] = (),
) -> ClusterState:
    """Three nodes, n1 to n3, without fencing unless the options say so."""
    nodes, statuses = "", ""
    for number in (1, 2, 3):
        name = f"n{number}"
        attributes = (node_attributes or {}).get(name, "")
        nodes += f'<node id="{number}" uname="{name}">'
        nodes += f'<instance_attributes id="na-{number}">{attributes}</instance_attributes></node>'
        here = name not in offline
        standing = (
            'in_ccm="true" crmd="online" join="member" expected="member"'
            if here
            else 'in_ccm="false" crmd="offline" join="down" expected="down"'
        )
        counts = (transient or {}).get(name, "")
        lrm = (histories or {}).get(name, "")
        statuses += f'<node_state id="{number}" uname="{name}" {standing}>'
        statuses += f'<transient_attributes id="{number}"><instance_attributes id="ta-{number}">{counts}</instance_attributes>'
        statuses += f'</transient_attributes><lrm id="{number}"><lrm_resources>{lrm}</lrm_resources></lrm></node_state>'
    fencing = "" if "stonith-enabled" in options else pair("stonith-enabled", "false")
    return parse_cib(
        f"""<cib have-quorum="1"><configuration>
        <crm_config><cluster_property_set id="cib-bootstrap-options">{fencing}{options}</cluster_property_set></crm_config>
        <nodes>{nodes}</nodes><resources>{resources}</resources><constraints>{constraints}</constraints>
        <rsc_defaults><meta_attributes id="rd">{defaults}</meta_attributes></rsc_defaults>
        </configuration><status>{statuses}</status></cib>""",
        now=NOW,
    )
