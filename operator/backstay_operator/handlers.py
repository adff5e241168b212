"""kopf: the operator's frame: log-in, the life of the process, and HAClusters, whose events wake the loops.

What is decided rests on the World's own copies: of each kind one complete list, a watch, and a list again after a gap. kopf tells a
handler of one object at a time, and neither whether the list behind it was complete nor that a watch has broken, which a DC must know.

Settings are for a control loop that works in tens of milliseconds: no batching window worth the name, no waiting for consistency, short
request timeouts; no peering, because the DC is elected per HACluster by a Lease of our own.
"""

from __future__ import annotations

import base64
from typing import Any

import kopf

from backstay_kube import kinds
from backstay_kube.client import Credentials
from backstay_operator.world import World


def registry_for(world: World) -> kopf.OperatorRegistry:
    """All handlers."""
    registry = kopf.OperatorRegistry()
    followed = kinds.HACLUSTER

    @kopf.on.event(followed.group, followed.version, followed.plural, registry=registry, id="wake")  # type: ignore[untyped-decorator]
    async def wake(**_: Any) -> None:
        # A coroutine runs in the loop, to which the world belongs; of plain functions kopf runs each call in a thread.
        world.wake()

    @kopf.on.login(registry=registry)  # type: ignore[untyped-decorator]
    def login(**_: Any) -> kopf.ConnectionInfo | None:
        return connection_of(world.client.credentials())

    return registry


def connection_of(given: Credentials) -> kopf.ConnectionInfo:
    """The way in that our own client has: kopf asks again when a token was refused, and gets the one that the file holds by then."""
    return kopf.ConnectionInfo(
        server=given.server,
        token=given.token or None,
        ca_path=given.ca_file or None,
        ca_data=base64.b64encode(given.ca_pem.encode()).decode()
        if given.ca_pem and not given.ca_file
        else None,
        certificate_path=given.client_cert_file or None,
        private_key_path=given.client_key_file or None,
        insecure=given.insecure or None,
    )


class _NoEssence(kopf.DiffBaseStorage):  # type: ignore[misc]
    """Nothing here asks kopf what has changed, for which it would copy each object that comes."""

    def build(self, *, body: kopf.Body, extra_fields: Any = None) -> kopf.BodyEssence:
        return kopf.BodyEssence({})

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        pass


def settings_for_milliseconds() -> kopf.OperatorSettings:
    """See the module's docstring."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.queueing.idle_timeout = 5.0
    settings.queueing.exit_timeout = 0.5
    settings.persistence.consistency_timeout = 0.0
    settings.persistence.diffbase_storage = _NoEssence()
    settings.execution.default_backoff = 1.0
    settings.networking.request_timeout = 10.0
    settings.networking.connect_timeout = 3.0
    settings.networking.error_backoffs = (0.1, 0.3, 1.0, 2.0)
    settings.watching.server_timeout = 60
    settings.watching.client_timeout = 75.0
    settings.watching.reconnect_backoff = 0.1
    settings.watching.inactivity_timeout = 20.0
    return settings
