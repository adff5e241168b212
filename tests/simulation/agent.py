"""An agent process: the real Brain, PlanWatch, PlanFeed and StatusWriter; hands that act on the simulated host."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from backstay.ocf.exitcode import OpStatus, status_of
from backstay_nodeagent import commands as do
from backstay_nodeagent import events as ev
from backstay_nodeagent.brain import Brain
from backstay_nodeagent.operation import CANCELLED, Instant, Operation, Outcome, Process
from backstay_nodeagent.orders import Verb
from backstay_nodeagent.plan_feed import PlanFeed
from backstay_nodeagent.plan_watch import PlanWatch
from backstay_nodeagent.recording import split
from backstay_nodeagent.resources import release_chains
from backstay_nodeagent.status_view import status_of as wire_status
from backstay_nodeagent.status_writer import StatusWriter
from simulation import virtual_time
from simulation.api_server import SimClient

if TYPE_CHECKING:
    from simulation.host import Host
    from simulation.keeper import Keeper

IMPORT_S = 0.6
PING_S = 0.25
RESTART_PAUSE_S = 0.2
KEEPER_SILENT_S = 3.0
RECORD_AGAIN_S = 1.0
DUMMY, FENCE = "ocf:heartbeat:Dummy", "stonith:fence_sim"
METADATA = (
    '<?xml version="1.0"?><resource-agent name="Dummy" version="1.0"><version>1.1</version>'
    '<longdesc lang="en">d</longdesc><shortdesc lang="en">d</shortdesc><parameters>'
    '<parameter name="state" unique-group="state"><content type="string"/></parameter></parameters>'
    '<actions><action name="start" timeout="20s"/><action name="stop" timeout="20s"/>'
    '<action name="monitor" timeout="20s" interval="10s"/><action name="meta-data" timeout="5s"/></actions></resource-agent>'
)


class Agent:
    """As `agent.Hands` and `program.Program`, without their files, sockets and processes."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.world = host.world
        self.number = self.world.next_number()
        self.process = virtual_time.Process(f"{host.name}/agent{self.number}", host.clock)
        self.brain = Brain(node=host.name, boot_id=host.boot_id, slots=4)
        self.connected: Keeper | None = None
        self._inbox: list[ev.Event] = []
        self._stepping = False
        self._calls: dict[int, int] = {}
        self._reasons: dict[int, str] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._status_revision = -1
        self._release_revision = -1
        self._writer: StatusWriter | None = None
        self._watch: PlanWatch | None = None
        self._keeper_heard = 0.0
        self._failing = False
        self._trouble_told = ""
        self._record_timer: asyncio.TimerHandle | None = None

    # -- life

    def begin(self) -> None:
        self.world.loop.start(self.process, self._run())

    def die(self) -> None:
        self.process.kill()
        self.host.disk_of_records.agent_ended()
        if self.host.keeper is not None:
            self.host.keeper.agent_lost(self)

    async def _run(self) -> None:
        run = self.host.run
        renewal = run.renewal
        known = (
            ev.Renewal(renewal["sent_at"], renewal["lease_s"]) if renewal.get("sent_at") is not None else None
        )
        self.post(
            ev.Recovered(
                journal=self.host.journal_text(),
                epochs=dict(self.host.disk),
                last_renewal=known,
                kept_until=renewal.get("kept_until"),
            )
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(self._mind_keeper())
            await asyncio.sleep(IMPORT_S * self.host.dice.uniform(0.7, 1.6))
            client = SimClient(self.world.api, self.world.api.link(self.host.name), caller=self.process.name)
            feed = PlanFeed(self)  # type: ignore[arg-type]
            self._writer = StatusWriter(
                client, self.host.name, snapshot=self._status, on_written=feed.status_written
            )
            feed.on_new_plan = self._writer.forget
            feed.on_fresh = self._writer.compare
            self._watch = PlanWatch(client, self.host.name, feed.take)
            self._writer.kick()
            group.create_task(self._watch.run())
            group.create_task(self._writer.run())

    def _status(self) -> dict[str, Any]:
        status = wire_status(self.brain, incarnation=f"i{self.number}", agent_version="sim")
        status["vouchingKey"] = self.host.keys.public
        status["capabilities"] = {"standards": ["ocf", "stonith"], "agents": [DUMMY, FENCE]}
        return json.loads(json.dumps(status))  # type: ignore[no-any-return]

    # -- the keeper

    async def _mind_keeper(self) -> None:
        """As KeeperLink: connect, ping, start another when it is lost or silent."""
        while True:
            keeper = self.host.keeper
            if self.connected is not None and self.connected is not keeper:
                self.connected = None
                self.post(ev.KeeperLost())
            if keeper is None or not keeper.process.alive:
                if self.connected is not None:
                    self.connected = None
                    self.post(ev.KeeperLost())
                    await asyncio.sleep(RESTART_PAUSE_S)
                self._write_config()
                self.host.start_keeper()
                await asyncio.sleep(0.02)
                continue
            if self.connected is None:
                self.connected = keeper
                self._keeper_heard = virtual_time.local_now()
                self._write_config()
                self._say("hello")
            else:
                self._say("ping")
                if virtual_time.local_now() - self._keeper_heard > KEEPER_SILENT_S:
                    self.world.story(f"agent of {self.host.name} finds that its keeper hangs")
                    self.host.kill_keeper()
                    continue
            await asyncio.sleep(PING_S)

    def _say(self, word: str) -> None:
        keeper = self.host.keeper
        if keeper is not None and keeper.process.alive:
            self.world.loop.post(keeper.process, keeper.hear, self, word, delay=0.0005)

    def hear(self, keeper: Keeper, kind: str, payload: Any = None) -> None:
        """A line of the keeper's; what a connection that is closed still held is lost."""
        if keeper is not self.connected:
            return
        self._keeper_heard = virtual_time.local_now()
        match kind:
            case "renewed":
                self.post(ev.LeaseRenewed(ev.Renewal(*payload)))
            case "vouched":
                self.post(ev.Vouched(payload))
            case "releasing":
                self.post(ev.KeeperReleasing())
            case "released":
                self.post(ev.KeeperReleased(tuple(payload)))
                self._say("taken")

    def _write_config(self, **changes: Any) -> None:
        config = self.host.run.config
        config.setdefault("beat", 0)
        config.setdefault("vouching", None)
        config.setdefault("watchdog", None)
        config["timings"] = asdict(self.brain.guard.timings)
        config.update(changes)

    def _configure(self, **changes: Any) -> None:
        self._write_config(**changes)
        self._say("reload")

    # -- the brain

    def post(self, event: ev.Event) -> None:
        self._inbox.append(event)
        if self._stepping:
            return
        self._stepping = True
        try:
            while self._inbox:
                for command in self._recorded(self.brain.step(self._inbox.pop(0), self._instant())):
                    self._carry_out(command)
        finally:
            self._stepping = False
        self._after_step()

    def _instant(self) -> Instant:
        clock = self.host.clock
        return Instant(clock.monotonic(), clock.wall())

    def _recorded(self, commands: list[do.Command]) -> list[do.Command]:
        """As Hands: records first; what can't be recorded is withheld."""
        trouble = self._record(commands)
        if not trouble:
            return [one for one in commands if not isinstance(one, do.WriteJournal)]
        kept, withheld = split(commands)
        if withheld or trouble != self._trouble_told:
            self._trouble_told = trouble
            self._inbox.append(ev.RecordingFailed(trouble, withheld))
        if self._record_timer is None:
            self._record_timer = self.world.loop.call_later(
                RECORD_AGAIN_S, self._record_again, context=self.process.context
            )
        return kept

    def _record(self, commands: list[do.Command]) -> str:
        disk = self.host.disk_of_records
        try:
            for command in commands:
                if isinstance(command, do.WriteJournal):
                    self.world.checkers.journal(self.host, command.entries)
                    disk.write(command.entries)
            if self.brain.resources.revision != self._release_revision:
                disk.check()
                self._write_release()
        except OSError as error:
            return error.strerror or str(error)
        return disk.trouble

    def _record_again(self) -> None:
        self._record_timer = None
        trouble = self._record([do.WriteJournal({})])
        if trouble:
            self._recorded([do.WriteJournal({})])
            self.post(ev.Tick())
        elif self._trouble_told:
            self._trouble_told = ""
            self.post(ev.RecordingWorks())

    def _write_release(self) -> None:
        self._release_revision = self.brain.resources.revision
        self.host.run.release = [
            [order for one in chain for order in self._release_orders(one)]
            for chain in release_chains(iter(self.brain.resources))
        ]

    def _after_step(self) -> None:
        if self.brain.status_revision != self._status_revision:
            self._status_revision = self.brain.status_revision
            if self._writer is not None:
                self._writer.kick()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        wake_at = self.brain.next_wake()
        if wake_at != float("inf"):
            delay_s = max(1e-5, self.host.clock.true_delay(wake_at - self.host.clock.monotonic()))
            self._timer = self.world.loop.call_later(
                delay_s, self.post, ev.Tick(), context=self.process.context
            )

    def _release_orders(self, resource: str) -> list[Any]:
        state = self.brain.resources.get(resource)
        return state.release_orders() if state is not None else []

    def _carry_out(self, command: do.Command) -> None:
        match command:
            case do.WriteJournal():
                raise AssertionError("records come first")
            case do.StoreEpoch(cluster, epoch):
                self._store_epoch(cluster, epoch)
            case do.StartOperation(operation):
                self._start(operation)
            case do.EndOperation(call_id, reason):
                self._reasons[call_id] = reason
                if call_id in self._calls:
                    self.host.kill_call(self._calls[call_id])
            case do.EndOrphan():
                self.world.loop.start(self.process, self._end_orphan(command))
            case do.ReadPlan():
                if self._watch is not None:
                    self._watch.refresh()
            case do.SetTimings(timings):
                self._configure(timings=asdict(timings))
            case do.SetBeat(beat):
                self._configure(beat=beat)
            case do.SetWatchdog(watchdog):
                self._configure(watchdog=None if watchdog is None else asdict(watchdog))
            case do.SetDismissed(dismissed):
                self._configure(dismissed=dismissed)
            case do.SetVouching(vouching):
                config = None if vouching is None else self.host.keys.keeper_config(self.host.name, vouching)
                self.world.loop.call_later(
                    0.05, lambda: self._configure(vouching=config), context=self.process.context
                )
            case do.Tell(event, fields):
                self.world.detail(f"agent {self.host.name}: {event} {dict(fields)}")

    def _store_epoch(self, cluster: str, epoch: int) -> None:
        """Until it is stored, or outdated."""
        if self.brain.epochs.get(cluster, 0) > epoch:
            return
        try:
            self.host.disk_of_records.check()
        except OSError:
            self.world.loop.call_later(
                RECORD_AGAIN_S, self._store_epoch, cluster, epoch, context=self.process.context
            )
        else:
            self.host.disk[cluster] = epoch

    # -- operations

    def _start(self, operation: Operation) -> None:
        order = operation.order
        self.world.checkers.operation(self.host, operation)
        self._calls[operation.call_id] = number = self.host.execute(
            operation,
            lambda rc, killed: self.world.loop.post(self.process, self._ended, operation, rc, killed),
        )
        process = Process(pid=number, start_ticks=1, deadline=operation.started.at + order.timeout_ms / 1000)
        self.world.loop.post(
            self.process, self.post, ev.OperationSpawned(operation.call_id, process), delay=0.002
        )
        timeout_s = self.host.clock.true_delay(order.timeout_ms / 1000)
        self.world.loop.call_later(timeout_s, self._time_out, operation.call_id, context=self.process.context)

    def _time_out(self, call_id: int) -> None:
        if call_id in self._calls:
            self._reasons.setdefault(call_id, "")
            self.host.kill_call(self._calls[call_id])

    def _ended(self, operation: Operation, rc: int, killed: bool) -> None:
        order = operation.order
        self._calls.pop(operation.call_id, None)
        reason = self._reasons.pop(operation.call_id, None)
        if killed and reason:
            outcome = replace(CANCELLED, reason=reason)
        elif killed:
            outcome = Outcome(rc=1, status=OpStatus.TIMEOUT, reason="timed out")
        else:
            status = status_of(rc, operation=order.verb.value, target_rc=order.target_rc)
            document = METADATA if order.verb is Verb.META_DATA else ""
            outcome = Outcome(rc=rc, status=status, document=document)
        self.post(ev.OperationFinished(operation.call_id, outcome))

    async def _end_orphan(self, orphan: do.EndOrphan) -> None:
        """Wait for it until its deadline, or kill it at once; then say that it is gone."""
        call = next((one for one in self.host.calls.values() if one.tag == orphan.call_id), None)
        if call is not None:
            gone = asyncio.Event()
            before = call.done
            loop, process = self.world.loop, self.process

            def done(rc: int, killed: bool) -> None:
                before(rc, killed)
                loop.post(process, gone.set)

            call.done = done
            self._calls[orphan.call_id] = call.number
            if orphan.at_once:
                self.host.kill_call(call.number)
            else:
                left = call.deadline - virtual_time.local_now()
                loop.call_later(max(0.0, left), self.host.kill_call, call.number, context=process.context)
            await gone.wait()
            self._calls.pop(orphan.call_id, None)
        self.post(ev.OrphanEnded(orphan.call_id))
