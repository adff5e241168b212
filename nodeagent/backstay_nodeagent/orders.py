"""What the DC ordered, as the agent's own logic sees it: validated at the edge (plan_reader), frozen, in the order of the plan.

Assumes that an id never returns (EPOCH-TRANSITION-NUMBER). Values of secrets are not in here; an order names them
(`params_from`), and the executor looks them up when it runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any

from backstay.state.choices import Requires


class Verb(Enum):
    """What an order asks for; the values are those of HANodePlan."""

    START = "start"
    STOP = "stop"
    MONITOR = "monitor"
    PROMOTE = "promote"
    DEMOTE = "demote"
    NOTIFY = "notify"
    RELOAD = "reload"
    MIGRATE_TO = "migrate_to"
    MIGRATE_FROM = "migrate_from"
    CANCEL = "cancel"
    CLEANUP = "cleanup"
    FORGET = "forget"
    META_DATA = "meta-data"
    FENCE = "fence"

    @property
    def needs_process(self) -> bool:
        """False for what the agent does in its own books."""
        return self not in (Verb.CANCEL, Verb.CLEANUP, Verb.FORGET)

    @property
    def on_resource(self) -> bool:
        """Whether it is run against a resource, in the queue of that resource and with a record in its history."""
        return self.needs_process and self not in (Verb.META_DATA, Verb.FENCE)

    @property
    def activates(self) -> bool:
        """Whether the resource may be active here from the moment it begins."""
        return self in (Verb.START, Verb.PROMOTE, Verb.MIGRATE_FROM)

    @property
    def configures(self) -> bool:
        """Whether the resource runs with this order's parameters from then on."""
        return self in (Verb.START, Verb.MIGRATE_FROM, Verb.RELOAD)

    @property
    def takes_down(self) -> bool:
        """Whether it ends what an earlier order has begun."""
        return self in (Verb.STOP, Verb.DEMOTE)

    @property
    def ends_monitors(self) -> bool:
        """Whether recurring monitors end before it: they watch for a role that it takes away."""
        return self in (Verb.STOP, Verb.DEMOTE)


@dataclass(frozen=True, slots=True)
class SecretRef:
    """One key of a Secret."""

    namespace: str
    name: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One action of the plan. Field by field as HANodePlan's PlanAction, whose documentation holds here."""

    id: str
    verb: Verb
    resource: str = ""
    group: str = ""
    agent: str = ""
    interval_ms: int = 0
    timeout_ms: int = 20_000
    start_delay_ms: int = 0
    params: Mapping[str, str] = field(default_factory=dict)
    params_from: Mapping[str, SecretRef] = field(default_factory=dict)
    meta: Mapping[str, str] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    target_rc: int = 0
    requires: Requires = Requires.FENCING
    stop_timeout_ms: int = 20_000
    digest: str = ""
    restart_digest: str = ""
    cleanup_operation: str = ""
    cleanup_interval_ms: int | None = None
    target: str = ""
    fence_action: str = ""
    host_check: str = ""
    attempts: int = 1

    @property
    def recurring(self) -> bool:
        return self.verb is Verb.MONITOR and self.interval_ms > 0

    @property
    def probe(self) -> bool:
        return self.verb is Verb.MONITOR and self.interval_ms == 0

    def to_json(self) -> dict[str, Any]:
        """For the journal; without what is at its default."""
        blank = asdict(Order(id="", verb=self.verb))
        full = {name: value for name, value in asdict(self).items() if value != blank[name]}
        return full | {"verb": self.verb.value, "requires": self.requires.value}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Order:
        """Read what to_json wrote. Raises KeyError, TypeError or ValueError for anything else."""
        known = dict(data)
        known["id"] = data.get("id", "")
        known["verb"] = Verb(data["verb"])
        known["requires"] = Requires(data["requires"])
        known["after"] = tuple(data.get("after", ()))
        known["params_from"] = {name: SecretRef(**ref) for name, ref in data.get("params_from", {}).items()}
        return cls(**known)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """Of the heartbeat, in seconds; the defaults are those of HACluster's default profile."""

    renew_interval_s: float = 1.0
    lease_duration_s: float = 3.0
    stop_margin_s: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class VouchOrders:
    """The other members: name, address and public key of each. Without the latter two it can promise nothing."""

    cluster: str
    peers: tuple[tuple[str, str, str], ...]
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchdogOrders:
    """By which numbers the keeper feeds the watchdog."""

    device: str
    deadline_s: float
    timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """One state of HANodePlan.spec."""

    uid: str = ""
    generation: int
    cluster: str = ""
    epoch: int
    term: str = ""
    """Of the DC that wrote it: two with the same epoch differ in this. Empty: an older DC, that does not say."""
    boot_id: str = ""
    timings: Timings = Timings()
    beat: int = 0
    vouching: VouchOrders | None = None
    watchdog: WatchdogOrders | None = None
    dismissed: bool = False
    takes_absences: bool = False
    actions: tuple[Order, ...] = ()
