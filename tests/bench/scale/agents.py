"""Many node agents in one process: real brains, plans, statuses and Leases over real connections; only the resources are pretended.

``python -m bench.scale.agents DIRECTORY NODE...``: DIRECTORY holds a kubeconfig per node. Lines of JSON on stdout tell what happens,
with CLOCK_MONOTONIC seconds; lines on stdin are orders: ``kill NODE`` ends an agent and its renewals between two renewals, as a power
cut would.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
import traceback
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backstay.api import GROUP, LEASE_NAMESPACE
from backstay.ocf.exitcode import ExitCode, OpStatus, status_of
from backstay_kube import kinds
from backstay_kube.client import KubeClient
from backstay_kube.errors import ApiError, ApiNotFound
from backstay_nodeagent import events as ev
from backstay_nodeagent.agent import Hands, Settings, instant
from backstay_nodeagent.host_process import ProcessControl
from backstay_nodeagent.invocation import Invoker
from backstay_nodeagent.lease_client import micro_time
from backstay_nodeagent.operation import Operation, Outcome
from backstay_nodeagent.orders import Order, SecretRef, Timings, Verb, WatchdogOrders
from backstay_nodeagent.plan_feed import PlanFeed
from backstay_nodeagent.plan_watch import PlanWatch
from backstay_nodeagent.secret_store import SecretError, SecretStore
from backstay_nodeagent.status_view import status_of as wire_status
from backstay_nodeagent.status_writer import StatusWriter

ACTION_S = 0.02
AGENT = "ocf:heartbeat:Dummy"
SLOTS = 8
METADATA = (
    '<?xml version="1.0"?><resource-agent name="Dummy" version="1.0"><version>1.1</version>'
    '<longdesc lang="en">d</longdesc><shortdesc lang="en">d</shortdesc><parameters>'
    '<parameter name="state"><content type="string"/></parameter></parameters>'
    '<actions><action name="start" timeout="20s"/><action name="stop" timeout="20s"/>'
    '<action name="monitor" timeout="20s" interval="10s"/><action name="meta-data" timeout="5s"/></actions></resource-agent>'
)


def say(what: str, **facts: Any) -> None:
    """To the bench."""
    print(json.dumps({"what": what, "at": time.monotonic(), **facts}), flush=True)


class Pretender:
    """In an Executor's place: resources that start, stop and are monitored in ACTION_S."""

    def __init__(self, node: str, totals: Totals) -> None:
        self.invoker = Invoker(node=node)
        self._totals = totals
        self.active: set[str] = set()

    async def run(
        self, operation: Operation, _params: Mapping[str, str], _control: ProcessControl
    ) -> Outcome:
        order = operation.order
        if order.verb is Verb.START:
            self._totals.start_ordered()
        await asyncio.sleep(ACTION_S)
        if order.verb is Verb.META_DATA:
            return Outcome(rc=ExitCode.OK, status=OpStatus.DONE, document=METADATA)
        rc = self._acted(order)
        status = status_of(rc, operation=order.verb.value, target_rc=order.target_rc)
        return Outcome(rc=rc, status=status)

    def die(self) -> int:
        """With its host. How many resources were active."""
        ran = len(self.active)
        self._totals.active -= ran
        self._totals = Totals()  # the agent's last deeds are nobody's
        return ran

    def _acted(self, order: Order) -> ExitCode:
        match order.verb:
            case Verb.START:
                self.active.add(order.resource)
                self._totals.active += 1
            case Verb.STOP if order.resource in self.active:
                self.active.remove(order.resource)
                self._totals.active -= 1
            case Verb.MONITOR if order.resource not in self.active:
                return ExitCode.NOT_RUNNING
        return ExitCode.OK


class Totals:
    """Over all agents of this process."""

    def __init__(self) -> None:
        self.active = 0
        self.starts = 0
        self.started_at = 0.0

    def start_ordered(self) -> None:
        self.starts += 1
        self.started_at = time.monotonic()

    async def tell(self) -> None:
        """Whenever something changed, five times a second."""
        told = (-1, -1)
        while True:
            if (self.active, self.starts) != told:
                told = (self.active, self.starts)
                say("totals", active=self.active, starts=self.starts, last_start=self.started_at)
            await asyncio.sleep(0.2)


