"""Two machines of one name cannot both hold its Lease: each write carries the version that the one before it made."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from backstay_nodeagent.lease_protocol import Answer, LeaseProtocol, RenewalError, Request

GROUP = "ha.backstay.io"
MACHINE, OTHER = ("m1", "u1"), ("m1", "u2")


class Store:
    """One Lease, with versions as the API server keeps them."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.version = 0
        self.requests: list[str] = []
        self.before: Callable[[Request], None] = lambda _: None

    def answer(self, request: Request) -> Answer:
        self.before(request)
        self.requests.append(request.method)
        if request.method == "GET":
            return Answer(404) if self.lease is None else Answer(200, json.dumps(self.lease).encode())
        body = request.body or {}
        if request.method == "POST":
            return Answer(409) if self.lease is not None else self.write(body["metadata"]["annotations"])
        if self.lease is None:
            return Answer(404)
        if body["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            return Answer(409)
        return self.write(body["metadata"]["annotations"])

    def write(self, annotations: dict[str, str]) -> Answer:
        self.version += 1
        self.lease = {"metadata": {"annotations": annotations, "resourceVersion": str(self.version)}}
        return Answer(200, json.dumps(self.lease).encode())

    @property
    def boot(self) -> str:
        assert self.lease is not None
        return str(self.lease["metadata"]["annotations"][f"{GROUP}/boot-id"])


class Keeper:
    def __init__(
        self, store: Store, boot: str, machine: tuple[str, str] = MACHINE, *, held: bool = False
    ) -> None:
        self.store, self.boot, self.machine = store, boot, machine
        self.protocol = LeaseProtocol(namespace="s", node="n1", boot_id=boot, held=held, machine=machine)

    def renew(self) -> None:
        said = dict(zip(("machine-id", "system-uuid", "boot-id"), (*self.machine, self.boot), strict=True))
        renewal = self.protocol.renewal({}, {f"{GROUP}/{name}": value for name, value in said.items()})
        try:
            request = next(renewal)
            while True:
                request = renewal.send(self.store.answer(request))
        except StopIteration:
            return


def test_renewal_takes_one_request_once_the_lease_is_known() -> None:
    store = Store()
    keeper = Keeper(store, "b1")
    for _ in range(3):
        keeper.renew()
    assert store.requests == ["GET", "POST", "PATCH", "PATCH"]


def test_boot_that_lost_the_lease_to_another_machine_never_renews_it_again() -> None:
    store = Store()
    former, newcomer = Keeper(store, "b1"), Keeper(store, "b2", OTHER)
    former.renew()
    newcomer.renew()
    for _ in range(3):
        with pytest.raises(RenewalError, match="another machine has taken this node's name"):
            former.renew()
        newcomer.renew()
    assert store.boot == "b2"


def test_keeper_that_is_started_anew_in_that_boot_does_not_renew_it_either() -> None:
    store = Store()
    Keeper(store, "b1").renew()
    Keeper(store, "b2", OTHER).renew()
    with pytest.raises(RenewalError, match="another machine"):
        Keeper(store, "b1", held=True).renew()


@pytest.mark.parametrize("machine", [MACHINE, ("", ""), ("m1", "")], ids=["identity", "none", "half"])
def test_boot_that_has_not_renewed_yet_takes_the_lease_of_the_boot_before_over(
    machine: tuple[str, str],
) -> None:
    store = Store()
    Keeper(store, "b1", machine).renew()
    rebooted = Keeper(store, "b2", machine)
    rebooted.renew()
    rebooted.renew()
    assert store.boot == "b2"


@pytest.mark.parametrize("machine", [MACHINE, ("", "")], ids=["identity", "none"])
def test_own_former_boot_that_a_restored_etcd_brings_back_is_no_other_machine(
    machine: tuple[str, str],
) -> None:
    store = Store()
    Keeper(store, "b1", machine).renew()
    rebooted = Keeper(store, "b2", machine)
    backup = dict(store.lease or {})
    rebooted.renew()
    store.lease = backup
    rebooted.renew()
    assert store.boot == "b2"


def test_write_of_somebody_else_to_the_lease_costs_a_look_and_no_renewal() -> None:
    store = Store()
    keeper = Keeper(store, "b1")
    keeper.renew()
    assert store.lease is not None
    store.write({**store.lease["metadata"]["annotations"], "a": "kubectl annotate"})
    keeper.renew()
    assert store.requests[-3:] == ["PATCH", "GET", "PATCH"]


def test_renewal_whose_answer_was_lost_does_not_stand_in_the_way_of_the_next() -> None:
    store = Store()
    keeper = Keeper(store, "b1")
    keeper.renew()
    assert store.lease is not None
    store.write(store.lease["metadata"]["annotations"])
    keeper.protocol.lost()
    keeper.renew()
    assert store.requests[-2:] == ["GET", "PATCH"]


def test_deleted_lease_is_made_again() -> None:
    store = Store()
    keeper = Keeper(store, "b1")
    keeper.renew()
    store.lease = None
    keeper.renew()
    assert store.boot == "b1"


def test_two_machines_that_write_at_the_same_time_do_not_both_win() -> None:
    store = Store()
    former, newcomer = Keeper(store, "b1"), Keeper(store, "b2", OTHER)
    former.renew()
    patches: list[Request] = []

    def overtake(request: Request) -> None:
        if request.method == "PATCH" and not patches:
            patches.append(request)
            former.renew()

    store.before = overtake
    newcomer.renew()
    assert store.boot == "b2"
    with pytest.raises(RenewalError, match="another machine"):
        former.renew()


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"\\xff", b'{"metadata": 7}', b"[" * 5000],
    ids=str.split("empty list bytes number deep"),
)
def test_answer_that_is_no_lease_is_a_failed_renewal(body: bytes) -> None:
    protocol = LeaseProtocol(namespace="s", node="n1", boot_id="b1", held=True)
    renewal = protocol.renewal({}, {})
    next(renewal)
    with pytest.raises(RenewalError, match="no Lease"):
        renewal.send(Answer(200, body))
