"""The shell around `backstay.liveness.Candidate`: reads and writes the DC Lease of one cluster."""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from collections.abc import Callable
from typing import Any

from backstay.api import ANNOTATION_LEASE_MS, LEASE_NAMESPACE, Heartbeat
from backstay.api.quantities import timestamp
from backstay.liveness import Candidate, ElectionStep, LeaseView
from backstay.liveness.election import PACE_MAX_S, Pace, pace_of
from backstay_kube import kinds
from backstay_kube.client import KubeClient, Obj
from backstay_kube.errors import ApiConflict, ApiError, ApiNotFound
from backstay_kube.reflector import Reflector

log = logging.getLogger(__name__)

LOOK_TIMEOUT_S = 1.0


INELIGIBLE_LOOK_S = 0.2
"""How often a replica that may not lead asks whether it may again."""


class Elector:
    """Takes part in the election for one cluster. `leads()` is true only while our last good renewal is young enough.

    While `is_eligible` says no, it gives the Lease up and does not stand: another replica may be able to lead."""

    def __init__(
        self,
        client: KubeClient,
        leases: Reflector,
        *,
        cluster: str,
        identity: str,
        is_eligible: Callable[[], bool],
    ) -> None:
        self.candidate = Candidate(identity, _pace(Heartbeat()))
        self.name = f"dc-{cluster}"
        self._client = client
        self._leases = leases
        self._identity = identity
        self._is_eligible = is_eligible
        self._changed = asyncio.Event()

    def follow(self, heartbeat: Heartbeat) -> None:
        """Elect at the pace of the cluster's heartbeat, from the next write on."""
        self.candidate.pace = _pace(heartbeat)

    def leads(self) -> bool:
        return self._is_eligible() and self.candidate.leads(time.monotonic())

    def lost(self) -> None:
        """Another DC was seen at work: stand back."""
        self.candidate.lost()

    def poke(self) -> None:
        """The Lease may have changed."""
        self._changed.set()

    @property
    def holder(self) -> str:
        """Identity of the present holder, empty if none."""
        obj = self._leases.get(self.name, LEASE_NAMESPACE)
        return str(obj["spec"].get("holderIdentity") or "") if obj else ""

    async def run(self, on_change: Any) -> None:
        """For ever; `on_change` is called when leading begins or ends."""
        await self._leases.synced.wait()
        led = False
        while True:
            if not self._is_eligible():
                led = False
                await self.release()
                on_change()
                await asyncio.sleep(INELIGIBLE_LOOK_S)
                continue
            obj = self._leases.get(self.name, LEASE_NAMESPACE)
            view = _view(obj)
            now = time.monotonic()
            self.candidate.observe(view, now)
            step = self.candidate.step(view, now)
            if step is not ElectionStep.WAIT:
                await self._write(step, obj)
            if self.leads() != led:
                led = not led
                on_change()
            self._changed.clear()
            pause = self.candidate.wake_in(
                _view(self._leases.get(self.name, LEASE_NAMESPACE)), time.monotonic()
            )
            if led:
                pause = min(pause, self.candidate.pace.renew_s / 2)
            try:
                async with asyncio.timeout(pause * random.uniform(0.9, 1.0)):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _write(self, step: ElectionStep, obj: Obj | None) -> None:
        sent_at = time.monotonic()
        self.candidate.sent(sent_at)
        try:
            async with asyncio.timeout(self.candidate.pace.duration_s / 2):
                answer = await self._send(step, obj)
        except (ApiConflict, ApiNotFound) as error:
            log.debug("election of %s: %s", self.name, error)
            await self._look_again()
        except (ApiError, TimeoutError) as error:
            log.debug("election of %s: %s", self.name, error)
        else:
            self._leases.accept(answer)
            self.candidate.observe(_view(answer), time.monotonic())
            self.candidate.succeeded(sent_at)
            if step is not ElectionStep.RENEW:
                log.info("elected DC", extra={"lease": self.name, "identity": self._identity})

    async def _send(self, step: ElectionStep, obj: Obj | None) -> Obj:
        duration_s = self.candidate.pace.duration_s
        annotations = {ANNOTATION_LEASE_MS: str(round(duration_s * 1000))}
        spec: Obj = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": math.ceil(duration_s),
            "renewTime": timestamp(time.time()),
        }
        if step is ElectionStep.CREATE or obj is None:
            spec["acquireTime"] = spec["renewTime"]
            spec["leaseTransitions"] = 0
            metadata = {"name": self.name, "namespace": LEASE_NAMESPACE, "annotations": annotations}
            body = {"metadata": metadata, "spec": spec}
            return await self._client.create(kinds.LEASE, body, LEASE_NAMESPACE)
        if step is ElectionStep.TAKE:
            spec["acquireTime"] = spec["renewTime"]
            spec["leaseTransitions"] = int(obj["spec"].get("leaseTransitions") or 0) + 1
        metadata = {"resourceVersion": obj["metadata"]["resourceVersion"], "annotations": annotations}
        body = {"metadata": metadata, "spec": spec}
        return await self._client.patch(kinds.LEASE, self.name, body, namespace=LEASE_NAMESPACE)

    async def _look_again(self) -> None:
        try:
            async with asyncio.timeout(LOOK_TIMEOUT_S):
                self._leases.accept(await self._client.get(kinds.LEASE, self.name, LEASE_NAMESPACE))
        except (ApiError, TimeoutError) as error:
            log.debug("cannot read %s: %s", self.name, error)

    async def release(self) -> None:
        """Give the Lease up, so that the next DC need not wait for it to run out."""
        if not self.candidate.leads(time.monotonic()):
            return
        self.candidate.lost()
        obj = self._leases.get(self.name, LEASE_NAMESPACE)
        if obj is None:
            return
        body = {
            "metadata": {"resourceVersion": obj["metadata"]["resourceVersion"]},
            "spec": {"holderIdentity": "", "renewTime": timestamp(time.time())},
        }
        try:
            async with asyncio.timeout(LOOK_TIMEOUT_S):
                await self._client.patch(kinds.LEASE, self.name, body, namespace=LEASE_NAMESPACE)
        except (ApiError, TimeoutError) as error:
            log.debug("cannot release %s: %s", self.name, error)


def _pace(heartbeat: Heartbeat) -> Pace:
    return pace_of(heartbeat.lease_s)


def _view(obj: Obj | None) -> LeaseView | None:
    if obj is None:
        return None
    spec = obj.get("spec") or {}
    annotations = obj["metadata"].get("annotations") or {}
    try:  # whole seconds are all that the field itself can hold
        duration_s = int(annotations[ANNOTATION_LEASE_MS]) / 1000
    except (KeyError, ValueError):
        duration_s = float(spec.get("leaseDurationSeconds") or PACE_MAX_S)
    return LeaseView(
        holder=str(spec.get("holderIdentity") or ""),
        token=f"{spec.get('renewTime')}/{obj['metadata'].get('resourceVersion')}",
        duration_s=duration_s,
    )
