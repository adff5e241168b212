"""From an order to what is executed: which program, with which environment and input.

Looks at the host's files to find the agent. An agent that is not there is `NotHere`, an answer, not an error.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from backstay.ocf.agentspec import AgentSpec, AgentSpecError, Standard
from backstay.ocf.environment import OCF_ROOT, SANE_PATH, OperationContext, environment_of
from backstay.ocf.exitcode import ExitCode
from backstay.ocf.fence import FenceRequest, fence_stdin
from backstay.ocf.lvm import LVM, LVM_ACTIVATE, lvm_activate_params
from backstay_nodeagent.host_entry import HostEntry
from backstay_nodeagent.orders import Order, Verb

INIT_DIRECTORY = "/etc/init.d"


@dataclass(frozen=True, slots=True)
class HostPaths:
    """Where this host keeps things."""

    ocf_root: str = OCF_ROOT
    path: str = SANE_PATH
    init_directory: str = INIT_DIRECTORY
    entry: HostEntry | None = None
    """How to become a process of the host; None: this process is one."""

    def local(self, path: str) -> str:
        """A path of the host, to look at from here."""
        return self.entry.local(path) if self.entry is not None else path

    def argv(self, standard: Standard, argv: tuple[str, ...]) -> tuple[str, ...]:
        """What to execute. Fence agents are the image's own: they speak with devices over the network and touch nothing of the host."""
        return argv if self.entry is None or standard is Standard.STONITH else self.entry.argv(argv)


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """A program to run for an order. `note` is to be told with the result."""

    standard: Standard
    name: str
    """Of the unit or init script."""
    argv: tuple[str, ...]
    env: Mapping[str, str]
    stdin: bytes = b""
    asks: bytes = b""
    """To a fence agent first: whether its device knows the target."""
    note: str = ""


@dataclass(frozen=True, slots=True)
class NotHere:
    """It can't be run on this host; `rc` says how bad that is."""

    rc: ExitCode
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoker:
    """Finds agents on the host of `node`. `systemd_runs` and `system_id_source` are facts of the host (see capabilities)."""

    node: str
    paths: HostPaths = field(default_factory=HostPaths)
    systemd_runs: bool = False
    system_id_source: str = ""

    def invocation(self, order: Order, params: Mapping[str, str]) -> Invocation | NotHere:
        """How to run `order` with `params` (secrets filled in)."""
        try:
            spec = AgentSpec.parse(order.agent)
            match spec.standard:
                case Standard.OCF:
                    return self._ocf(spec, order, params)
                case Standard.STONITH:
                    return self._fence_agent(spec, order, params)
                case Standard.SYSTEMD:
                    return self._systemd(spec, order)
                case Standard.LSB:
                    return self._lsb(spec, order)
                case Standard.SERVICE:
                    return self._service(spec, order)
        except (AgentSpecError, ValueError) as error:
            return NotHere(ExitCode.ERROR_CONFIGURED, str(error))

    def agent_path(self, spec: AgentSpec) -> str:
        """Of an OCF agent."""
        return os.path.join(self.paths.ocf_root, "resource.d", spec.provider, spec.type)

    def _ocf(self, spec: AgentSpec, order: Order, params: Mapping[str, str]) -> Invocation | NotHere:
        note = ""
        if (
            spec == LVM
            and not os.path.exists(self.paths.local(self.agent_path(LVM)))
            and os.path.exists(self.paths.local(self.agent_path(LVM_ACTIVATE)))
        ):
            mapped = lvm_activate_params(params, system_id_source=self.system_id_source)
            spec, params, note = mapped.spec, mapped.params, mapped.note
        path = self.agent_path(spec)
        missing = self._missing(path, order.agent)
        if missing is not None:
            return missing
        context = OperationContext(
            spec=spec,
            instance=order.resource or spec.type,
            operation=order.verb.value,
            node=self.node,
            interval_ms=order.interval_ms,
            timeout_ms=order.timeout_ms,
            params=params,
            meta=order.meta,
        )
        env = environment_of(context, ocf_root=self.paths.ocf_root, path=self.paths.path)
        return Invocation(
            standard=spec.standard, name=spec.type, argv=(path, order.verb.value), env=env, note=note
        )

    def _fence_agent(self, spec: AgentSpec, order: Order, params: Mapping[str, str]) -> Invocation | NotHere:
        program = next(
            (
                full
                for one in self.paths.path.split(":")
                if os.access(full := os.path.join(one, spec.type), os.X_OK)
            ),
            "",
        )
        if not program:
            return NotHere(ExitCode.ERROR_INSTALLED, f"fence agent {spec.type} is not installed")
        match order.verb:
            case Verb.META_DATA:
                action = "metadata"
            case Verb.FENCE:
                action = order.fence_action or "reboot"
            case _:
                action = "monitor"
        stdin = fence_stdin(FenceRequest(action=action, target=order.target, params=params)).encode()
        asks = b""
        if order.host_check:
            question = "list" if order.host_check == "dynamic-list" else "status"
            target = "" if question == "list" else order.target
            asks = fence_stdin(FenceRequest(action=question, target=target, params=params)).encode()
        env = {"PATH": self.paths.path, "LC_ALL": "C", "HOME": "/root"}
        return Invocation(
            standard=spec.standard, name=spec.type, argv=(program,), env=env, stdin=stdin, asks=asks
        )

    def _systemd(self, spec: AgentSpec, order: Order) -> Invocation | NotHere:
        if not self.systemd_runs:
            return NotHere(ExitCode.ERROR_INSTALLED, "systemd does not run on this host")
        unit = spec.type if "." in spec.type else f"{spec.type}.service"
        verb = {Verb.MONITOR: "show", Verb.RELOAD: "reload"}.get(order.verb, order.verb.value)
        env = {"PATH": self.paths.path, "LC_ALL": "C", "SYSTEMD_PAGER": "", "SYSTEMD_COLORS": "0"}
        return Invocation(standard=Standard.SYSTEMD, name=unit, argv=("systemctl", verb, unit), env=env)

    def _lsb(self, spec: AgentSpec, order: Order) -> Invocation | NotHere:
        path = os.path.join(self.paths.init_directory, spec.type)
        missing = self._missing(path, order.agent)
        if missing is not None:
            return missing
        action = "status" if order.verb is Verb.MONITOR else order.verb.value
        env = {"PATH": self.paths.path, "LC_ALL": "C", "HOME": "/root"}
        return Invocation(standard=Standard.LSB, name=spec.type, argv=(path, action), env=env)

    def _service(self, spec: AgentSpec, order: Order) -> Invocation | NotHere:
        """A unit where systemd runs (it wraps init scripts too), else the init script."""
        return self._systemd(spec, order) if self.systemd_runs else self._lsb(spec, order)

    def _missing(self, path: str, agent: str) -> NotHere | None:
        seen = self.paths.local(path)
        if not os.path.isfile(seen):
            return NotHere(ExitCode.ERROR_INSTALLED, f"{agent} is not installed: there is no {path}")
        if not os.access(seen, os.X_OK):
            return NotHere(ExitCode.ERROR_PERM, f"{path} is not executable")
        return None
