"""Runs one operation on the host and makes an outcome of whatever happens.

The interfaces differ in how a monitor asks and how an exit code reads; the rest (timeout, output, ending) is the same for all. An
operation may take several processes (systemd: order, then look); its timeout holds for all of them together.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Mapping
from dataclasses import replace

from backstay.ocf.agentspec import AgentSpec, Standard
from backstay.ocf.exitcode import ExitCode, OpStatus, status_of
from backstay.ocf.fence import PlugState, plug_state, plugs_listed
from backstay.ocf.metadata import SIZE_MAX, MetadataError, parse_metadata
from backstay.ocf.output import OutputCollector
from backstay.ocf.service import (
    UnitState,
    lsb_action_exit_code,
    lsb_status_exit_code,
    service_metadata,
    unit_exit_code,
    unit_properties,
    unit_report,
)
from backstay_nodeagent.concealment import concealed
from backstay_nodeagent.host_process import (
    HowEnded,
    LostHoldError,
    ProcessControl,
    ProcessEnd,
    ProcessSpec,
    run_process,
)
from backstay_nodeagent.invocation import HostPaths, Invocation, Invoker, NotHere
from backstay_nodeagent.operation import Operation, Outcome
from backstay_nodeagent.orders import Order, Verb
from backstay_nodeagent.proc_stat import CALL_VARIABLE, call_mark

UNIT_PROPERTIES = "--property=LoadState,ActiveState,SubState,Result"
LOOK_AGAIN_S = 0.2
FENCE_PAUSE_S = 1.0


class Executor:
    """Runs operations of this boot. One instance serves any number of operations at a time."""

    def __init__(self, invoker: Invoker, *, boot_id: str) -> None:
        self.invoker = invoker
        self._boot_id = boot_id
        self._reload_actions: dict[str, str] = {}

    async def run(self, operation: Operation, params: Mapping[str, str], control: ProcessControl) -> Outcome:
        """Run to the end; never raises for what the host or the agent does."""
        order = operation.order
        if order.verb is Verb.NOTIFY and not order.agent.startswith("ocf:"):
            return Outcome(rc=ExitCode.OK, status=OpStatus.DONE)
        invocation = self.invoker.invocation(order, params)
        if isinstance(invocation, NotHere):
            return _not_here(order, invocation)
        mark = {CALL_VARIABLE: call_mark(self._boot_id, operation.call_id)}
        run = _Run(order, replace(invocation, env={**invocation.env, **mark}), control, self.invoker.paths)
        try:
            outcome = await self._dispatch(run)
        except OSError as error:
            outcome = _cannot_start(order, error)
        except LostHoldError as error:
            outcome = _lost_hold(error)
        if control.ended and outcome.status is not OpStatus.DONE:
            outcome = replace(outcome, status=OpStatus.CANCELLED, reason=control.reason)
        if invocation.note:
            outcome = replace(outcome, output=f"{invocation.note}\n{outcome.output}"[:4096])
        return concealed(outcome, order, params)

    async def _dispatch(self, run: _Run) -> Outcome:
        order = run.order
        if order.verb is Verb.META_DATA:
            return await _meta_data(run)
        match run.invocation.standard:
            case Standard.OCF:
                if order.verb is Verb.RELOAD:
                    run = await self._with_reload_action(run)
                return await _plain(run)
            case Standard.STONITH:
                return await _fence_agent(run)
            case Standard.SYSTEMD:
                return await _systemd(run)
            case Standard.LSB | Standard.SERVICE:
                return await _lsb(run)

    async def _with_reload_action(self, run: _Run) -> _Run:
        """`reload-agent` where the agent knows it (OCF 1.1), else `reload`."""
        path = run.invocation.argv[0]
        if path not in self._reload_actions:
            asked = run.with_argv((path, "meta-data"))
            outcome = await _meta_data(asked)
            try:
                action = parse_metadata(outcome.document).reload_action
            except MetadataError:
                action = ""
            self._reload_actions[path] = action or "reload"
        argv = (path, self._reload_actions[path])
        return run.with_argv(argv)


class _Run:
    """One operation under way, with the time that is left for its processes."""

    def __init__(
        self, order: Order, invocation: Invocation, control: ProcessControl, paths: HostPaths
    ) -> None:
        self.order = order
        self.invocation = invocation
        self.control = control
        self.paths = paths
        self.output = OutputCollector()
        self._loop = asyncio.get_running_loop()
        self._deadline = self._loop.time() + order.timeout_ms / 1000

    @property
    def left_s(self) -> float:
        return max(0.0, self._deadline - self._loop.time())

    def with_argv(self, argv: tuple[str, ...]) -> _Run:
        """Another program of the same agent."""
        return _Run(self.order, replace(self.invocation, argv=argv), self.control, self.paths)

    async def process(
        self,
        argv: tuple[str, ...] | None = None,
        *,
        output: OutputCollector | None = None,
        stdin: bytes | None = None,
    ) -> ProcessEnd:
        """Run the invocation's program, or another, within the time that is left."""
        spec = ProcessSpec(
            argv=self.paths.argv(self.invocation.standard, argv or self.invocation.argv),
            env=self.invocation.env,
            stdin=self.invocation.stdin if stdin is None else stdin,
            timeout_s=self.left_s,
        )
        return await run_process(spec, self.control, output or self.output)

    async def pause(self, delay_s: float) -> bool:
        """False if there is no time for it, or the operation is to end."""
        if self.left_s <= delay_s or self.control.ended:
            return False
        await asyncio.wait((asyncio.ensure_future(self.control.wait()),), timeout=delay_s)
        return not self.control.ended

    def outcome(self, rc: int, reason: str = "") -> Outcome:
        """Of an operation that ended by itself."""
        order = self.order
        return Outcome(
            rc=rc,
            status=status_of(rc, operation=order.verb.value, target_rc=order.target_rc),
            reason=reason or self.output.reason,
            output=self.output.output,
        )

    def cut_short(self, end: ProcessEnd) -> Outcome:
        """Of one that ran out of time, was ended, or was killed by somebody else."""
        reason = ""
        match end.how:
            case HowEnded.TIMEOUT:
                status, reason = OpStatus.TIMEOUT, f"timed out after {self.order.timeout_ms / 1000:g} s"
                if end.code is None:
                    reason += " and can't be killed: it hangs in the kernel"
            case HowEnded.ENDED:
                status, reason = OpStatus.CANCELLED, self.control.reason
            case HowEnded.BY_ITSELF:
                status, reason = OpStatus.ERROR, f"the agent was killed by signal {-(end.code or 0)}"
        if self.output.reason and status is not OpStatus.CANCELLED:
            reason += f" ({self.output.reason})"
        return Outcome(rc=ExitCode.ERROR_GENERIC, status=status, reason=reason, output=self.output.output)


