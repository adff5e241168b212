"""Schema-valid nonsense: objects that the API accepts, and that no program can work with. They stay until the end of the seed.

The nonsense concerns nobody but itself: its constraints name its own resources, so that whatever the cluster
runs beside it has to go on, and to recover, as if it were not there.
"""

from __future__ import annotations

from typing import Any

from simulation.hand import Done, Hand, nothing

ODD_MAX = 6
"""Objects of a seed: each is there for good."""
API = "ha.backstay.io/v1alpha1"
MONITOR = {"name": "monitor", "interval": "30s"}
DIGITS = "9" * 900
BEYOND = {"start": "2026-01-01", "duration": {"years": "99999999"}, "operation": "in_range"}
EXPRESSIONS: tuple[dict[str, Any], ...] = (
    {"dateSpec": {"hours": "²"}, "operation": "date_spec"},
    {"dateSpec": {"moons": "1"}, "operation": "date_spec"},
    BEYOND,
    {"start": "tomorrow", "operation": "gt"},
    *(
        {"attribute": "#uname", "operation": "lt", "type": type_, "value": value}
        for type_ in ("version", "number", "integer")
        for value in ("²", DIGITS, "1e999")
    ),
)
PATTERNS = (".*" * 30 + "x", "(", "(?=odd)", "a{1001}")


class NonsenseFaults(Hand):
    """Somebody applies a manifest that means nothing."""

    def do_nonsense(self) -> Done:
        """A resource that is held back or stays stopped, or a constraint on such resources."""
        made = getattr(self, "_odd", 0)
        if made >= ODD_MAX:
            return None
        self._odd = made + 1
        name = f"odd-{self._odd}"
        manifest = self._constraint(name) if self.dice.random() < 0.3 else self._resource(name)
        self.world.make(manifest)
        return f"nonsense is applied: {manifest['kind']} {name} {_short(manifest['spec'])}", 0.1, nothing

    def _resource(self, name: str) -> dict[str, Any]:
        spec: dict[str, Any] = {"agent": "ocf:heartbeat:Dummy", "meta": {"targetRole": "Stopped"}}
        if self.dice.random() < 0.5:
            spec["operations"] = [{**MONITOR, "intervalOrigin": self.dice.choice(["tomorrow", "²", DIGITS])}]
        else:
            rule = {"expressions": [self.dice.choice(EXPRESSIONS)]}
            spec["conditionalParams"] = [{"rule": rule, "params": {"state": name}}]
        return _manifest("HAResource", name, spec)

    def _constraint(self, name: str) -> dict[str, Any]:
        if self.dice.random() < 0.4:
            location: dict[str, Any] = {
                "resourcePattern": self.dice.choice(PATTERNS),
                "node": "n1",
                "score": 1,
            }
        else:
            rule = {"score": 1, "expressions": [self.dice.choice(EXPRESSIONS)]}
            location = {"resource": "odd-1", "rules": [rule]}
        return _manifest("HAConstraint", name, {"location": location})


def _manifest(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": API,
        "kind": kind,
        "metadata": {"name": name, "namespace": "default"},
        "spec": spec,
    }


def _short(spec: dict[str, Any]) -> str:
    text = str(spec)
    return text if len(text) <= 120 else f"{text[:117]}..."