class Renewer:
    """In a KeeperLink's place: renews the Lease over a connection of its own, as the keeper does."""

    def __init__(self, hands: Hands, client: KubeClient) -> None:
        self._hands = hands
        self._client = client
        self._timings = Timings()
        self._beat = 0
        self._sequence = 0
        self._now = asyncio.Event()
        self.renewed_at = 0.0
        self.failures = 0

    def set_timings(self, timings: Timings) -> None:
        self._timings = timings

    def set_beat(self, beat: int) -> None:
        if beat != self._beat:
            self._beat = beat
            self._now.set()

    def set_vouching(self, _vouching: dict[str, Any] | None) -> None:
        """Nobody here is ever cut off."""

    def set_watchdog(self, _watchdog: WatchdogOrders | None) -> None:
        """There is none."""

    def set_dismissed(self, _dismissed: bool) -> None:
        """Agents end with the bench."""

    async def run(self) -> None:
        """For ever; a renewal that fails is tried again soon."""
        await asyncio.sleep(random.uniform(0.0, self._timings.renew_interval_s))
        while True:
            sent_at, begun = instant().at, time.monotonic()
            self._now.clear()
            self._sequence += 1
            try:
                await self._renew(min(0.9, self._timings.lease_duration_s / 3))
            except ApiError:
                self.failures += 1
                pause_s = 0.1
            else:
                self.renewed_at = begun
                self._hands.post(ev.LeaseRenewed(ev.Renewal(sent_at, self._timings.lease_duration_s)))
                pause_s = self._timings.renew_interval_s - (time.monotonic() - begun)
            try:
                async with asyncio.timeout(max(0.0, pause_s)):
                    await self._now.wait()
            except TimeoutError:
                continue

    async def _renew(self, timeout_s: float) -> None:
        settings, lease_s = self._hands.settings, self._timings.lease_duration_s
        name = f"node-{settings.node}"
        annotations = {
            f"{GROUP}/boot-id": settings.boot_id,
            f"{GROUP}/incarnation": self._hands.incarnation,
            f"{GROUP}/lease-duration-ms": str(round(lease_s * 1000)),
            f"{GROUP}/agent": "alive",
            f"{GROUP}/sequence": str(self._sequence),
            f"{GROUP}/beat": str(self._beat),
            f"{GROUP}/vouching-ms": "0",
        }
        body = {
            "metadata": {"annotations": annotations},
            "spec": {
                "holderIdentity": settings.node,
                "leaseDurationSeconds": max(1, -int(-lease_s // 1)),
                "renewTime": micro_time(),
            },
        }
        try:
            await self._client.patch(kinds.LEASE, name, body, namespace=LEASE_NAMESPACE, timeout_s=timeout_s)
        except ApiNotFound:
            metadata = {"name": name, "namespace": LEASE_NAMESPACE, **body["metadata"]}
            await self._client.create(kinds.LEASE, {**body, "metadata": metadata}, LEASE_NAMESPACE)


class Agent:
    """One node's."""

    def __init__(self, node: str, directory: Path, totals: Totals) -> None:
        self.node = node
        self._directory = directory
        self.pretender = Pretender(node, totals)
        self._totals = totals
        self._parts: asyncio.Task[None] | None = None
        self.renewer: Renewer | None = None

    async def begin(self) -> None:
        """Connect; the rest goes on by itself."""
        kubeconfig = str(self._directory / f"{self.node}.kubeconfig")
        client = await KubeClient.connect(kubeconfig, field_manager="backstay-nodeagent")
        hands = self._hands()
        self.renewer = Renewer(hands, client)
        hands.keeper = self.renewer  # type: ignore[assignment]
        hands.executor = self.pretender  # type: ignore[assignment]
        hands.recover()
        self._parts = asyncio.create_task(self._run(hands, client))
        self._parts.add_done_callback(self._ended)

    def _hands(self) -> Hands:
        place = self._directory / self.node
        place.mkdir()
        settings = Settings(
            node=self.node, state_dir=place, run_dir=place, boot_id=str(uuid.uuid4()), slots=SLOTS
        )
        return Hands(settings, invoker=self.pretender.invoker, secrets=SecretStore(place, _no_secret))

    async def _run(self, hands: Hands, client: KubeClient) -> None:
        def status() -> dict[str, Any]:
            shown = wire_status(hands.brain, incarnation=hands.incarnation, agent_version="bench")
            return {**shown, "capabilities": {"standards": ["ocf"], "agents": [AGENT]}}

        feed = PlanFeed(hands)
        writer = StatusWriter(client, self.node, snapshot=status, on_written=feed.status_written)
        feed.on_new_plan = writer.forget
        watch = PlanWatch(client, self.node, feed.take)
        hands.on_status_change.append(writer.kick)
        hands.on_read_plan.append(watch.refresh)
        assert self.renewer is not None
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.renewer.run())
                group.create_task(watch.run())
                group.create_task(_report(feed, writer))
                group.create_task(_raise(hands))
        finally:
            await client.close()

    def _ended(self, parts: asyncio.Task[None]) -> None:
        """An agent that fails would be a node that is silent for no reason: then nothing is measured."""
        if not parts.cancelled() and (error := parts.exception()) is not None:
            traceback.print_exception(error)
            os._exit(1)

    async def kill(self) -> None:
        """Half an interval after a renewal, as power cuts are on average."""
        assert self._parts is not None
        assert self.renewer is not None
        before = self.renewer.renewed_at
        while self.renewer.renewed_at == before:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.5)
        self._parts.cancel()
        say("killed", node=self.node, renewed_at=self.renewer.renewed_at, ran=self.pretender.die())


async def _report(feed: PlanFeed, writer: StatusWriter) -> None:
    await feed.heard.wait()
    writer.kick()
    await writer.run()


async def _raise(hands: Hands) -> None:
    await hands.failed


async def _no_secret(_ref: SecretRef) -> str:
    raise SecretError("there are no secrets here")


async def run(directory: Path, nodes: list[str]) -> None:
    """Until stdin ends."""
    totals = Totals()
    agents = {node: Agent(node, directory, totals) for node in nodes}
    for agent in agents.values():
        await agent.begin()
    say("ready", agents=len(agents))
    telling = asyncio.create_task(totals.tell())
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while line := (await reader.readline()).decode().split():
        match line:
            case ["kill", node]:
                await agents[node].kill()
            case ["failures"]:
                failures = sum(one.renewer.failures for one in agents.values() if one.renewer)
                say("failures", failures=failures)
    telling.cancel()


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), sys.argv[2:]))
    os._exit(0)  # agents end as hosts do: without a word
