"""Values of parameters that stand in Secrets.

A stop needs what the start was given, also when the API is gone or the Secret was changed or deleted meanwhile: so the values
that a resource was last run with are kept, in the run directory (a tmpfs, root only) to outlive the agent, and a stop takes
those.
"""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from backstay_nodeagent.durable_file import DurableFile
from backstay_nodeagent.orders import Order, SecretRef, Verb

log = logging.getLogger(__name__)
ASKING_VERBS = (Verb.START, Verb.RELOAD, Verb.PROMOTE, Verb.MIGRATE_FROM, Verb.FENCE)
"""They take the value as it is now; everything else, monitors above all, takes the one that the resource runs with."""

Fetch = Callable[[SecretRef], Awaitable[str]]
"""Value of one key, base64. Raises SecretError for what is missing, UnavailableError when the API can't be asked."""


class SecretError(Exception):
    """There is no such Secret, or no such key, or it may not be read."""


class UnavailableError(Exception):
    """The API can't be asked now."""


class SecretStore:
    """Resolves an order's parameters."""

    def __init__(self, run_dir: Path, fetch: Fetch) -> None:
        self._file = DurableFile(run_dir / "secrets.json")
        self._fetch = fetch
        self._used: dict[str, dict[str, str]] = {}
        try:
            self._used = json.loads(self._file.read())
        except (OSError, ValueError):
            self._used = {}

    async def params(self, order: Order) -> dict[str, str]:
        """All parameters. Raises SecretError when a value can't be had from anywhere."""
        if not order.params_from:
            return dict(order.params)
        known = self._used.get(order.resource, {})
        if order.verb not in ASKING_VERBS and order.params_from.keys() <= known.keys():
            return self.known_params(order)
        values: dict[str, str] = {}
        for name, ref in order.params_from.items():
            try:
                values[name] = base64.b64decode(await self._fetch(ref)).decode("utf-8", "surrogateescape")
            except UnavailableError as error:
                if name not in known:
                    raise SecretError(f"parameter {name}: {error}") from None
                values[name] = known[name]
            except SecretError as error:
                raise SecretError(f"parameter {name}: {error}") from None
        if values != known:
            self._keep(order.resource, values)
        return {**order.params, **values}

    def _keep(self, resource: str, values: dict[str, str]) -> None:
        """Before anything runs with them: a stop must be given the same, by another agent too. Raises SecretError."""
        used = {**self._used, resource: values}
        try:
            self._file.write(json.dumps(used))
        except OSError as error:
            raise SecretError(
                f"not run: its parameters can't be kept for its stop: {error.strerror or error}"
            ) from None
        self._used = used

    def known_params(self, order: Order) -> dict[str, str]:
        """With the values used last; what was never looked up is left out."""
        known: Mapping[str, str] = self._used.get(order.resource, {})
        return {**order.params, **{name: known[name] for name in order.params_from if name in known}}
