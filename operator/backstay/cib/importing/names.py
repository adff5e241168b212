"""Kubernetes names for Pacemaker's ids, each given once per kind."""

from collections.abc import Callable

from backstay.api.names import kubernetes_name


class Names:
    """`of("HAResource", "app_lvm")` is "app-lvm"; a second id that would get the same name gets "app-lvm-2"."""

    def __init__(self) -> None:
        self._given: dict[tuple[str, str], str] = {}
        self._taken: set[tuple[str, str]] = set()

    def of(self, kind: str, identity: str) -> str:
        """The name of the object of that kind for that id."""
        known = self._given.get((kind, identity))
        return self._give(kind, identity, kubernetes_name) if known is None else known

    def of_node(self, uname: str) -> str:
        """A Node keeps its name where Kubernetes allows it."""
        known = self._given.get(("HANode", uname))
        return self._give("HANode", uname, node_name) if known is None else known

    def another(self, kind: str, identity: str) -> str:
        """A new name at each call: several objects may come of one id."""
        return self._unique(kind, _usable(identity, kubernetes_name))

    def _give(self, kind: str, identity: str, spell: Callable[[str], str]) -> str:
        name = self._unique(kind, _usable(identity, spell))
        self._given[(kind, identity)] = name
        return name

    def _unique(self, kind: str, wanted: str) -> str:
        name, number = wanted, 1
        while (kind, name) in self._taken:
            number += 1
            name = f"{wanted}-{number}"
        self._taken.add((kind, name))
        return name


def node_name(uname: str) -> str:
    """Lower case, as the kubelet registers a host."""
    return uname.lower().replace("_", "-")


def _usable(identity: str, spell: Callable[[str], str]) -> str:
    try:
        return spell(identity)[:240].rstrip("-.")
    except ValueError:
        return "x" + "".join(c if c.isascii() and c.isalnum() else "-" for c in identity.lower()).strip("-")
