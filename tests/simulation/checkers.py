"""What must hold always. Checkers know the truth, and programs only by what they do; each can fail, as the mutants show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backstay.api import GROUP, LEASE_NAMESPACE
from backstay.liveness import has_quorum
from backstay.liveness.quorum import storm_limit
from backstay_kube import kinds
from backstay_nodeagent.operation import Operation, Origin
from backstay_nodeagent.orders import Order, Verb
from simulation.setting import CLUSTER

if TYPE_CHECKING:
    from backstay_sandbox.apiserver.route import Target
    from simulation.host import Host
    from simulation.world import World

FREE = ("quorum", "nothing")
STARTS_PER_MINUTE_MAX = 30
QUORUM_SLACK_S = 10.0
HEARD_S = 2.0
"""A renewal counts so long after it was taken in: a lease, and the way of an order."""
TROUBLE_PASSES_S = 8.0
RETURN_PASSES_S = 1.0
"""A DC that thinks long decides by how things were half a second ago (seed 74)."""
LOOK_SLACK_S = 0.1
STORM_S = 0.4
"""Who falls silent within so long of one another did so together, however a DC looks at it."""
DECIDED_S = 15.0
"""A DC that is paused or hears late may write what it decided so long ago."""
RHO_MAX = 0.005


@dataclass(frozen=True)
class Violation:
    """One rule broken."""

    rule: str
    what: str
    at: float


@dataclass(frozen=True)
class Votes:
    """Of one cluster."""

    members: tuple[str, ...]
    alive: tuple[str, ...]

    @property
    def quorate(self) -> bool:
        return has_quorum(members=len(self.members), alive=len(self.alive))


class Checkers:
    """Told of everything that happens; `violations` is what was wrong."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.violations: list[Violation] = []
        self.excused = 0
        """Two copies where a documented assumption did not hold: nobody could stop in time what needs no fencing, a device or a person
        had said what is not so, a machine with a watchdog was paused as a whole."""
        self.recovered_s = 0.0
        self.counts: Counter[str] = Counter()
        self._started: Counter[str] = Counter()
        self.groups: dict[str, list[str]] = {}
        self.clones: set[str] = set()
        """Resources of which each host may run one instance."""
        self.calm = False
        """Only what no healthy host need notice is done."""
        self._touched: set[str] = set()
        """What was deleted or made unreadable itself."""
        self._armed: set[str] = set()
        """Hosts whose last renewal said that their watchdog is armed."""
        self._ran: dict[str, dict[str, str]] = {}
        self._up: dict[str, dict[str, None]] = {}
        self._broken: dict[str, set[str]] = {}
        self._fell: dict[tuple[str, str], float] = {}
        """By boot and resource: when a monitor found that what had been started runs no more, or an order of an earlier DC, which
        was under way when the next one looked, had stopped it."""
        self._writers: dict[tuple[str, int], str] = {}
        """By cluster and epoch."""
        self._epochs: dict[str, int] = {}
        self._made_anew = False
        """The HACluster was deleted, and its epoch with it."""
        self._rewound_to = 0
        """Epochs up to this were in use when the API's history went back."""
        self._obeyed: dict[tuple[str, str, int], str] = {}
        self._fail_counts: dict[tuple[str, str], int] = {}
        self._forgotten: set[tuple[str, str]] = set()
        self._begun: dict[str, set[str]] = {}
        self._starts: dict[str, list[float]] = {}
        self._ailing: set[str] = set()
        """Resources whose monitor has failed since they were started: to start them again is what is asked for, however often."""
        self._uncounted: dict[tuple[str, str], tuple[object, str]] = {}
        """By boot and resource: the failure of a monitor that is not in the journal yet, and the agent that saw it."""
        self._busy: dict[tuple[str, str], int] = {}
        self._forgetful: set[str] = set()
        """Boots in which an agent ended while its disk took no writes."""
        self._renewed: dict[str, float] = {}
        self._returned: dict[str, float] = {}
        """When a host was heard again after a silence of a lease: what a DC decides then may still be of before."""
        self._renewed_boot: dict[str, str] = {}
        """Of the last renewal: a host that has just booted again may be silent for what its former boot was proven to be."""
        self._suspended: set[str] = set()
        self._planned: set[str] = set()
        """Ids of starts that DCs have ordered."""

    def violation(self, rule: str, what: str) -> None:
        self._world.story(f"VIOLATION: {rule}: {what}")
        self.violations.append(Violation(rule, what, self._world.loop.time()))

    def touched(self, name: str) -> None:
        """A resource or group: whether it goes on is its own business."""
        self._touched |= {name, *self.groups.get(name, ())}

    def started(self, resource: str) -> int:
        """How often its start has begun so far."""
        return self._started[resource]

    def restored(self) -> None:
        """Plans may be of epochs that were used since the backup; whether agents tell the DCs apart is looked at when they obey."""
        self._epochs.clear()
        self._rewound_to = max((epoch for _, epoch in self._writers), default=0)

    def deleted(self, kind: kinds.Kind) -> None:
        """A cluster that was made again knows epochs by its plans alone; where those are deleted as well, a DC begins with the first,
        and agents, whose disks know better, refuse it until it has taken a higher one."""
        self._made_anew = self._made_anew or kind is kinds.HACLUSTER
        if self._made_anew and kind in (kinds.HACLUSTER, kinds.HANODEPLAN):
            self.restored()

    # -- boots and programs

    def booted(self, host: Host) -> None:
        """The former boot is over: whatever it ran is dead, and everybody can know."""
        self._up[host.name] = {}
        self._broken[host.name] = set()

    def program_died(self, name: str, error: BaseException | None) -> None:
        """By an error of its own."""
        self.violation("programs do not die of errors", f"{name}: {error!r}")

    # -- operations

    def operation(self, host: Host, operation: Operation) -> None:
        """An agent starts one; before it runs."""
        order = operation.order
        if operation.origin is Origin.ORDER:
            begun = self._begun.setdefault(host.boot_id, set())
            if order.id in begun:
                self.violation(
                    "an order runs at most once",
                    f"{order.id} ({order.verb.value} {order.resource}) on {host.name}",
                )
            begun.add(order.id)
            self._check_term(host)

        if operation.origin is Origin.ORDER and host.acked_at is not None:
            late = host.clock.monotonic() - host.acked_at - host.lease_s
            if late > 0.0:
                self.violation(
                    "nothing is begun without a lease",
                    f"{order.id} on {host.name}, {late:.3f} s after its lease ran out",
                )

    def _check_term(self, host: Host) -> None:
        orders = host.agent.brain.book.orders if host.agent is not None else None
        if orders is not None and orders.term:
            known = self._obeyed.setdefault((host.boot_id, orders.cluster, orders.epoch), orders.term)
            if known != orders.term:
                self.violation(
                    "at most one DC is obeyed per epoch",
                    f"{host.name} obeys {orders.term} and {known} in epoch {orders.epoch}",
                )

    def fences(self, executor: Host, order: Order) -> None:
        """A fencing begins. Only the first try counts: those that follow it are the same decision."""
        world, target = self._world, self._world.hosts[order.target]
        if not order.id.endswith("-f0") or target.asked_for:
            return
        now = world.loop.time()
        votes = self._votes(target.name, QUORUM_SLACK_S)
        # A member that is heard may be fenced without one, as by Pacemaker: what could not be stopped there must end.
        heard = now - self._renewed.get(target.name, 0.0) < HEARD_S
        if not heard and world.setting.needs_quorum and not votes.quorate:
            self.violation(
                "fences only with a quorum", f"{target.name}, with {votes.alive} of {votes.members}"
            )
        if not heard and self._is_storm(target):
            self.violation("who falls silent with most others is left alone", target.name)
        if world.setting.policy == "fence" and not self._votes(target.name, HEARD_S, steadily=True).quorate:
            return
        # Of whom a device said that it is off, and who renews, is fenced for good.
        judged = target.boot_id in world.power.misjudged
        healthy = (
            target.up and not target.frozen and not judged and now > target.trouble_until + TROUBLE_PASSES_S
        )
        if healthy and order.target in self._up and not self._broken.get(target.name):
            self.violation("a healthy host is not fenced", f"{target.name} by {executor.name}")

    def _votes(self, node: str, within_s: float, *, steadily: bool = False) -> Votes:
        """Of the cluster to which a node belongs: who was ever heard and has not left, and whose renewals were taken in so lately."""
        clusters = {
            one["metadata"]["name"]: one["spec"].get("cluster", "")
            for one in self._world.read_all(kinds.HANODE)
        }
        own = clusters.get(node, CLUSTER)
        members = [name for name in self._renewed if clusters.get(name) == own]
        now = self._world.loop.time()
        heard = [one for one in members if now - self._renewed[one] < within_s]
        if steadily:
            heard = [
                one for one in heard if now - self._returned.get(one, -RETURN_PASSES_S) >= RETURN_PASSES_S
            ]
        return Votes(tuple(members), tuple(heard))

    def _is_storm(self, target: Host) -> bool:
        """Whether it fell silent at the very time at which so many others did that our view is the likelier cause."""
        now, at = self._world.loop.time(), self._renewed.get(target.name)
        if at is None or self._votes(target.name, target.lease_s + 1.0).quorate:
            return False
        over = set(self._world.power.ended)
        together = [
            name
            for name, other in self._renewed.items()
            if now - other > target.lease_s
            and abs(other - at) < STORM_S
            and self._renewed_boot[name] not in over
        ]
        return len(together) > storm_limit(len(self._renewed))

    def look(self) -> None:
        """Now and then: has each host that may have lost its lease let go of what others may take over?"""
        for host in self._world.hosts.values():
            if not host.up or host.acked_at is None or self._is_excused(host):
                continue
            if host.keeper is not None and host.keeper.is_alone:
                continue
            over = host.clock.monotonic() - max(host.acked_at + host.lease_s, host.vouched_until)
            left = sorted(one for one, requires in host.active.items() if requires in FREE)
            if left and over > LOOK_SLACK_S:
                self.violation(
                    "what needs no fencing ends with the lease",
                    f"{' '.join(left)} on {host.name}, {over:.2f} s after it",
                )
                host.excuse(5.0)

    def begins(self, host: Host, order: Order) -> None:
        """An operation on a resource begins, whoever ordered it."""
        verb, resource = order.verb, order.resource
        world = self._world
        recurring = f" every {order.interval_ms}" if order.interval_ms else ""
        world.detail(f"{host.name} {verb.value} {resource}{recurring} begins ({order.id})")
        self.counts[verb.value] += 1
        self._check_overlap(host, order)
        if verb is Verb.START:
            world.story(f"{host.name} starts {resource} ({order.id})")
            if resource not in self.clones:
                self._check_alone(host, order)
                self._check_proof(host, order)
            self._check_order(host, resource)
            self._check_storm(resource)
            self._check_counted(host, resource)
            self._ran.setdefault(resource, {})[host.boot_id] = order.requires.value
            self._started[resource] += 1
        elif verb is Verb.STOP:
            world.story(f"{host.name} stops {resource} ({order.id or 'released'})")
            self._check_reverse(host, resource)
            self._check_calm(host, resource)

    def _check_calm(self, host: Host, resource: str) -> None:
        """What happens to an object of something else is no reason to stop anything."""
        if self.calm and resource not in self._touched and resource in host.active:
            self.violation("nothing is stopped for another object", f"{resource} on {host.name}")

    def memory_lost(self, host: Host) -> None:
        """An agent ended while its disk took no writes: what it did meanwhile, and nobody else knows, may be done or counted again. It
        has begun nothing meanwhile that makes anything active."""
        boot = host.boot_id
        self._forgetful.add(boot)
        self._begun.pop(boot, None)
        for place in [one for one in self._fail_counts if one[0] == boot]:
            del self._fail_counts[place]
        for place in [one for one in self._uncounted if one[0] == boot]:
            del self._uncounted[place]

    def _check_overlap(self, host: Host, order: Order) -> None:
        key = (host.boot_id, order.resource)
        # An agent that was paused while its keeper released in its stead may begin its own release before it has read so.
        twice_released = not order.id and order.verb is Verb.STOP and self._is_excused(host)
        again = host.boot_id in self._forgetful and not order.verb.activates
        if self._busy.get(key) and not twice_released and not again:
            self.violation(
                "operations of one resource do not overlap",
                f"{order.verb.value} {order.resource} on {host.name}",
            )
        self._busy[key] = self._busy.get(key, 0) + 1

    def ended(self, host: Host, order: Order, rc: int | None) -> None:
        """`rc` None: it was killed."""
        resource = order.resource
        self._busy[(host.boot_id, resource)] -= 1
        self._world.detail(f"{host.name} {order.verb.value} {resource} ends: {rc}")
        up = self._up.setdefault(host.name, {})
        if order.verb is Verb.START and rc == 0:
            up[resource] = None
            self._broken[host.name].discard(resource)
        elif order.verb is Verb.STOP:
            if rc == 0:
                known = max(self._epochs.values(), default=0)
                if resource in up and order.id and int(order.id.partition("-")[0]) < known:
                    self._fell[(host.boot_id, resource)] = self._world.loop.time()
                up.pop(resource, None)
                self._broken[host.name].discard(resource)
                self._ran.get(resource, {}).pop(host.boot_id, None)
            else:
                self._broken[host.name].add(resource)
        elif order.verb is Verb.MONITOR and order.recurring and rc not in (0, None):
            if resource not in self._ailing:  # that it still fails is no other failure
                key = f"failure/{resource}/monitor/{order.interval_ms}"
                self._uncounted[(host.boot_id, resource)] = (host.agent, key)
            self._ailing.add(resource)
        if order.verb is Verb.MONITOR and rc == 7:
            if resource in up:
                self._fell[(host.boot_id, resource)] = self._world.loop.time()
            up.pop(resource, None)
            if resource not in host.active:
                self._ran.get(resource, {}).pop(host.boot_id, None)

    def misses(self, host: Host, order: Order) -> bool:
        """Whether this stop is not of what runs, but of what is defined today."""
        if order.resource not in host.active:
            return False
        known = host.started_with.get(order.resource, dict(order.params))
        if known == dict(order.params):
            return False
        self.violation(
            "a stop undoes what was started",
            f"{order.resource} on {host.name}: {known}, stopped as {order.params}",
        )
        return True

    def _check_alone(self, host: Host, order: Order) -> None:
        resource = order.resource
        for other in self._world.hosts.values():
            if other is host or not other.up or resource not in other.active:
                continue
            requires = other.active[resource]
            why = "nobody could stop it in time" if requires in FREE and self._is_excused(other) else ""
            if why := why or self._misjudged(other.boot_id):
                self.excused += 1
                self._world.story(f"{resource} is active twice, excused: on {other.name}, {why}")
                continue
            self.violation(
                "never active on two nodes",
                f"{resource} (requires {requires}) starts on {host.name}, runs on {other.name}",
            )

    def _misjudged(self, boot: str) -> str:
        """Why others may take a boot for dead that is not; empty: they may not."""
        if boot in self._world.power.misjudged:
            return f"of which {self._world.power.misjudged[boot]} said that it is off"
        return "which was paused as a whole" if boot in self._suspended else ""

    def suspended(self, host: Host) -> None:
        """Its watchdog does not count any more."""
        if self._world.setting.dog is not None:
            self._suspended.add(host.boot_id)

    def _is_excused(self, host: Host) -> bool:
        return self._world.loop.time() < host.excuse_until

    def _check_proof(self, host: Host, order: Order) -> None:
        """Where it ran last must be known to be over: stopped, fenced, or another boot of that host has shown itself."""
        if order.requires.value in FREE:
            return
        power = self._world.power
        for boot in list(self._ran.get(order.resource, {})):
            name = boot.rpartition("-boot")[0]
            other = self._world.hosts[name]
            if boot == host.boot_id:
                continue
            over = boot in power.ended or other.boot_id != boot
            if over or self._misjudged(boot) or self._bitten(other):
                del self._ran[order.resource][boot]
            else:
                self.violation(
                    "no start before the proof of death",
                    f"{order.resource} starts on {host.name}; {boot} was neither stopped nor fenced",
                )

    def _bitten(self, host: Host) -> bool:
        """Whether its watchdog must have ended this boot: so long has no renewal come, and the last one said that it is armed."""
        dog, at = self._world.setting.dog, self._renewed.get(host.name)
        if dog is None or at is None:
            return False
        return host.name in self._armed and self._world.loop.time() - at > dog.takeover_ms / 1000 * (
            1 - RHO_MAX
        )

    def _check_order(self, host: Host, resource: str) -> None:
        for members in self.groups.values():
            if resource in members:
                before = members[: members.index(resource)]
                # Of what has fallen the DC must hear first, and the agent of the DC, while a chain of starts goes on.
                news = self._world.loop.time() - DECIDED_S
                missing = [
                    one
                    for one in before
                    if one not in self._up[host.name] and self._fell.get((host.boot_id, one), 0.0) < news
                ]
                if missing:
                    self.violation(
                        "a group starts in order", f"{resource} on {host.name} before {' '.join(missing)}"
                    )

    def _check_reverse(self, host: Host, resource: str) -> None:
        for members in self.groups.values():
            if resource in members:
                after = members[members.index(resource) + 1 :]
                still = [
                    one for one in after if one in self._up[host.name] and one not in self._broken[host.name]
                ]
                if still:
                    self.violation(
                        "a group stops in reverse", f"{resource} on {host.name} before {' '.join(still)}"
                    )

    def _check_counted(self, host: Host, resource: str) -> None:
        """Before it is started again. An agent that was killed between the end and the journal is excused."""
        agent, key = self._uncounted.pop((host.boot_id, resource), (None, ""))
        if key and agent is host.agent:
            self.violation("every failure is counted", f"{key} on {host.name}")

    def _check_storm(self, resource: str) -> None:
        now = self._world.loop.time()
        if resource in self._ailing:
            self._ailing.discard(resource)
            return
        recent = [one for one in self._starts.get(resource, []) if one > now - 60.0]
        self._starts[resource] = [*recent, now]
        if len(recent) == STARTS_PER_MINUTE_MAX:
            self.violation(
                "no action storm", f"{resource} was started {STARTS_PER_MINUTE_MAX} times in a minute"
            )

    # -- the journal

    def journal(self, host: Host, entries: Mapping[str, Any]) -> None:
        """Fail counts rise, or are forgotten by an order to do so."""
        for key, value in entries.items():
            if not key.startswith("failure/"):
                continue
            place = (host.boot_id, key)
            resource = key.split("/")[1]
            if self._uncounted.get((host.boot_id, resource), (None, ""))[1] == key:
                del self._uncounted[(host.boot_id, resource)]
            known = self._fail_counts.get(place, 0)
            if value is None:
                self._fail_counts[place] = 0
            elif value["count"] <= known:
                self.violation(
                    "no fail count is lost", f"{key} on {host.name}: {value['count']} after {known}"
                )
            else:
                self._fail_counts[place] = value["count"]

    # -- writes

    def written(self, process: str, method: str, target: Target, status: int) -> None:
        """After each write that reached the server."""
        self._world.detail(f"{process} {method} {target.plural}/{target.name}/{target.subresource}: {status}")
        if status < 300 and target.plural == kinds.LEASE.plural and "/keeper" in process:
            name = process.partition("/")[0]
            now = self._world.loop.time()
            if now - self._renewed.get(name, 0.0) > self._world.hosts[name].lease_s:
                self._returned[name] = now
            self._renewed[name] = now
            self._renewed_boot[name] = self._world.hosts[name].boot_id
            self._note_armed(name)
        if (
            status >= 300
            or target.plural != kinds.HANODEPLAN.plural
            or target.subresource
            or process == "admin"
        ):
            return
        if method == "DELETE":
            return
        self._check_epoch(process, target.name)
        if target.name:
            self._check_starts_ordered(target.name)

    def _note_armed(self, name: str) -> None:
        if self._world.setting.dog is None:
            return
        lease = self._world.read(kinds.LEASE, f"node-{name}", LEASE_NAMESPACE) or {"metadata": {}}
        armed = lease["metadata"].get("annotations", {}).get(f"{GROUP}/watchdog")
        (self._armed.add if armed else self._armed.discard)(name)

    def _check_starts_ordered(self, node: str) -> None:
        """Where the policy says so, nothing is started without a quorum."""
        plan = self._world.read(kinds.HANODEPLAN, node) or {"spec": {}}
        starts = {one["id"] for one in plan["spec"].get("actions", []) if one["verb"] == "start"}
        fresh = starts - self._planned
        self._planned |= starts
        policy = self._world.setting.policy
        if (
            fresh
            and policy not in ("ignore", "freeze")
            and not (votes := self._votes(node, DECIDED_S)).quorate
        ):
            self.violation(
                "starts nothing without a quorum", f"{sorted(fresh)} on {node}, with {votes.alive}"
            )

    def _check_epoch(self, process: str, name: str) -> None:
        for plan in self._world.read_all(kinds.HANODEPLAN):
            if plan["metadata"]["name"] != name and name:
                continue
            epoch = int(plan["spec"].get("epoch", 0))
            node = plan["metadata"]["name"]
            if name:
                writer = self._writers.setdefault((plan["spec"].get("cluster", ""), epoch), process)
                if writer != process and epoch > self._rewound_to:
                    self.violation(
                        "at most one DC acts per epoch", f"{process} and {writer} in epoch {epoch}"
                    )
            if epoch < self._epochs.get(node, 0):
                self.violation("epochs never go back", f"plan of {node}: {epoch}")
            self._epochs[node] = epoch
