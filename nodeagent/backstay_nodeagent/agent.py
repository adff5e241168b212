"""The agent: the brain, and the hands that do what it says.

Everything happens in one asyncio loop. The brain's commands are carried out in order; what takes time runs as a task and comes
back as an event. A task that fails in a way nobody foresaw ends the agent: its supervisor starts it anew, the keeper holds the
lease meanwhile, and the journal tells the rest.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import time
import uuid
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, assert_never

from backstay.liveness.machine import NO_IDENTITY, MachineIdentity
from backstay.ocf.exitcode import ExitCode, OpStatus
from backstay_nodeagent import commands as do
from backstay_nodeagent import events as ev
from backstay_nodeagent.brain import Brain
from backstay_nodeagent.durable_file import DurableFile
from backstay_nodeagent.executor import Executor
from backstay_nodeagent.heartbeat import JOURNAL_FILE, RELEASE_FILE
from backstay_nodeagent.host_process import ProcessControl
from backstay_nodeagent.host_state import EpochFile
from backstay_nodeagent.invocation import Invoker
from backstay_nodeagent.journal import Journal
from backstay_nodeagent.keeper_link import KeeperLink, kept_until, last_renewal
from backstay_nodeagent.operation import Instant, Operation, Outcome, Process
from backstay_nodeagent.orders import VouchOrders
from backstay_nodeagent.orphans import OrphanKeeper
from backstay_nodeagent.proc_stat import start_ticks
from backstay_nodeagent.recording import split
from backstay_nodeagent.release_plan import ReleasePlan
from backstay_nodeagent.secret_store import SecretError, SecretStore

if TYPE_CHECKING:
    from backstay_nodeagent.vouch_keys import KeyRing

log = logging.getLogger(__name__)
RECORD_AGAIN_S = 1.0
EPOCH_PAUSE_S, EPOCH_PAUSE_MAX_S = 1.0, 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the command line says. `kubeconfig` None: the pod's service account."""

    node: str
    state_dir: Path
    run_dir: Path
    boot_id: str
    kubeconfig: str | None = None
    machine: MachineIdentity = NO_IDENTITY
    slots: int = max(2, 2 * (os.cpu_count() or 1))


