"""What a command works with: the API, the chosen cluster and namespace, a clock, and where to write.

Opened once by the program. The kubernetes client is imported here and nowhere earlier, so that --help does not wait for it.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, Protocol

from backstay_cli.errors import CliError

if TYPE_CHECKING:
    from backstay_kube.client import ObjectList
    from backstay_kube.kinds import Kind

Obj = dict[str, Any]


class Api(Protocol):
    """The part of backstay_kube.KubeClient that the commands use."""

    async def get(self, kind: Kind, name: str, namespace: str | None = None) -> Obj: ...

    async def list(
        self, kind: Kind, namespace: str | None = None, *, label_selector: str | None = None
    ) -> ObjectList: ...

    async def create(self, kind: Kind, body: Obj, namespace: str | None = None) -> Obj: ...

    async def patch(self, kind: Kind, name: str, body: Any, *, namespace: str | None = None) -> Obj: ...

    async def delete(self, kind: Kind, name: str, namespace: str | None = None) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """`namespace` is what -n said, or None; `home` the namespace for new objects. `new_id` makes ids of requests."""

    api: Api
    out: IO[str]
    err: IO[str]
    cluster: str | None = None
    namespace: str | None = None
    home: str = "default"
    environ: Mapping[str, str] = field(default_factory=dict)
    clock: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    new_id: Callable[[], str]

    def say(self, text: str) -> None:
        """Progress and explanations: on stderr, so that stdout holds only what was asked for."""
        print(text, file=self.err, flush=True)

    def show(self, text: str) -> None:
        print(text, file=self.out, flush=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How to reach the API, as the command line says."""

    kubeconfig: str | None = None
    context: str | None = None
    cluster: str | None = None
    namespace: str | None = None


@asynccontextmanager
async def open_session(access: Access, *, out: IO[str], err: IO[str]) -> AsyncIterator[Session]:
    """Connect. Raises CliError for a kubeconfig that is not there, and backstay_kube's ApiError for an unusable one."""
    _refuse_unusable(access, os.environ)
    import uuid

    from backstay_kube.client import KubeClient

    client = await KubeClient.connect(access.kubeconfig, context=access.context, field_manager="kubectl-ha")
    async with client:
        yield Session(
            api=client,
            out=out,
            err=err,
            cluster=access.cluster or os.environ.get("BACKSTAY_CLUSTER") or None,
            namespace=access.namespace,
            home=access.namespace or context_namespace(access, os.environ),
            environ=os.environ,
            new_id=lambda: str(uuid.uuid4()),
        )


def _refuse_unusable(access: Access, environ: Mapping[str, str]) -> None:
    """The client's own messages for these speak of missing keys, or are tracebacks. Raises CliError."""
    if "KUBERNETES_SERVICE_HOST" in environ and access.kubeconfig is None:
        return
    paths = _kubeconfigs(access, environ)
    there = [path for path in paths if os.path.exists(path)]
    hint = "name another with --kubeconfig or $KUBECONFIG"
    if not there:
        raise CliError(f"there is no kubeconfig: {', '.join(paths)}", hint=hint)
    if not _documents(there):
        raise CliError(f"this is no kubeconfig: {', '.join(there)}", hint=hint)


def _documents(paths: Sequence[str]) -> list[dict[str, Any]]:
    """The kubeconfigs among these files."""
    import yaml

    documents = []
    for path in paths:
        try:
            with open(path, encoding="utf-8") as file:
                document = yaml.safe_load(file)
        except (OSError, UnicodeDecodeError, yaml.YAMLError):
            continue
        if isinstance(document, dict):
            documents.append(document)
    return documents


def _kubeconfigs(access: Access, environ: Mapping[str, str]) -> list[str]:
    """The files that may be read, as kubectl looks for them."""
    named = [access.kubeconfig] if access.kubeconfig else environ.get("KUBECONFIG", "").split(os.pathsep)
    return [path for path in named if path] or [os.path.expanduser("~/.kube/config")]


def context_namespace(access: Access, environ: Mapping[str, str]) -> str:
    """The namespace of the kubeconfig's context, as kubectl takes it; "default" where none is named."""
    documents = _documents(_kubeconfigs(access, environ))
    current = access.context or next(
        (d["current-context"] for d in documents if d.get("current-context")), ""
    )
    for document in documents:
        for entry in document.get("contexts") or []:
            if entry.get("name") == current:
                return (entry.get("context") or {}).get("namespace") or "default"
    return "default"