def _code_of(end: ProcessEnd) -> int | None:
    """The exit code of a process that ended by itself."""
    finished = end.how is HowEnded.BY_ITSELF and end.code is not None and end.code >= 0
    return end.code if finished else None


async def _plain(run: _Run) -> Outcome:
    end = await run.process()
    code = _code_of(end)
    return run.cut_short(end) if code is None else run.outcome(code)


async def _meta_data(run: _Run) -> Outcome:
    if run.invocation.standard in (Standard.SYSTEMD, Standard.LSB, Standard.SERVICE):
        document = service_metadata(AgentSpec.parse(run.order.agent))
        return Outcome(rc=ExitCode.OK, status=OpStatus.DONE, document=document)
    output = OutputCollector(stdout_limit=SIZE_MAX)
    end = await run.process(output=output)
    code = _code_of(end)
    if code is None:
        return run.cut_short(end)
    reason = output.reason
    if code == 0:
        try:
            parse_metadata(output.stdout)
        except MetadataError as error:
            code, reason = ExitCode.ERROR_GENERIC, f"its meta-data can't be read: {error}"
    status = status_of(code, operation="meta-data")
    document = output.stdout if code == 0 else ""
    return Outcome(rc=code, status=status, reason=reason, output=output.output, document=document)


async def _lsb(run: _Run) -> Outcome:
    end = await run.process()
    code = _code_of(end)
    if code is None:
        return run.cut_short(end)
    monitor = run.order.verb is Verb.MONITOR
    return run.outcome(lsb_status_exit_code(code) if monitor else lsb_action_exit_code(code))


async def _fence_agent(run: _Run) -> Outcome:
    """A fence device as a resource is "started" by a first monitor and stopped by nothing; a fencing is tried `attempts` times."""
    order = run.order
    if order.verb is Verb.STOP:
        return run.outcome(ExitCode.OK)
    if order.probe and order.target_rc == ExitCode.NOT_RUNNING:
        return run.outcome(ExitCode.NOT_RUNNING)
    attempts = order.attempts if order.verb is Verb.FENCE else 1
    if run.invocation.asks:
        refusal = await _not_known(run)
        if refusal is not None:
            return refusal
    while True:
        end = await run.process()
        code = _code_of(end)
        attempts -= 1
        if code == 0 or attempts <= 0 or not await run.pause(FENCE_PAUSE_S):
            break
    if code is None:
        return run.cut_short(end)
    return run.outcome(code if code == 0 else ExitCode.ERROR_GENERIC)


