"""A simulated cluster: hosts, the API server, the networks between them, the power switch, and the administrator's hand."""

from __future__ import annotations

import hashlib
import json
import logging
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from backstay.api import API_VERSION, LEASE_NAMESPACE
from backstay_kube import kinds
from simulation.agent import DUMMY
from simulation.api_server import NOVELTY, ApiServer
from simulation.checkers import Checkers
from simulation.host import Host
from simulation.power import Power
from simulation.setting import CLUSTER, Setting
from simulation.slow import SlowAgents
from simulation.virtual_time import PROCESS, SpinError, VirtualLoop

if TYPE_CHECKING:
    from simulation.keeper import Keeper

__all__ = ["CLUSTER", "MEMBER", "NOVELTY", "SELECTOR", "World", "group", "resource", "template", "without"]


MEMBER = "example.com/cluster"
"""The label by which Nodes belong."""
SELECTOR = {MEMBER: CLUSTER}
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"


class World:
    """Made from a seed; nothing else decides what happens in it."""

    def __init__(self, seed: int, setting: Setting, *, talk: bool = False) -> None:
        self.setting = setting
        self.loop = VirtualLoop()
        self.dice = random.Random(f"{seed}/world")
        self.talk = talk
        self.lines: list[str] = []
        self._digest = hashlib.sha256()
        self._numbers = 0
        self.api = ApiServer(self.loop, random.Random(f"{seed}/network"))
        self.checkers = Checkers(self)
        self.slow = SlowAgents(random.Random(f"{seed}/slow"))
        self.power = Power(self, random.Random(f"{seed}/power"))
        names = [f"n{number}" for number in range(1, setting.hosts + 1)]
        self.hosts = {name: Host(self, name, random.Random(f"{seed}/{name}")) for name in names}
        self.left: set[str] = set()
        """Hosts whose Nodes have left the cluster for good."""
        self.wanted: list[dict[str, Any]] = []
        """Manifests that people make again where they are missing after all the faults."""
        self.properties = {
            "stonithEnabled": True,
            "clusterRecheckInterval": "20s",
            "noQuorumPolicy": setting.policy,
            "enableStartupProbes": setting.probes,
        }
        self.letters_lost = 0.0
        self.letters_delay_s = 0.003
        self.api.observers.append(self.checkers.written)

    def restore(self, snapshot: dict[str, Any]) -> None:
        """The API server's objects are as they were then."""
        self.story("ETCD IS RESTORED")
        self.api.restore(snapshot)
        self.checkers.restored()

    # -- telling

    def story(self, line: str) -> None:
        """Something worth reading when a seed fails."""
        text = f"{self.loop.time():9.4f}  {line}"
        self._digest.update(text.encode())
        self.lines.append(text)

    def detail(self, line: str) -> None:
        """Goes into the trace, and into the story when it is told in full."""
        text = f"{self.loop.time():9.4f}    {line}"
        self._digest.update(text.encode())
        if self.talk:
            self.lines.append(text)

    @property
    def trace(self) -> str:
        """A digest of everything that was told: equal for equal runs."""
        return self._digest.hexdigest()[:16]

    def next_number(self) -> int:
        self._numbers += 1
        return self._numbers

    # -- the administrator: writes that are known to be taken in

    def write(self, method: str, path: str, body: Any = None, content_type: str = MERGE) -> dict[str, Any]:
        query = (
            {"fieldManager": "admin", "force": "true"} if content_type == APPLY else {"fieldManager": "admin"}
        )
        data = b"" if body is None else json.dumps(body).encode()
        answer = self.api.handle(method, path, query, data, content_type, "admin")
        assert answer.status < 300, f"{method} {path}: {answer.body[:500]!r}"
        return json.loads(answer.body)  # type: ignore[no-any-return]

    def apply(self, manifest: dict[str, Any]) -> None:
        kind = _KINDS[manifest["kind"]]
        metadata = manifest["metadata"]
        self.write("PATCH", kind.path(metadata.get("namespace"), metadata["name"]), manifest, APPLY)

    def make(self, manifest: dict[str, Any]) -> None:
        """Apply, unless an object of that name is still being deleted."""
        kind, metadata = _KINDS[manifest["kind"]], manifest["metadata"]
        present = self.read(kind, metadata["name"], metadata.get("namespace"))
        if present is None or not present["metadata"].get("deletionTimestamp"):
            self.apply(manifest)

    def erase(self, kind: kinds.Kind, name: str, namespace: str | None = None) -> None:
        """Delete, if it is there."""
        if self.read(kind, name, namespace) is not None:
            self.write("DELETE", kind.path(namespace, name))

    def patch(
        self, kind: kinds.Kind, obj: dict[str, Any], change: dict[str, Any], *, status: bool = False
    ) -> None:
        """An object that was read, if it is still there."""
        metadata = obj["metadata"]
        if self.read(kind, metadata["name"], metadata.get("namespace")) is not None:
            path = kind.path(metadata.get("namespace"), metadata["name"], "status" if status else None)
            self.write("PATCH", path, change)

    def label(self, node: str, labels: dict[str, str | None]) -> None:
        """Of a Node, if it is there; None takes one away."""
        if self.read(kinds.NODE, node) is not None:
            self.write("PATCH", kinds.NODE.path(None, node), {"metadata": {"labels": labels}})

    def read(self, kind: kinds.Kind, name: str, namespace: str | None = None) -> dict[str, Any] | None:
        """As it is in the store now."""
        answer = self.api.handle("GET", kind.path(namespace, name), {}, b"", "", "admin")
        return json.loads(answer.body) if answer.status == 200 else None

    def read_all(self, kind: kinds.Kind) -> list[dict[str, Any]]:
        return json.loads(self.api.handle("GET", kind.path(), {}, b"", "", "admin").body)["items"]  # type: ignore[no-any-return]

    def set_up(self) -> None:
        """What the chart, the kubelets and an administrator have done before anything runs."""
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": LEASE_NAMESPACE}})
        for name in self.hosts:
            self.register(name)
        self.apply(self.cluster_manifest(CLUSTER))
        for manifest in self.device_manifests():
            self.apply(manifest)

    def cluster_manifest(self, name: str) -> dict[str, Any]:
        dog = self.setting.dog
        spec = {
            "properties": self.properties,
            "nodeSelector": SELECTOR,
            **({"watchdog": dog.spec} if dog is not None else {}),
        }
        return {"apiVersion": API_VERSION, "kind": "HACluster", "metadata": {"name": name}, "spec": spec}

    def device_manifests(self) -> list[dict[str, Any]]:
        return [
            {
                "apiVersion": API_VERSION,
                "kind": "FenceDevice",
                "metadata": {"name": name},
                "spec": {"cluster": CLUSTER, "agent": "stonith:fence_sim", "timeout": "5s", **more},
            }
            for name, more in self.setting.devices.items()
        ]

    def register(self, name: str) -> None:
        """As a kubelet does: its Node is there, with the labels that it has for itself."""
        labels = {MEMBER: CLUSTER, **{without(one): "yes" for one in self.hosts if one != name}}
        metadata = {"name": name, "labels": labels}
        self.apply({"apiVersion": "v1", "kind": "Node", "metadata": metadata})
        addresses = {"status": {"addresses": [{"type": "InternalIP", "address": name}]}}
        self.write("PATCH", kinds.NODE.path(None, name, "status"), addresses)

    def boot_all(self) -> None:
        for host in self.hosts.values():
            self.loop.post(host.system, host.boot, delay=host.dice.uniform(0, 0.5))
        self._look()

    def _look(self) -> None:
        self.checkers.look()
        self.loop.call_later(0.2, self._look, context=self.api.context)

    # -- networks

    def send_letter(self, sender: Host, receiver: str, give: Callable[[Keeper], None]) -> None:
        """Between keepers: may be lost, late, or find nobody."""
        target = self.hosts[receiver]
        if not sender.peers_up.get(receiver, True) or self.api.dice.random() < self.letters_lost:
            return

        def arrive() -> None:
            keeper = target.keeper
            if target.up and keeper is not None and keeper.process.alive:
                self.loop.post(keeper.process, give, keeper)

        delay = self.api.dice.uniform(0.0005, self.letters_delay_s)
        self.loop.call_later(delay, arrive, context=self.api.context)

    def run(self, seconds: float) -> None:
        try:
            self.loop.run_until(self.loop.time() + seconds)
        except SpinError as error:
            self.checkers.violation("nobody spins", str(error))
            raise
        for problem in self.loop.errors:
            self.checkers.violation(
                "no callback fails", f"{problem.get('message')}: {problem.get('exception')!r}"
            )
        self.loop.errors.clear()