class Hands:
    """Carries out commands and posts events back. `api` is attached as soon as the API's client is loaded."""

    def __init__(self, settings: Settings, *, invoker: Invoker, secrets: SecretStore) -> None:
        self.settings = settings
        self.incarnation = uuid.uuid4().hex[:12]
        self.brain = Brain(node=settings.node, boot_id=settings.boot_id, slots=settings.slots)
        self.executor = Executor(invoker, boot_id=settings.boot_id)
        self.secrets = secrets
        self.keeper: KeeperLink | None = None
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.on_status_change: list[Any] = []
        self.on_read_plan: list[Any] = []
        self.on_operation_end: list[Callable[[Operation, Outcome], None]] = []
        self.on_renewal: list[Callable[[ev.Renewal], None]] = []
        self._journal = Journal(settings.run_dir / JOURNAL_FILE, boot_id=settings.boot_id)
        self._epochs = EpochFile(settings.state_dir)
        self._release_file = DurableFile(settings.run_dir / RELEASE_FILE)
        self._inbox: deque[ev.Event] = deque()
        self._stepping = False
        self._controls: dict[int, ProcessControl] = {}
        self._orphans = OrphanKeeper(settings.boot_id, post=self.post)
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._vouching_wanted: VouchOrders | None = None
        self.keys: KeyRing | None = None
        """Known once `load_keys` has ended, which imports the cryptography library."""
        self._status_revision = -1
        self._release_revision = -1
        self._release_text = ""
        self._trouble_told = ""
        self._record_timer: asyncio.TimerHandle | None = None
        self._epoch_turn = asyncio.Lock()
        self._release_plan = ReleasePlan(invoker, secrets)
        asyncio.get_running_loop().set_exception_handler(self._on_loop_error)

    # -- the loop

    def recover(self) -> None:
        """The first event: what this boot knows so far."""
        settings = self.settings
        self.post(
            ev.Recovered(
                journal=dict(self._journal.entries),
                epochs=self._epochs.load(),
                last_renewal=last_renewal(settings.run_dir, settings.boot_id),
                kept_until=kept_until(settings.run_dir, settings.boot_id),
            )
        )

    def post(self, event: ev.Event) -> None:
        """Tell the brain; events that come up while it is being told wait their turn."""
        self._inbox.append(event)
        if isinstance(event, ev.LeaseRenewed):
            for notify in self.on_renewal:
                notify(event.renewal)
        if self._stepping:
            return
        self._stepping = True
        self._hear_keeper_first()
        try:
            while self._inbox:
                for command in self._recorded(self.brain.step(self._inbox.popleft(), instant())):
                    self._carry_out(command)
        finally:
            self._stepping = False
        self._after_step()

    def _hear_keeper_first(self) -> None:
        """An agent that was held up finds its lease run out by its timer, while what the keeper said waits unread in the socket. The
        keeper's file has its newest word."""
        due_at = self.brain.guard.judge_at
        if due_at is None or instant().at < due_at:
            return
        settings = self.settings
        renewal, kept = (
            last_renewal(settings.run_dir, settings.boot_id),
            kept_until(settings.run_dir, settings.boot_id),
        )
        if renewal is not None:
            self._inbox.appendleft(ev.LeaseRenewed(renewal))
        if kept is not None:
            # Before the renewal, which is old where promises count: the first event that comes in is judged by.
            self._inbox.appendleft(ev.Vouched(kept))

    # -- records

    def _recorded(self, commands: list[do.Command]) -> list[do.Command]:
        """Write down what the commands make of the world, before they are carried out; returns those that may be, then."""
        trouble = self._record(commands)
        if not trouble:
            return [one for one in commands if not isinstance(one, do.WriteJournal)]
        kept, withheld = split(commands)
        self._recording_trouble(trouble, withheld)
        return kept

    def _record(self, commands: list[do.Command]) -> str:
        """Journal, then the keeper's release plan. Returns what went wrong, or soon will: the journal has room for ends and stops
        only."""
        try:
            for command in commands:
                if isinstance(command, do.WriteJournal):
                    self._journal.write(command.entries)
            if self.brain.resources.revision != self._release_revision:
                self._write_release_plan()
                self._release_revision = self.brain.resources.revision
        except OSError as error:
            return error.strerror or str(error)
        return self._journal.trouble

    def _recording_trouble(self, trouble: str, withheld: tuple[int, ...]) -> None:
        if withheld or trouble != self._trouble_told:
            self._trouble_told = trouble
            self._inbox.append(ev.RecordingFailed(trouble, withheld))
        if self._record_timer is None:
            self._record_timer = asyncio.get_running_loop().call_later(RECORD_AGAIN_S, self._record_again)

    def _record_again(self) -> None:
        """Once a second while something is wrong with the disk."""
        self._record_timer = None
        self._journal.try_again()
        trouble = self._record([])
        if trouble:
            self._recording_trouble(trouble, ())
            self.post(ev.Tick())
        elif self._trouble_told:
            self._trouble_told = ""
            self.post(ev.RecordingWorks())

    def _after_step(self) -> None:
        if self.brain.status_revision != self._status_revision:
            self._status_revision = self.brain.status_revision
            for notify in self.on_status_change:
                notify()
        self._arm_timer()

    def _arm_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        wake_at = self.brain.next_wake()
        if wake_at != float("inf"):
            delay_s = min(3600.0, max(0.0, wake_at - instant().at))
            self._timer = asyncio.get_running_loop().call_later(delay_s, self.post, ev.Tick())

    # -- commands

    def _carry_out(self, command: do.Command) -> None:
        match command:
            case do.WriteJournal():
                raise AssertionError("records come first")
            case do.StoreEpoch():
                self.spawn(self._store_epoch(command.cluster, command.epoch))
            case do.StartOperation():
                control = ProcessControl()
                self._controls[command.operation.call_id] = control
                self.spawn(self._run(command.operation, control))
            case do.EndOperation():
                control_or_none = self._controls.get(command.call_id)
                if control_or_none is not None:
                    control_or_none.end(command.reason)
                else:
                    self._orphans.end(command.call_id)
            case do.EndOrphan():
                self.spawn(self._orphans.await_end(command))
            case do.ReadPlan():
                for notify in self.on_read_plan:
                    notify()
            case do.SetTimings() | do.SetBeat() | do.SetVouching() | do.SetWatchdog() | do.SetDismissed():
                self._tell_keeper(command)
            case do.Tell():
                level = logging.WARNING if command.warning else logging.INFO
                log.log(level, command.event, extra={"fields": dict(command.fields)})
            case _:
                assert_never(command)

    def _tell_keeper(self, command: do.ToKeeper) -> None:
        if isinstance(command, do.SetVouching):
            self._vouching_wanted = command.vouching
            self.spawn(self._set_vouching(command.vouching))
        if self.keeper is None:
            return
        match command:
            case do.SetTimings():
                self.keeper.set_timings(command.timings)
            case do.SetBeat():
                self.keeper.set_beat(command.beat)
            case do.SetWatchdog():
                self.keeper.set_watchdog(command.watchdog)
            case do.SetDismissed():
                self.keeper.set_dismissed(command.dismissed)
            case do.SetVouching():
                pass
            case _:
                assert_never(command)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run it as a task; a defect in it ends the agent."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not self.failed.done():
            self.failed.set_exception(error)

    def _on_loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A callback that raised has left things half done: as bad as a task that failed. The rest is noise to be logged."""
        error = context.get("exception")
        if "handle" in context and error is not None and not self.failed.done():
            self.failed.set_exception(error)
        else:
            loop.default_exception_handler(context)

    async def _run(self, operation: Operation, control: ProcessControl) -> None:
        order = operation.order

        def on_spawn(pid: int) -> None:
            deadline = operation.started.at + order.timeout_ms / 1000
            process = Process(pid=pid, start_ticks=start_ticks(pid), deadline=deadline)
            self.post(ev.OperationSpawned(operation.call_id, process))

        control.on_spawn = on_spawn
        try:
            params = await self.secrets.params(order)
        except SecretError as error:
            outcome = Outcome(rc=ExitCode.ERROR_GENERIC, status=OpStatus.ERROR, reason=str(error))
        else:
            outcome = await self.executor.run(operation, params, control)
        del self._controls[operation.call_id]
        self.post(ev.OperationFinished(operation.call_id, outcome))
        for notify in self.on_operation_end:
            notify(operation, outcome)

    async def load_keys(self) -> None:
        """Read, or make, the key by which peers know this host."""
        self.keys = await asyncio.to_thread(_load_keys, self.settings)
        if self._vouching_wanted is not None:
            await self._set_vouching(self._vouching_wanted)

    async def _set_vouching(self, wanted: VouchOrders | None) -> None:
        """Tell the keeper whom it may ask; until the keys are known it asks nobody new."""
        keys = self.keys
        if wanted is None:
            if self.keeper is not None:
                self.keeper.set_vouching(None)
            return
        if keys is None:
            return
        config = await asyncio.to_thread(keys.keeper_config, self.settings.node, wanted)
        if wanted is self._vouching_wanted and self.keeper is not None:
            self.keeper.set_vouching(config)

    async def _store_epoch(self, cluster: str, epoch: int) -> None:
        """In a thread, and nobody waits for it: the journal has it for this boot, and plans are meant for one boot only. Until it is
        on the disk, or is outdated."""
        pause_s = EPOCH_PAUSE_S
        while self.brain.epochs.get(cluster, 0) <= epoch:
            try:
                async with self._epoch_turn:
                    await asyncio.to_thread(self._epochs.store, cluster, epoch)
            except OSError as error:
                log.warning("epoch can't be stored", extra={"fields": {"error": str(error)}})
                await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))
                pause_s = min(EPOCH_PAUSE_MAX_S, 2 * pause_s)
            else:
                return

    def _write_release_plan(self) -> None:
        text = self._release_plan.text(self.brain.resources)
        if text != self._release_text:
            self._release_file.write(text)
            self._release_text = text


def _load_keys(settings: Settings) -> KeyRing | None:
    from backstay_nodeagent.vouch_keys import load_key_ring

    return load_key_ring(settings.state_dir, settings.machine)


def instant() -> Instant:
    """Now."""
    return Instant(time.clock_gettime(time.CLOCK_BOOTTIME), time.time())
