"""HANodePlan: what the DC wants a node to do (spec), and what the node did (status).

The protocol (design note 0001): the DC is the only writer of spec, the node's agent the only writer of status. An action is run at most
once per boot, known by its id; the agent refuses a spec whose epoch is lower than the highest it has seen, and one meant for another
boot. An action starts when every id in `after` has succeeded; if one of them failed, it is skipped. An action that vanishes from spec
before it started is never run. `status.observedGeneration` says which spec the rest of status answers.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from backstay.api.base import Column, KindInfo, ParamSource, Resource, StatusModel, cel, rules
from backstay.api.cluster import HEARTBEAT_DEFAULT, Heartbeat
from backstay.api.limits import NODES_MAX
from backstay.api.quantities import ParamValue, Timestamp
from backstay.api.resource import RequiresName

OUTPUT_LIMIT = 4096
"""Bytes of an agent's output that are kept with a result."""

RECORDS_MAX = 20_000
"""Records of a kind in one plan: as many as fit into an object of etcd's 1.5 MiB."""
NAMES_MAX = 65_536

Verb = Literal[
    "start",
    "stop",
    "monitor",
    "promote",
    "demote",
    "notify",
    "reload",
    "migrate_to",
    "migrate_from",
    "cancel",
    "cleanup",
    "forget",
    "meta-data",
    "fence",
]
"""What an action does. Beside the OCF actions: `cancel` ends the recurring monitor of intervalMs; `cleanup` forgets the failures (of
`cleanupOperation` only, where given) and `forget` the whole history of a resource; `meta-data` publishes an agent's
meta-data; `fence` runs a fence agent against `target`."""


class PlanAction(StatusModel):
    """One thing to do."""

    id: str = Field(description="Unique over all time: EPOCH-TRANSITION-NUMBER.")
    verb: Verb
    resource: str = Field(
        default="", description="Resource id (OCF_RESOURCE_INSTANCE), or the FenceDevice's name."
    )
    group: str = Field(default="", description="Id of the group it belongs to.")
    agent: str = Field(default="", description="ocf:..., systemd:..., lsb:..., service:..., or stonith:...")
    interval_ms: int = Field(default=0, ge=0, description="Of a recurring monitor.")
    timeout_ms: int = Field(default=20_000, ge=1)
    start_delay_ms: int = Field(default=0, ge=0)
    params: dict[str, ParamValue] = Field(default_factory=dict)
    params_from: dict[str, ParamSource] = Field(default_factory=dict)
    namespace: str = Field(default="", description="Of the Secrets in paramsFrom.")
    meta: dict[str, ParamValue] = Field(default_factory=dict, description="Becomes OCF_RESKEY_CRM_meta_*.")
    after: list[str] = Field(
        default_factory=list, max_length=256, description="Ids on this node that must succeed first."
    )
    target_rc: int = Field(default=0, description="The exit code that counts as success.")
    requires: RequiresName = Field(default="fencing", description="What a cut-off node may keep running.")
    stop_timeout_ms: int = Field(
        default=20_000, description="Timeout of a stop that the agent decides on by itself."
    )
    digest: str = Field(default="", description="Of the parameters, to notice a change.")
    restart_digest: str = Field(default="", description="Of the parameters whose change needs a restart.")
    cleanup_operation: str = ""
    cleanup_interval_ms: int | None = Field(default=None, ge=0)
    target: str = Field(default="", description="For fence: the node to fence.")
    fence_action: Literal["", "off", "on", "reboot", "monitor", "status"] = ""
    host_check: Literal["", "dynamic-list", "status"] = Field(
        default="", description="For fence: ask the device first whether it knows the target."
    )
    attempts: int = Field(default=1, ge=1, le=10)


PEERS_MAX = NODES_MAX


PUBLIC_KEY_PATTERN = "^[0-9a-f]{64}$"


