"""Faults of who belongs: Nodes are deleted, made again and relabelled, a nodeSelector is edited, a second HACluster claims the same.

Whatever runs on a host goes on running there when its Node is gone: only the host itself, or who ends it, can say that it does not.
"""

from __future__ import annotations

from backstay_kube import kinds
from simulation.hand import Done, Hand, Undo
from simulation.host import Host
from simulation.world import CLUSTER, MEMBER, SELECTOR, without

RIVAL = "rival"


class BelongingFaults(Hand):
    """A host leaves its cluster, and comes back; mostly the one on which something runs."""

    def do_node_deleted(self) -> Done:
        """Made again later, with another uid."""
        host = self._somebody()
        self.world.erase(kinds.NODE, host.name)
        return f"Node {host.name} is deleted", self._seconds(0.2, 20.0), self._back(host)

    def do_node_relabelled(self) -> Done:
        host = self._somebody()
        self.world.label(host.name, {MEMBER: None})
        return f"Node {host.name} loses its label", self._seconds(0.1, 20.0), self._back(host)

    def do_selector_edited(self) -> Done:
        """It leaves one host out, or matches nobody."""
        host = self._somebody()
        selector = {without(host.name): "yes"} if self.dice.random() < 0.8 else {"nobody": "has this"}
        self._select({**SELECTOR, **selector})
        gone = dict.fromkeys(selector)
        return f"nodeSelector is {selector}", self._seconds(0.2, 20.0), lambda: self._select(gone)

    def do_leaves_and_dies(self) -> Done:
        """A Node is deleted or relabelled, and a moment later its host loses power, or is cut off alone."""
        host = self._somebody()
        if not host.up or host.frozen:
            return None
        relabelled, crashes = self.dice.random() < 0.5, self.dice.random() < 0.5
        if relabelled:
            self.world.label(host.name, {MEMBER: None})
        else:
            self.world.erase(kinds.NODE, host.name)
        host.trouble(40.0)
        undo: list[Undo] = []

        def strike() -> None:
            if crashes:
                host.power_off("power cut")
                undo.append(lambda: self.world.power.boot(host))
            else:
                undo.append(self._alone(host))

        step = self._then(self.dice.uniform(0.05, 1.5), strike)
        back = self._back(host)

        def again() -> None:
            for one in (step, *undo, back):
                one()

        how = f"{'loses its label' if relabelled else 'is deleted'}, then {'power' if crashes else 'network'}"
        return f"Node {host.name} {how}", self._seconds(3.0, 20.0), again

    def do_rival(self) -> Done:
        """A second HACluster with the same claims; the older one wins, unless that is made again meanwhile."""
        if self.world.read(kinds.HACLUSTER, RIVAL) is not None:
            return None
        self.world.apply(self.world.cluster_manifest(RIVAL))
        return (
            "a second HACluster",
            self._seconds(1.0, 20.0),
            lambda: self.world.erase(kinds.HACLUSTER, RIVAL),
        )

    def _somebody(self) -> Host:
        """Mostly one that runs something."""
        runner = self._runner_of(self.dice.choice(["vip", "db", "fs"]))
        other = self._host()
        return runner if runner is not None and self.dice.random() < 0.7 else other

    def _back(self, host: Host) -> Undo:
        return lambda: self.world.register(host.name)

    def _select(self, selector: dict[str, str | None]) -> None:
        if self.world.read(kinds.HACLUSTER, CLUSTER) is not None:
            path = kinds.HACLUSTER.path(None, CLUSTER)
            self.world.write("PATCH", path, {"spec": {"nodeSelector": selector}})
