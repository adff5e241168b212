"""How a keeper renews its node's Lease, as requests to send and answers to take in. Pure; standard library only.

A keeper renews only a Lease that it was the last to write: each write carries the resourceVersion of the answer before it. Where
something else wrote meanwhile, the keeper looks first. If that was another boot, another machine has taken the node's name, and
this one gives the Lease up: from that write on no renewal of this boot is acknowledged, which is what the DC builds on (design
note 0015). A keeper whose boot has not renewed yet takes the Lease of a former boot over; and so does one that finds its own
machine's former boot there, which an etcd that was restored from a backup brings back.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

GROUP = "ha.backstay.io"
MERGE_PATCH, PLAIN_JSON = "application/merge-patch+json", "application/json"
TRIES = 4
"""Of one renewal, where others write to the Lease at the same time."""


class RenewalError(Exception):
    """The renewal did not work, or nobody knows; the message says why."""


@dataclass(frozen=True)
class Request:
    """What to send. `body` None: nothing but the headers."""

    method: str
    path: str
    body: dict[str, Any] | None = None
    content_type: str = PLAIN_JSON


@dataclass(frozen=True)
class Answer:
    """Status code and body of the answer."""

    status: int
    body: bytes = b""


class LeaseProtocol:
    """The Lease of one node, for one boot. `held`: a renewal of this boot was acknowledged before."""

    def __init__(
        self, *, namespace: str, node: str, boot_id: str, held: bool, machine: tuple[str, str] = ("", "")
    ) -> None:
        """`machine`: machine-id and system UUID, empty where they are not known."""
        self._namespace, self._name, self._boot_id = namespace, f"node-{node}", boot_id
        self._machine = machine
        self._former_boot = ""
        """That this keeper has taken the Lease over from."""
        self._collection = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self.held = held
        self._version = ""
        """Of the Lease as this keeper wrote it last; empty: look before the next write."""

    def renewal(self, spec: dict[str, Any], annotations: dict[str, str]) -> Generator[Request, Answer, None]:
        """Send each request, and hand its answer back. Raises RenewalError unless the server acknowledged the renewal."""
        path = f"{self._collection}/{self._name}"
        metadata: dict[str, Any] = {"annotations": annotations}
        answer = Answer(0)
        for _ in range(TRIES):
            if not self._version:
                answer = yield Request("GET", path)
                if answer.status == 404:
                    named = {**metadata, "name": self._name, "namespace": self._namespace}
                    whole = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
                    answer = yield Request(
                        "POST", self._collection, {**whole, "metadata": named, "spec": spec}
                    )
                    break
                if answer.status != 200:
                    break
                self._look(answer)
            body = {"metadata": {**metadata, "resourceVersion": self._version}, "spec": spec}
            answer = yield Request("PATCH", path, body, MERGE_PATCH)
            self._version = ""
            if answer.status not in (404, 409):
                break
        if not 200 <= answer.status < 300:
            raise RenewalError(f"the API server answered {answer.status}")
        self.held = True
        self._version = _version_of(_document(answer))

    def lost(self) -> None:
        """The connection broke: nobody knows whether the last write was taken in."""
        self._version = ""

    def _look(self, answer: Answer) -> None:
        """Take in the Lease as it is. Raises RenewalError where it is another machine's."""
        lease = _document(answer)
        annotations = _mapping(_mapping(lease.get("metadata")).get("annotations"))
        boot = str(annotations.get(f"{GROUP}/boot-id", ""))
        machine = tuple(str(annotations.get(f"{GROUP}/{name}", "")) for name in ("machine-id", "system-uuid"))
        if self.held and boot not in ("", self._boot_id) and not self._is_ours(boot, machine):
            raise RenewalError(
                f"another machine has taken this node's name: the Lease {self._name} is renewed by its boot {boot[:64]!r} "
                f"(machine-id {machine[0][:64]!r}); switch one of the two off"
            )
        if boot != self._boot_id:
            self._former_boot = boot
        self._version = _version_of(lease)
        if not self._version:
            raise RenewalError("the API server's answer is no Lease")

    def _is_ours(self, boot: str, machine: tuple[str, ...]) -> bool:
        """Whether a former boot of this very machine wrote it. Where an identity is not known, only the one that was there before."""
        if all(self._machine) and all(machine):
            return machine == self._machine
        return boot == self._former_boot


def _document(answer: Answer) -> dict[str, Any]:
    try:
        return _mapping(json.loads(answer.body))
    except (ValueError, RecursionError):
        return {}


def _version_of(lease: dict[str, Any]) -> str:
    return str(_mapping(lease.get("metadata")).get("resourceVersion", ""))


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
