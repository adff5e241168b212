"""HATransition: one numbered run of the scheduler: why, what was done, how long it took, and the input to replay it."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from backstay.api.base import Column, KindInfo, Resource, StatusModel
from backstay.api.quantities import Timestamp


class HATransitionSpec(StatusModel):
    """Fixed when it is made."""

    cluster: str
    number: int
    epoch: int = 0
    dc: str = ""
    trigger: str = Field(default="", description="What made the DC look again.")
    input: str = Field(
        default="",
        max_length=1024 * 1024,
        description="The cluster state, JSON, gzip, base64 (kubectl ha simulate replays it).",
    )
    input_dropped: str = Field(default="", description="Why there is no input.")


class TransitionAction(StatusModel):
    """One action and its outcome."""

    number: int
    action: str = Field(description="Operation key: RESOURCE_OPERATION_INTERVAL, or what is done otherwise.")
    node: str = ""
    state: Literal["Waiting", "Running", "Done", "Failed", "Skipped", "Aborted", "TimedOut", "TakenOver"] = (
        "Waiting"
    )
    rc: int | None = None
    ordered: Timestamp | None = Field(default=None, description="When the DC wrote it into the plan.")
    started: Timestamp | None = Field(
        default=None,
        description="When the node began it, by the DC's clock; a member of a chain waits its turn first.",
    )
    duration_ms: int | None = Field(default=None, description="How long it ran.")
    reason: str = ""
    taken_from: int | None = Field(
        default=None,
        description="The transition that had sent the action, when it was in flight as this one began; 0: one of an earlier DC.",
    )
    taken_by: int = Field(
        default=0, description="The later transition that took the action over while it was in flight."
    )
    waits_for: list[str] = Field(
        default_factory=list,
        max_length=16,
        description="Actions of earlier transitions, in flight, that must end before this one is sent.",
    )


class Moment(StatusModel):
    """Something that led to the transition, by the clock of the DC."""

    time: Timestamp
    node: str = ""
    what: str


class HATransitionStatus(StatusModel):
    """Its course."""

    moments: list[Moment] = Field(
        default_factory=list, max_length=64, description="Who noticed what, and when, before it began."
    )

    phase: Literal["Running", "Complete", "Failed", "Aborted"] = "Running"
    summary: list[str] = Field(
        default_factory=list, description="Lines such as 'Move ClusterIP ( n11 -> n5 )'."
    )
    actions: list[TransitionAction] = Field(default_factory=list)
    actions_dropped: int = Field(default=0, description="Actions left out to keep the object small.")
    started: Timestamp | None = None
    finished: Timestamp | None = None
    decide_ms: float | None = Field(default=None, description="How long the scheduler took.")
    duration_ms: int | None = None
    abort_reason: str = ""


class HATransition(Resource):
    """One transition of a cluster."""

    info: ClassVar[KindInfo] = KindInfo(
        kind="HATransition",
        plural="hatransitions",
        namespaced=False,
        short_names=("hat",),
        columns=(
            Column("Cluster", ".spec.cluster"),
            Column("Number", ".spec.number", "integer"),
            Column("Phase", ".status.phase"),
            Column("Summary", ".status.summary[0]"),
            Column("Duration", ".status.durationMs", "integer", description="Milliseconds."),
            Column("Trigger", ".spec.trigger", priority=1),
            Column("Age", ".metadata.creationTimestamp", "date"),
        ),
    )
    spec: HATransitionSpec
    status: HATransitionStatus = Field(default_factory=HATransitionStatus)
