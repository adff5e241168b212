"""A keeper process: the real KeeperLogic and Vouching, driven as `heartbeat.Keeper` and `vouch_link.VouchLink` drive them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from backstay.api import GROUP, LEASE_NAMESPACE
from backstay_kube.errors import ApiUnavailable
from backstay_nodeagent import lease_protocol
from backstay_nodeagent.events import KeeperStop
from backstay_nodeagent.keeper_logic import KeeperLogic, KeeperTimings
from backstay_nodeagent.lease_protocol import LeaseProtocol, RenewalError, Request
from backstay_nodeagent.orders import Order, Verb
from backstay_nodeagent.vouch_wire import Letter, seal, unseal
from backstay_nodeagent.vouching import Answer, Memory, Question, Vouching
from backstay_nodeagent.watchdog_link import WatchdogLink
from backstay_nodeagent.watchdog_logic import Claim, claimed
from simulation import virtual_time

if TYPE_CHECKING:
    from simulation.agent import Agent
    from simulation.host import Host

WORTH_TELLING_S = 0.5
KEPT_STEP_S = 0.05
CLUSTER = "c"
Renewal = Generator[Request, lease_protocol.Answer, None]


class Keeper:
    """One keeper of one boot."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.world = host.world
        self.process = virtual_time.Process(f"{host.name}/keeper{self.world.next_number()}", host.clock)
        now = host.clock.monotonic()
        config = host.run.config
        timings = KeeperTimings(**config["timings"])
        self.logic = KeeperLogic(now, timings)
        memory = Memory(*host.run.promise) if host.run.promise is not None else None
        self.vouching = Vouching(
            started_at=now,
            lease_s=timings.lease_duration_s,
            memory=memory,
            number=host.dice.randrange(1 << 40),
        )
        self._agent: Agent | None = None
        self._beat = config["beat"]
        self._sequence = 0
        self._in_flight: dict[str, Any] | None = None
        self._protocol: LeaseProtocol | None = None
        self._keys: dict[str, bytes] = {}
        self._kept_told: float | None = None
        self._asked_at: dict[int, float] = {}
        self._promised: dict[str, float] = {}
        self._release: _Release | None = None
        self._stops: list[KeeperStop] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._watchdog = WatchdogLink(log=self._log, open_device=host.dog.open)
        self._said: Claim | None = None
        self._configure()
        renewal = host.run.renewal
        if renewal.get("sent_at") is not None:
            self.logic.term.renewed(renewal["sent_at"], renewal["lease_s"])
            self._said = renewal["watchdog"]
            self._watchdog.logic.recall(self._said)

    def begin(self) -> None:
        self.world.loop.post(self.process, self._turn, delay=self.host.dice.uniform(0.05, 0.15))

    def die(self) -> None:
        self.process.kill()
        self.host.dog.holder_died()

    def _log(self, event: str, **fields: Any) -> None:
        self.world.detail(f"keeper {self.host.name}: {event} {fields}")

    # -- the loop

    def _turn(self) -> None:
        now = virtual_time.local_now()
        self.logic.turned(now)
        kept_until = self.vouching.keep_until(now)
        self._watchdog.turn(now, sent_at=self.logic.term.sent_at, kept_until=kept_until)
        self._renew_if_due(now)
        self._mind_peers(now)
        if self.logic.must_release(now) and self._release is None:
            self._begin_release()
        if self._is_useless(now):
            self.world.story(f"keeper of {self.host.name} ends: its agent has gone, and it guards nothing")
            self.die()
            return
        wake_at = min(self.logic.wake_at(now), self.vouching.wake_at(self.logic.lapse))
        wake_at = min(wake_at, self._watchdog.wake_at())
        if self._in_flight is not None:
            wake_at = max(now + 0.01, min(wake_at, self._in_flight["give_up_at"]))
        if self._timer is not None:
            self._timer.cancel()
        wait_s = max(0.001, self.host.clock.true_delay(wake_at - now))
        self._timer = self.world.loop.call_later(wait_s, self._turn, context=self.process.context)

    def _is_useless(self, now: float) -> bool:
        dismissed = bool(self.host.run.config.get("dismissed"))
        guards = self._watchdog.fd is not None or self._release is not None or self._stops
        if guards or self.logic.is_needed(now, dismissed=dismissed):
            return False
        return not (dismissed and not self.logic.released and self.host.run.release)

    def _configure(self) -> None:
        config = self.host.run.config
        timings = KeeperTimings(**config["timings"])
        self.logic.retime(timings, self.host.clock.monotonic())
        self.vouching.lease_s = timings.lease_duration_s
        wanted = config["vouching"] or {}
        self.vouching.peers = wanted.get("peers")
        self._keys = {peer: bytes.fromhex(key) for peer, key in wanted.get("keys", {}).items()}
        self._beat = config["beat"]
        self._watchdog.configure(config["watchdog"], self.host.clock.monotonic())

    # -- renewals

    def _renew_if_due(self, now: float) -> None:
        attempt = self._in_flight
        if attempt is not None:
            if now >= attempt["give_up_at"]:
                self._in_flight = None
                self._failed(now)
            return
        if now < self.logic.next_attempt_at or not self.logic.renews(now):
            return
        if self._protocol is None:
            machine = self.host.machine
            self._protocol = LeaseProtocol(
                machine=(machine.machine_id, machine.system_uuid),
                namespace=LEASE_NAMESPACE,
                node=self.host.name,
                boot_id=self.host.boot_id,
                held=self.logic.term.sent_at is not None,
            )
        self._sequence += 1
        timings = self.logic.timings
        self._in_flight = {
            "sent_at": now,
            "lease_s": timings.lease_duration_s,
            "give_up_at": now + timings.attempt_timeout_s + 0.05,
            "watchdog": self._watchdog.logic.said,
        }
        spec = {
            "holderIdentity": self.host.name,
            "leaseDurationSeconds": max(1, -int(-timings.lease_duration_s // 1)),
            "renewTime": virtual_time.wire_time(self.host.clock.wall()),
        }
        renewal = self._protocol.renewal(spec, self._annotations(now))
        self.world.loop.start(self.process, self._send(self._in_flight, renewal, timings.attempt_timeout_s))

    def _annotations(self, now: float) -> dict[str, str]:
        return {
            f"{GROUP}/boot-id": self.host.boot_id,
            f"{GROUP}/machine-id": self.host.machine.machine_id,
            f"{GROUP}/system-uuid": self.host.machine.system_uuid,
            f"{GROUP}/incarnation": "i",
            f"{GROUP}/lease-duration-ms": str(round(self.logic.timings.lease_duration_s * 1000)),
            f"{GROUP}/agent": "absent" if self.logic.absent(now) else "alive",
            f"{GROUP}/sequence": str(self._sequence),
            f"{GROUP}/beat": str(self._beat),
            f"{GROUP}/watchdog": claimed(self._watchdog.logic.said),
            f"{GROUP}/vouching-ms": str(-int(-self.vouching.attempted(now) * 1000 // 1)),
        }

    async def _send(self, attempt: dict[str, Any], renewal: Renewal, timeout_s: float) -> None:
        protocol, good = self._protocol, False
        assert protocol is not None
        try:
            request = next(renewal)
            while True:
                request = renewal.send(await self._request(request, timeout_s))
        except StopIteration:
            good = True
        except ApiUnavailable:
            protocol.lost()
        except RenewalError as error:
            self.world.detail(f"keeper {self.host.name}: {error}")
        if attempt is not self._in_flight:
            # Given up meanwhile, as by a renewer that was abandoned: whoever renews next looks first.
            protocol.lost()
            return
        self._in_flight = None
        if good:
            self._renewed(attempt)
        else:
            self._failed(virtual_time.local_now())
        self._turn()

    async def _request(self, request: Request, timeout_s: float) -> lease_protocol.Answer:
        status, body = await self.world.api.call(
            self.world.api.link(self.host.name),
            request.method,
            request.path,
            body=request.body,
            content_type=request.content_type,
            timeout_s=timeout_s,
            caller=self.process.name,
        )
        return lease_protocol.Answer(status, body if isinstance(body, bytes) else json.dumps(body).encode())

    def _renewed(self, attempt: dict[str, Any]) -> None:
        self.host.acked_at = max(attempt["sent_at"], self.host.acked_at or 0.0)
        self.logic.renewed(attempt["sent_at"], attempt["lease_s"])
        self.vouching.renewed(attempt["sent_at"])
        self._said = attempt["watchdog"]
        self._watchdog.logic.renewed(attempt["sent_at"], self._said)
        was_kept, self._kept_told = self._kept_told is not None, None
        self._write_renewal()
        self._tell("renewed", (self.logic.term.sent_at, attempt["lease_s"]))
        if was_kept:
            self._tell("vouched", None)

    def _failed(self, now: float) -> None:
        self.logic.failed(now, self.host.dice.random())
        self._tell("failed")

    def _write_renewal(self) -> None:
        term = self.logic.term
        self.host.run.renewal = {
            "sent_at": term.sent_at,
            "lease_s": term.carried_s,
            "kept_until": self._kept_told,
            "watchdog": self._said,
        }

    # -- peers

    def _mind_peers(self, now: float) -> None:
        lapse = self.logic.lapse
        question = self.vouching.due(lapse, now) if lapse is not None else None
        if question is not None:
            self._asked_at[question.number] = now
            for peer in sorted(self._keys):
                self._post(peer, question)
        stop_at = self.logic.term.stop_at
        worth = stop_at is not None and now > stop_at - WORTH_TELLING_S
        kept = self.vouching.keep_until(now) if worth else None
        self.logic.kept_until = kept
        if kept is None and self._kept_told is None:
            return
        if kept is None or self._kept_told is None or abs(kept - self._kept_told) > KEPT_STEP_S:
            self._kept_told = kept
            self._write_renewal()
            self._tell("vouched", kept)

    def _post(self, peer: str, content: Question | Answer) -> None:
        key = self._keys.get(peer)
        if key is not None:
            packet = seal(Letter(CLUSTER, self.host.name, peer, content), key)
            self.world.send_letter(self.host, peer, lambda keeper: keeper.receive(packet))

    def receive(self, packet: bytes) -> None:
        """A packet, from a peer's keeper or from whoever says so."""
        opened = unseal(packet, self._keys)
        if (
            opened is None
            or opened.receiver != self.host.name
            or opened.sender not in (self.vouching.peers or {})
        ):
            return
        sender, letter = opened.sender, opened.content
        now, lapse = virtual_time.local_now(), self.logic.lapse
        if isinstance(letter, Answer):
            self._note_promise(sender, letter)
            if lapse is not None:
                self.vouching.answered(sender, letter, lapse, now)
        else:
            answer, renew = self.vouching.asked(sender, letter, lapse, now)
            assert self.vouching.memory is not None
            if answer.kind == "promise":
                self.host.run.promise = (self.vouching.memory.promised_until, self.vouching.memory.last_plain)
            self._post(sender, answer)
            if renew:
                self.logic.renew_now(now)
        self._turn()

    @property
    def is_alone(self) -> bool:
        """Whether it was told that its node is the only member: then it needs nobody's promise."""
        return self.vouching.peers is not None and not self.vouching.peers

    def _note_promise(self, sender: str, answer: Answer) -> None:
        """For the checkers, whatever the keeper makes of it: until when a majority has promised to stand still."""
        asked_at = self._asked_at.get(answer.number)
        if answer.kind != "promise" or asked_at is None:
            return
        until = asked_at + answer.promise_s
        self._promised[sender] = max(until, self._promised.get(sender, until))
        peers = self.vouching.peers or ()
        needed = (len(peers) + 1) // 2
        standing = sorted((at for name, at in self._promised.items() if name in peers), reverse=True)
        if len(standing) >= needed:
            self.host.vouched_until = max(self.host.vouched_until, standing[needed - 1])

    # -- the agent

    def hear(self, agent: Agent, word: str) -> None:
        now = virtual_time.local_now()
        match word:
            case "hello":
                self._agent = agent
                self._greet()
            case "reload":
                challenged = self.host.run.config["beat"] != self._beat
                self._configure()
                if challenged:
                    self.logic.renew_now(now)
            case "taken":
                self._stops = None
        if self._agent is agent:
            self.logic.agent_heard(now)
        self._turn()

    def agent_lost(self, agent: Agent) -> None:
        """Its connection broke."""
        if self._agent is agent:
            self._agent = None
            self.world.loop.post(self.process, self._agent_gone)

    def _agent_gone(self) -> None:
        self.logic.agent_gone(virtual_time.local_now())
        self._turn()

    def _greet(self) -> None:
        term = self.logic.term
        if self._release is not None:
            self._tell("releasing")
        elif self._stops is not None:
            self._tell("released", self._stops)
        if term.sent_at is not None:
            self._tell("renewed", (term.sent_at, term.carried_s))
        self._tell("vouched", self.logic.kept_until)

    def _tell(self, kind: str, payload: Any = None) -> None:
        agent = self._agent
        if agent is not None and agent.process.alive:
            self.world.loop.post(agent.process, agent.hear, self, kind, payload, delay=0.0005)

    # -- release

    def _begin_release(self) -> None:
        self.world.story(f"keeper of {self.host.name} releases in the agent's stead")
        self._release = _Release(self, [list(chain) for chain in self.host.run.release])
        self._tell("releasing")
        self._release.begin()

    def release_ended(self, stops: list[KeeperStop]) -> None:
        self._stops = stops
        self.logic.released = True
        self._release = None
        self._tell("released", stops)


class _Release:
    """As release_runner: chains side by side, a chain one step at a time, after what stands in the way has been ended."""

    def __init__(self, keeper: Keeper, chains: list[list[Order]]) -> None:
        self._keeper = keeper
        self._chains = chains
        self._left = len(chains)
        self.stops: list[KeeperStop] = []

    def begin(self) -> None:
        loop, process = self._keeper.world.loop, self._keeper.process
        for chain in self._chains:
            loop.post(process, self._next, chain)
        if not self._chains:
            loop.post(process, self._keeper.release_ended, [])

    def _next(self, chain: list[Order]) -> None:
        host, loop, process = self._keeper.host, self._keeper.world.loop, self._keeper.process
        if not chain:
            self._left -= 1
            if self._left == 0:
                self._keeper.release_ended(self.stops)
            return
        mine = {order.resource for order in chain}
        pending = [json.loads(text) for key, text in host.run.journal.items() if key.startswith("pending/")]
        numbers = [
            mark["process"]["pid"]
            for mark in pending
            if mark["process"] and mark["order"].get("resource") in mine
        ]
        obstacles = [host.calls[one] for one in numbers if one in host.calls]
        if obstacles:
            for call in obstacles:
                if call.order.verb is not Verb.STOP or virtual_time.local_now() >= call.deadline:
                    host.kill_call(call.number)
            loop.post(process, self._next, chain, delay=0.02)
            return
        order = chain[0]
        began = virtual_time.local_now()
        started_wall = host.clock.wall()
        ended: list[bool] = []

        def done(rc: int, killed: bool) -> None:
            loop.post(process, self._ended, chain, order, rc, killed, began, started_wall)
            ended.append(True)

        number = host.run_call(order, done, began + order.timeout_ms / 1000)
        loop.post(process, host.kill_call, number, delay=order.timeout_ms / 1000)

    def _ended(
        self, chain: list[Order], order: Order, rc: int, killed: bool, began: float, started_wall: float
    ) -> None:
        self.stops.append(
            KeeperStop(
                resource=order.resource,
                verb=order.verb.value,
                rc=rc,
                timed_out=killed,
                started_wall=started_wall,
                exec_ms=round((virtual_time.local_now() - began) * 1000),
            )
        )
        chain.pop(0)
        self._next(chain)