class LogLines(logging.Handler):
    """What the programs log, as lines of the story."""

    def __init__(self, world: World) -> None:
        super().__init__(logging.INFO)
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        process = PROCESS.get()
        name = process.name if process is not None else "?"
        self._world.lines.append(f"{self._world.loop.time():9.4f}    [{name}] {record.getMessage()}")


_KINDS = {kind.name: kind for kind in vars(kinds).values() if isinstance(kind, kinds.Kind)}


def without(name: str) -> str:
    """The label that every Node but this one has."""
    return f"example.com/without-{name}"


def resource(name: str, *, requires: str = "fencing", interval: str = "5s", **meta: Any) -> dict[str, Any]:
    """An HAResource's manifest."""
    return {
        "apiVersion": API_VERSION,
        "kind": "HAResource",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {**template(requires=requires, interval=interval, **meta)},
    }


EVERYWHERE = "every"
"""The clone of the seeds that have one."""


def clone(name: str, **meta: Any) -> dict[str, Any]:
    """The manifest of an anonymous clone: one instance on each host."""
    made = resource(name, **meta)
    made["spec"]["clone"] = {}
    return made


def template(*, requires: str = "fencing", interval: str = "5s", **meta: Any) -> dict[str, Any]:
    return {
        "agent": DUMMY,
        "operations": [
            {"name": "monitor", "interval": interval, "timeout": "4s"},
            {"name": "start", "timeout": "6s"},
            {"name": "stop", "timeout": "6s"},
        ],
        "meta": {"requires": requires, **meta},
    }


def group(name: str, members: list[str], *, requires: str = "fencing", **meta: Any) -> dict[str, Any]:
    """A ResourceGroup's manifest."""
    return {
        "apiVersion": API_VERSION,
        "kind": "ResourceGroup",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "members": [{"name": one, "template": template(requires=requires, **meta)} for one in members]
        },
    }