class Peer(StatusModel):
    """Another member, and where its keeper can be asked."""

    name: str
    address: str = Field(default="", description="Empty: its keeper cannot be asked, and promises nothing.")
    key: str = Field(
        default="",
        description="Its public key (X25519, hexadecimal), as its agent has published it. Empty: as for the address.",
    )


class VouchingSpec(StatusModel):
    """Whom to ask for promises when the API is gone."""

    peers: list[Peer] = Field(default_factory=list, max_length=PEERS_MAX, description="The other members.")
    port: int = Field(default=7406, ge=1, le=65535, description="UDP port of every keeper.")


class Machine(StatusModel):
    """A machine's identity, as its agent's Lease says. An empty value is not known."""

    machine_id: str = Field(default="", max_length=64, description="/etc/machine-id.")
    system_uuid: str = Field(
        default="", max_length=64, description="The UUID of the system's firmware (SMBIOS)."
    )


class WatchdogSpec(StatusModel):
    """By which numbers the node shall feed its watchdog."""

    device: str
    deadline_milliseconds: int
    timeout_seconds: int


class HANodePlanSpec(StatusModel):
    """Written by the DC."""

    model_config = rules(
        cel(
            "self.epoch >= oldSelf.epoch",
            "epoch: a DC of an older epoch may not write plans; it was superseded",
        ),
    )

    cluster: str = ""
    epoch: int = Field(default=0, ge=0, description="Fencing token of the DC that wrote this.")
    term: str = Field(
        default="",
        max_length=253,
        description="Who that DC is, so that agents tell two apart that got the same epoch after etcd was restored.",
    )
    boot_id: str = Field(
        default="",
        description="The boot of the node that the actions are meant for, and that alone may run something. It changes only when the "
        "boot before it is proven to have ended; empty: none may.",
    )
    machine: Machine | None = Field(default=None, description="The machine of that boot.")
    sync: int = Field(
        default=0,
        ge=0,
        description="Rises when the DC wants a fresh answer: after taking over, after a silence.",
    )
    beat: int = Field(
        default=0, ge=0, description="Challenge: renewals of the Lease shall carry it, from now on."
    )
    vouching: VouchingSpec | None = Field(
        default=None, description="Set: the node may live by the promises of peers while the API is gone."
    )
    watchdog: WatchdogSpec | None = Field(
        default=None,
        description="Set: the node shall arm its watchdog. None: disarm it, once that is announced.",
    )
    dismissed: bool = Field(
        default=False,
        description="The node is let go: its heartbeat shall end when its agent does, without waiting for another.",
    )
    heartbeat: Heartbeat = Field(default_factory=Heartbeat, json_schema_extra={**HEARTBEAT_DEFAULT})
    takes_absences: bool = Field(
        default=False,
        description="The DC reads status.absences; where it does not, everything stands in history.",
    )
    actions: list[PlanAction] = Field(default_factory=list, max_length=1024)


class PendingOperation(StatusModel):
    """An operation that was recorded before it ran, and has no result yet."""

    action_id: str
    resource: str
    verb: str
    interval_ms: int = Field(default=0, ge=0)
    target: str = Field(default="", description="Of a fence agent that runs: the node that it fences.")
    started: Timestamp


class ActionResult(StatusModel):
    """What became of an action of the present spec."""

    id: str
    state: Literal["Done", "Failed", "Skipped", "Refused", "Cancelled"]
    rc: int | None = None
    message: str = ""
    exec_ms: int | None = Field(default=None, description="How long it ran, without what it waited for.")


OpStatus = Literal["Done", "Error", "Timeout", "NotInstalled", "NotSupported", "Cancelled", "Unknown"]


