"""The key by which keepers know one another when they vouch (design note 0003): one Secret per cluster, made by the first DC."""

from __future__ import annotations

import base64
import logging
import secrets

from backstay.api import GROUP, LEASE_NAMESPACE
from backstay.coordinator.peers import KEY_FIELD
from backstay_kube import kinds
from backstay_kube.client import KubeClient
from backstay_kube.errors import ApiConflict, ApiError

log = logging.getLogger(__name__)

KEY_BYTES = 32


def secret_name(cluster: str) -> str:
    return f"vouch-{cluster}"


async def ensure_vouch_key(client: KubeClient, cluster: str) -> str:
    """The Secret's name once it is there, empty when it can't be had: then nobody vouches, and nothing else suffers."""
    name = secret_name(cluster)
    key = base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
    body = {
        "metadata": {"name": name, "namespace": LEASE_NAMESPACE, "labels": {f"{GROUP}/cluster": cluster}},
        "data": {KEY_FIELD: key},
    }
    try:
        # Not read first: the operator needs no right to read any Secret.
        await client.create(kinds.SECRET, body, LEASE_NAMESPACE)
    except ApiConflict:
        return name
    except ApiError as error:
        log.warning("no key for vouching: %s", error, extra={"cluster": cluster})
        return ""
    return name
