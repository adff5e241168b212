"""Values from Secrets: fresh for a start, the ones it was started with for a stop."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from backstay_nodeagent.orders import Order, SecretRef
from backstay_nodeagent.secret_store import SecretError, SecretStore, UnavailableError
from unit.nodeagent.brain_driver import order

REF = SecretRef("web", "db", "password")


class Api:
    """Secrets as the API would answer."""

    def __init__(self) -> None:
        self.values: dict[SecretRef, str] = {REF: "first"}
        self.down = False

    async def fetch(self, ref: SecretRef) -> str:
        if self.down:
            raise UnavailableError("the API is down")
        if ref not in self.values:
            raise SecretError(f"secret {ref.namespace}/{ref.name} does not exist")
        return base64.b64encode(self.values[ref].encode()).decode()


def using(verb: str) -> Order:
    return order("1", verb, params={"user": "me"}, params_from={"password": REF})


async def test_value_comes_from_the_secret(tmp_path: Path) -> None:
    store = SecretStore(tmp_path, Api().fetch)
    assert await store.params(using("start")) == {"user": "me", "password": "first"}


async def test_running_resource_is_handled_with_the_value_it_was_started_with(tmp_path: Path) -> None:
    api = Api()
    store = SecretStore(tmp_path, api.fetch)
    await store.params(using("start"))
    api.values[REF] = "second"
    assert (await store.params(using("stop")))["password"] == "first"
    assert (await store.params(using("monitor")))["password"] == "first"
    assert (await store.params(using("start")))["password"] == "second"
    assert (await store.params(using("monitor")))["password"] == "second"


async def test_monitors_of_a_running_resource_ask_the_api_nothing(tmp_path: Path) -> None:
    api = Api()
    store = SecretStore(tmp_path, api.fetch)
    await store.params(using("start"))
    api.values.clear()
    assert (await store.params(using("monitor")))["password"] == "first"


async def test_stop_works_after_a_restart_with_the_api_gone(tmp_path: Path) -> None:
    api = Api()
    await SecretStore(tmp_path, api.fetch).params(using("start"))
    api.down = True
    successor = SecretStore(tmp_path, api.fetch)
    assert (await successor.params(using("stop")))["password"] == "first"
    assert successor.known_params(using("stop"))["password"] == "first"
    assert (tmp_path / "secrets.json").stat().st_mode & 0o077 == 0


async def test_start_without_its_secret_is_an_error_that_names_it(tmp_path: Path) -> None:
    api = Api()
    api.values.clear()
    with pytest.raises(SecretError, match="password: secret web/db does not exist"):
        await SecretStore(tmp_path, api.fetch).params(using("start"))


async def test_api_that_is_down_is_an_error_for_a_value_never_seen(tmp_path: Path) -> None:
    api = Api()
    api.down = True
    with pytest.raises(SecretError, match="down"):
        await SecretStore(tmp_path, api.fetch).params(using("start"))
