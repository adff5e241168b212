"""What has been run where, and how it ended: the cluster's memory of every resource on every node.

One ResourceHistory per (node, resource) that was ever touched there, holding the last result of every
operation (recurring ones per interval). Call ids grow with time on one node; -1 means the order is unknown.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import overload

from backstay.state.choices import OpStatus
from backstay.state.resource import Agent


@dataclass(frozen=True, slots=True, kw_only=True)
class OpRecord:
    """The last result of one operation (Pacemaker's lrm_rsc_op). Times are epoch seconds, None if unknown."""

    operation: str
    interval_ms: int = 0
    call_id: int = -1
    rc: int = 0  # OCF return code; meaningless while pending
    status: OpStatus = OpStatus.DONE
    target_rc: int | None = None  # what was expected; None: unknown, 0 is assumed
    last_run: float | None = None
    last_rc_change: float | None = None
    exec_ms: int | None = None
    queue_ms: int | None = None
    exit_reason: str = ""
    digest: str | None = None  # of all params (state.digest.params_digest)
    restart_digest: str | None = None  # of the params that need a restart when they change
    restart_params: tuple[str, ...] | None = None  # the params that need it
    secure_digest: str | None = None
    secure_params: tuple[str, ...] | None = None
    transition_key: str = ""
    failure_record: bool = False  # a copy of the last failure, kept for people
    migrate_source: str | None = None
    migrate_target: str | None = None
    id: str = ""
    key: str = ""  # operation key as recorded; usually resource_operation_interval


class Absence:
    """The one record of a history that says just that a node was asked once and does not have the resource: a probe
    that ended, with OCF code 7. Of most resources most nodes say just this, so the record is read only when somebody
    looks at it; it equals a tuple that holds it."""

    __slots__ = ()

    def read(self) -> tuple[OpRecord, ...]:
        """The record, alone in a tuple."""
        raise NotImplementedError

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[OpRecord]:
        return iter(self.read())

    @overload
    def __getitem__(self, index: int) -> OpRecord: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[OpRecord, ...]: ...
    def __getitem__(self, index: int | slice) -> OpRecord | tuple[OpRecord, ...]:
        return self.read()[index]

    def __eq__(self, other: object) -> bool:
        return self.read() == (other.read() if isinstance(other, Absence) else other)

    def __hash__(self) -> int:
        return hash(self.read())

    def __repr__(self) -> str:
        return repr(self.read())


class KnownAbsence(Absence):
    """A record that was read already."""

    __slots__ = ("_records",)

    def __init__(self, record: OpRecord) -> None:
        self._records = (record,)

    def read(self) -> tuple[OpRecord, ...]:
        return self._records


def says_absent(record: OpRecord) -> bool:
    """Whether it is a probe that found nothing."""
    return (
        record.rc == 7
        and record.operation == "monitor"
        and record.interval_ms == 0
        and record.status is OpStatus.DONE
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceHistory:
    """All results of one resource on one node."""

    resource: str  # as known on the node: a clone instance may carry its number
    node: str  # node name
    agent: Agent | None = None
    operations: tuple[OpRecord, ...] | Absence = ()
    container: str | None = None
    shutdown_lock_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailCount:
    """How often one operation of a resource failed on a node since the last cleanup.

    INFINITY (1_000_000) means "never again here". `last_failure` is epoch seconds."""

    resource: str
    node: str
    operation: str = ""  # empty: a count of the old kind, for all operations
    interval_ms: int = 0
    count: int = 1
    last_failure: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    id: str
    granted: bool = False
    standby: bool = False
    last_granted: float | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
