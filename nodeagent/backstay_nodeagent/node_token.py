"""A token for the keeper that does not end with the pod: of the agent's own account, bound to its Node instead.

The keeper renews the Lease between two pods of the agent (an update, an eviction). A pod's token is void as soon as the pod is
deleted; one that is bound to the Node lives as long as the Node does, and names it in the same claim (Kubernetes 1.31 and newer). The
admission policy `backstay-nodeagent` lets an agent ask for its own node only. Design note 0008.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backstay_kube.client import KubeClient

log = logging.getLogger(__name__)
LIFETIME_S = 24 * 3600
RETRY_S = 60.0
REFUSED_S = 600.0
"""Pause after a refusal: rights may be granted later, by an upgrade of the chart."""


@dataclass(frozen=True, slots=True)
class Account:
    """A ServiceAccount."""

    namespace: str
    name: str


def account_of(token: str) -> Account | None:
    """Whose token it is, by its subject; None if it is no ServiceAccount's. Not verified: it is our own."""
    try:
        payload = token.split(".")[1]
        claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        kind, who, namespace, name = str(claims["sub"]).split(":")
    except (IndexError, KeyError, ValueError, TypeError):
        return None
    return Account(namespace, name) if (kind, who) == ("system", "serviceaccount") else None


async def request_token(client: KubeClient, account: Account, node: str) -> str:
    """Ask for one. Raises ApiError."""
    body = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {
            "expirationSeconds": LIFETIME_S,
            "boundObjectRef": {"apiVersion": "v1", "kind": "Node", "name": node},
        },
    }
    path = f"/api/v1/namespaces/{account.namespace}/serviceaccounts/{account.name}/token"
    answer = await client.request("POST", path, body=body)
    return str(answer["status"]["token"])


async def keep_token(client: KubeClient, account: Account, node: str, use: Callable[[str], None]) -> None:
    """For ever: a fresh token at a third of its life. While there is none the keeper has the pod's."""
    from backstay_kube.errors import ApiError, ApiForbidden, ApiInvalid

    while True:
        try:
            use(await request_token(client, account, node))
            pause = LIFETIME_S / 3
        except (ApiForbidden, ApiInvalid) as error:
            log.warning(
                "no token that outlives the pod: replacing the agent's pod will cost the lease if it takes longer",
                extra={"fields": {"error": str(error)}},
            )
            pause = REFUSED_S
        except ApiError as error:
            log.warning("no answer to a request for a token", extra={"fields": {"error": str(error)}})
            pause = RETRY_S
        await asyncio.sleep(pause * random.uniform(0.9, 1.0))
