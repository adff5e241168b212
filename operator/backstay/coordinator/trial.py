"""A step of the DC on trial: would it raise for these objects? Nothing of it is carried out.

A fresh Coordinator judges, assembles, verifies and, unlike a new DC, schedules at once, because most of what can
raise is in the scheduler. The trial costs about as much as the first step of a term.
"""

from __future__ import annotations

from dataclasses import replace

from backstay.coordinator.coordinator import Coordinator
from backstay.coordinator.step import View
from backstay.coordinator.words import reason_lines, summary_lines
from backstay.liveness.leases import LeaseTracker
from backstay.scheduler import schedule
from backstay.state.assemble import Objects


def error_of_trial(view: View, objects: Objects, tracker: LeaseTracker) -> Exception | None:
    """What a step over `objects` raises; None where it returns."""
    own = LeaseTracker(read_gap_s=tracker.read_gap_s)
    own.copy_from(tracker)
    cluster = objects.cluster.metadata.name
    coordinator = Coordinator(cluster=cluster, epoch=1, number=0, tracker=own, homes={}, term="trial")
    try:
        orders = coordinator.step(replace(view, objects=objects))
        assembly = orders.picture.assembly
        transition = schedule(assembly.state)
        reason_lines(transition, assembly)
        summary_lines(transition)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
        return error
    return None