async def _not_known(run: _Run) -> Outcome | None:
    """Ask the device whether it knows the target; None: it does."""
    order, shown = run.order, OutputCollector(stdout_limit=SIZE_MAX)
    end = await run.process(output=shown, stdin=run.invocation.asks)
    code = _code_of(end)
    if code is None:
        return run.cut_short(end)
    argument = order.params.get("pcmk_host_argument", "plug")
    plug = order.params.get(argument, order.target)
    if order.host_check == "status":
        if plug_state(code) is not PlugState.UNKNOWN:
            return None
        return run.outcome(ExitCode.ERROR_GENERIC, f"the device does not know the state of {plug}")
    if code != 0:
        return run.outcome(ExitCode.ERROR_GENERIC, f"the device gives no list: {shown.output.strip()[-200:]}")
    if plugs_listed(shown.stdout) & {plug.lower(), order.target.lower()}:
        return None
    return run.outcome(ExitCode.ERROR_GENERIC, f"{plug} is not in the device's list")


async def _systemd(run: _Run) -> Outcome:
    unit = run.invocation.name
    if run.order.verb is not Verb.MONITOR:
        end = await run.process()
        code = _code_of(end)
        if code is None:
            return run.cut_short(end)
        if code != 0:
            # systemctl's own codes follow LSB; 5 is "no such unit".
            return run.outcome(ExitCode.ERROR_INSTALLED if code == 5 else ExitCode.ERROR_GENERIC)
    return await _unit_settled(run, unit)


async def _unit_settled(run: _Run, unit: str) -> Outcome:
    """Look until the unit neither starts nor stops any more; judge by what the operation was to reach."""
    verb = run.order.verb
    while True:
        shown = OutputCollector(stdout_limit=1 << 14)
        end = await run.process(("systemctl", "show", UNIT_PROPERTIES, unit), output=shown)
        if _code_of(end) != 0:
            return (
                run.cut_short(end)
                if _code_of(end) is None
                else run.outcome(ExitCode.ERROR_GENERIC, shown.output)
            )
        report = unit_report(unit_properties(shown.stdout))
        if report.state is not UnitState.CHANGING:
            break
        if not await run.pause(LOOK_AGAIN_S):
            how = HowEnded.ENDED if run.control.ended else HowEnded.TIMEOUT
            return run.cut_short(ProcessEnd(how, 0))
    code = unit_exit_code(report)
    match verb:
        case Verb.MONITOR:
            return run.outcome(code, report.reason)
        case Verb.STOP:
            stopped = report.state is not UnitState.RUNNING
            return run.outcome(ExitCode.OK if stopped else ExitCode.ERROR_GENERIC, report.reason)
        case _:
            return run.outcome(
                code if code != ExitCode.NOT_RUNNING else ExitCode.ERROR_GENERIC, report.reason
            )


def _not_here(order: Order, missing: NotHere) -> Outcome:
    """A stop is no exception: an agent that was removed has not stopped what it once started."""
    status = status_of(missing.rc, operation=order.verb.value, target_rc=order.target_rc)
    return Outcome(rc=missing.rc, status=status, reason=missing.reason)


def _lost_hold(error: LostHoldError) -> Outcome:
    """It ran for a moment: how far it came nobody knows."""
    reason = f"it was started and had to be killed, since this host could not mind it: {error}"
    if not error.gone:
        reason += "; it can't be killed: it hangs in the kernel"
    return Outcome(rc=ExitCode.ERROR_GENERIC, status=OpStatus.ERROR, reason=reason)


def _cannot_start(order: Order, error: OSError) -> Outcome:
    codes = {
        errno.ENOENT: ExitCode.ERROR_INSTALLED,
        errno.EACCES: ExitCode.ERROR_PERM,
        errno.ENOEXEC: ExitCode.ERROR_PERM,
    }
    rc = codes.get(error.errno or 0, ExitCode.ERROR_GENERIC)
    status = status_of(rc, operation=order.verb.value, target_rc=order.target_rc)
    return Outcome(rc=rc, status=status, reason=f"can't be executed: {error.strerror or error}")