class OperationRecord(StatusModel):
    """The last result of one operation of one resource on this node (Pacemaker's lrm_rsc_op)."""

    resource: str
    operation: str
    interval_ms: int = Field(default=0, ge=0)
    agent: str = ""
    action_id: str = ""
    call_id: int = 0
    rc: int
    target_rc: int = 0
    status: OpStatus = "Done"
    reason: str = Field(default="", max_length=1024, description="The agent's own reason for a failure.")
    output: str = Field(
        default="", max_length=2 * OUTPUT_LIMIT, description="Tail of the agent's output, at most 4 KiB."
    )
    last_run: Timestamp | None = Field(default=None, description="When the run began whose result this is.")
    last_change: Timestamp | None = Field(default=None, description="Since when the result is what it is.")
    exec_ms: int = 0
    queue_ms: int = 0
    digest: str = ""
    restart_digest: str = ""


class Absences(StatusModel):
    """Resources of one agent that the node was asked for once, with a probe that found nothing: of most resources that is all that
    a node has to say, and in so few words a plan has room for tens of thousands."""

    agent: str
    resources: list[str] = Field(default_factory=list, max_length=NAMES_MAX)


class FailureRecord(StatusModel):
    """Failures of one operation since its last cleanup, counted by the agent that ran it."""

    resource: str
    operation: str
    interval_ms: int = Field(default=0, ge=0)
    count: int = Field(ge=0)
    last_failure: Timestamp
    rc: int = 1
    status: OpStatus = "Error"
    reason: str = ""
    output: str = ""
    exec_ms: int = 0
    call_id: int = 0


class AgentMetadata(StatusModel):
    """Meta-data of an agent, as this node's own copy of it says."""

    agent: str
    rc: int = 0
    digest: str = ""
    xml_gz: str = Field(default="", max_length=512 * 1024, description="The XML, gzip, base64.")


class Capabilities(StatusModel):
    """What this node can run."""

    standards: list[str] = Field(default_factory=list)
    agents: list[str] = Field(default_factory=list, max_length=2048)


class HANodePlanStatus(StatusModel):
    """Written by the node's agent."""

    observed_generation: int = 0
    observed_epoch: int = 0
    required_epoch: int = Field(
        default=0,
        description="Not 0: the agent has seen the API go back in time, and obeys no DC of an epoch lower than this.",
    )
    boot_id: str = Field(
        default="", description="The kernel's boot id; a new one means that history begins anew."
    )
    incarnation: str = Field(default="", description="Changes with every start of the agent.")
    agent_version: str = ""
    vouching_key: str = Field(
        default="",
        max_length=64,
        description="Public key (X25519, hexadecimal) by which peers know its keeper. The private half never leaves the host.",
    )
    released: bool = Field(default=False, description="It was cut off and stopped what needs no fencing.")
    recording_trouble: str = Field(
        default="",
        description="Why the agent cannot record operations on its host's disk. While it is set the node begins nothing "
        "that could be left out (such an action is Refused: it was not run); it stops, watches and fences.",
    )
    pending: list[PendingOperation] = Field(default_factory=list, max_length=RECORDS_MAX)
    results: list[ActionResult] = Field(default_factory=list, max_length=RECORDS_MAX)
    history: list[OperationRecord] = Field(default_factory=list, max_length=RECORDS_MAX)
    absences: list[Absences] = Field(default_factory=list)
    failures: list[FailureRecord] = Field(default_factory=list, max_length=RECORDS_MAX)
    metadata: list[AgentMetadata] = Field(default_factory=list, max_length=32)
    capabilities: Capabilities | None = None


class HANodePlan(Resource):
    """Orders of the DC to one node, and the node's answers. Internal: not for editing by hand."""

    info: ClassVar[KindInfo] = KindInfo(
        kind="HANodePlan",
        plural="hanodeplans",
        namespaced=False,
        short_names=("hap",),
        columns=(
            Column("Cluster", ".spec.cluster"),
            Column("Epoch", ".spec.epoch", "integer"),
            Column("Seen", ".status.observedEpoch", "integer"),
            Column("Boot", ".status.bootId", priority=1),
            Column("Age", ".metadata.creationTimestamp", "date"),
        ),
    )
    spec: HANodePlanSpec = Field(default_factory=HANodePlanSpec)
    status: HANodePlanStatus = Field(default_factory=HANodePlanStatus)
