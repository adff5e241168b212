"""An API in a dict: get, list, create, merge patch with resourceVersion, delete.

A `dc` may answer each write, as the real one would.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from backstay_kube.client import ObjectList
from backstay_kube.errors import ApiConflict, ApiForbidden, ApiNotFound
from backstay_kube.kinds import Kind

Obj = dict[str, Any]
Key = tuple[str, str, str]


class FakeApi:
    """`reads` and `writes` are the log of calls; `forbidden` kinds may not be listed."""

    def __init__(self, *objects: Obj) -> None:
        self.objects: dict[Key, Obj] = {}
        self.version = 0
        self.writes: list[tuple[str, str, str, Any]] = []
        self.forbidden: set[str] = set()
        self.unknown: set[str] = set()
        self.refuse_create: Exception | None = None
        self.before_patch: Callable[[FakeApi, str, str], None] | None = None
        self.dc: Callable[[FakeApi], None] | None = None
        self.meanwhile: Callable[[FakeApi], None] | None = None
        for obj in objects:
            self.put(obj)

    def put(self, obj: Obj) -> Obj:
        """Store an object as it is."""
        self.version += 1
        stored = copy.deepcopy(obj)
        stored["metadata"]["resourceVersion"] = str(self.version)
        self.objects[self._key(obj["kind"], obj["metadata"])] = stored
        return stored

    def object(self, kind: str, name: str, namespace: str = "") -> Obj:
        return self.objects[kind, namespace, name]

    def status(self, kind: str, name: str, namespace: str = "", **fields: Any) -> None:
        """What the DC writes."""
        obj = copy.deepcopy(self.object(kind, name, namespace))
        obj.setdefault("status", {}).update(fields)
        self.put(obj)

    async def second_look(self, _seconds: float) -> None:
        """Stands for a sleep between two looks: `meanwhile` is what happens in it."""
        if self.meanwhile is not None:
            self.meanwhile(self)

    async def get(self, kind: Kind, name: str, namespace: str | None = None) -> Obj:
        return copy.deepcopy(self._find(kind, name, namespace))

    async def list(
        self, kind: Kind, namespace: str | None = None, *, label_selector: str | None = None
    ) -> ObjectList:
        if kind.plural in self.forbidden:
            raise ApiForbidden(f"{kind.plural} is forbidden", code=403)
        if kind.plural in self.unknown:
            raise ApiNotFound("the server could not find the requested resource", code=404)
        items = [
            copy.deepcopy(obj)
            for (name, space, _), obj in sorted(self.objects.items())
            if name == kind.name and namespace in (None, "", space)
        ]
        return ObjectList(items, str(self.version))

    async def create(self, kind: Kind, body: Obj, namespace: str | None = None) -> Obj:
        if self.refuse_create is not None:
            raise self.refuse_create
        metadata = {**body["metadata"], **({"namespace": namespace} if kind.namespaced else {})}
        key = self._key(kind.name, metadata)
        if key in self.objects:
            raise ApiConflict(f"{kind.plural} {key[2]} already exists", code=409, reason="AlreadyExists")
        self.writes.append(("create", kind.name, key[2], body))
        stored = self.put({**body, "kind": kind.name, "metadata": metadata})
        self._told()
        return copy.deepcopy(stored)

    async def patch(self, kind: Kind, name: str, body: Any, *, namespace: str | None = None) -> Obj:
        if self.before_patch is not None:
            hook, self.before_patch = self.before_patch, None
            hook(self, kind.name, name)
        present = self._find(kind, name, namespace)
        version = body.get("metadata", {}).get("resourceVersion")
        if version and version != present["metadata"]["resourceVersion"]:
            raise ApiConflict("the object has been modified", code=409, reason="Conflict")
        self.writes.append(("patch", kind.name, name, body))
        stored = self.put(_merged(present, body))
        self._told()
        return copy.deepcopy(stored)

    async def delete(self, kind: Kind, name: str, namespace: str | None = None) -> None:
        self._find(kind, name, namespace)
        self.writes.append(("delete", kind.name, name, None))
        del self.objects[kind.name, (namespace or "") if kind.namespaced else "", name]
        self._told()

    def _told(self) -> None:
        if self.dc is not None:
            self.dc(self)

    def _find(self, kind: Kind, name: str, namespace: str | None) -> Obj:
        key = (kind.name, (namespace or "") if kind.namespaced else "", name)
        if key not in self.objects:
            raise ApiNotFound(f'{kind.plural} "{name}" not found', code=404, reason="NotFound")
        return self.objects[key]

    @staticmethod
    def _key(kind: str, metadata: Obj) -> Key:
        return kind, metadata.get("namespace") or "", metadata["name"]


def _merged(target: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _merged(result.get(name), value)
    return result
