"""A token for the keeper: asked for the own account and node, taken anew in time, and told when it is refused."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from typing import Any

import pytest

from backstay_kube.errors import ApiForbidden
from backstay_nodeagent.node_token import Account, account_of, keep_token


def token(subject: str) -> str:
    payload = base64.urlsafe_b64encode(json.dumps({"sub": subject}).encode()).decode().rstrip("=")
    return f"e30.{payload}.c2ln"


class Api:
    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.asked: list[tuple[str, str, Any]] = []

    async def request(self, method: str, path: str, *, body: Any) -> dict[str, Any]:
        self.asked.append((method, path, body))
        if self.error is not None:
            raise self.error
        return {"status": {"token": "of-the-node"}}


@pytest.mark.parametrize(
    ("text", "account"),
    [
        (token("system:serviceaccount:backstay-system:backstay-nodeagent"), "backstay-nodeagent"),
        (token("system:node:n1"), None),
        (token("someone"), None),
        ("not a token", None),
        ("", None),
    ],
)
def test_account_is_read_from_the_tokens_subject(text: str, account: str | None) -> None:
    found = account_of(text)
    assert (found.name if found else None) == account


async def test_token_is_asked_for_the_own_account_and_node() -> None:
    api, used = Api(), []
    task = asyncio.create_task(keep_token(api, Account("backstay-system", "agents"), "n1", used.append))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    assert used == ["of-the-node"]
    ((method, path, body),) = api.asked
    assert (method, path) == ("POST", "/api/v1/namespaces/backstay-system/serviceaccounts/agents/token")
    assert body["spec"]["boundObjectRef"] == {"apiVersion": "v1", "kind": "Node", "name": "n1"}


async def test_refusal_is_told_and_does_not_end_the_agent(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    used: list[str] = []
    task = asyncio.create_task(
        keep_token(Api(ApiForbidden("no", code=403)), Account("s", "a"), "n1", used.append)  # type: ignore[arg-type]
    )
    for _ in range(3):
        await asyncio.sleep(0)
    assert not task.done()
    task.cancel()
    assert used == []
    assert "outlives the pod" in caplog.text
