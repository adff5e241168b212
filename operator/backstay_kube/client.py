"""A thin asynchronous client: dicts in, dicts out, typed errors, a timeout on every request.

It stands on the kubernetes client's own configuration and connection handling (kubeconfig, in-cluster tokens and their rotation, TLS),
but not on its generated models, which cost a conversion per object on a path that is to take milliseconds.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from urllib.request import getproxies_environment

import aiohttp
import yaml
from kubernetes.aio import client as kube
from kubernetes.aio import config as kube_config

from backstay.numerals import whole
from backstay_kube.errors import ApiError, ApiUnavailable, error_of
from backstay_kube.kinds import Kind
from backstay_kube.token_file import SERVICE_ACCOUNT_TOKEN, TokenFile, runs_in_pod, token_file_of

MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

Obj = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ObjectList:
    """A whole list at one resourceVersion."""

    items: list[Obj]
    resource_version: str


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """`type` is ADDED, MODIFIED, DELETED or BOOKMARK."""

    type: str
    object: Obj


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a process without the kubernetes client needs to reach the API server."""

    server: str
    token: str
    token_file: str
    ca_file: str
    ca_pem: str
    client_cert_file: str
    client_key_file: str
    insecure: bool = False
    """Whether the server's certificate is not to be checked."""
    tls_server_name: str = ""
    """The name in the server's certificate, where it is not the one in its address."""


class KubeClient:
    """One connection pool to one API server. Use as an asynchronous context manager, or call close()."""

    def __init__(
        self,
        api: kube.ApiClient,
        *,
        timeout_s: float = 10.0,
        field_manager: str = "backstay",
        token_file: TokenFile | None = None,
    ) -> None:
        self._api = api
        self._token_file = token_file
        self._timeout_s = timeout_s
        self._field_manager = field_manager

    @classmethod
    async def connect(
        cls,
        kubeconfig: str | None = None,
        *,
        context: str | None = None,
        timeout_s: float = 10.0,
        field_manager: str = "backstay",
    ) -> KubeClient:
        """From a kubeconfig file, or in a pod from its service account, or from the default kubeconfig.

        Raises ApiError when there is no usable configuration."""
        configuration = kube.Configuration()
        # Without a proxy in the environment there is nothing to be read from it: else every request looks for a .netrc, in a thread.
        configuration.client_session_kwargs = {"trust_env": bool(getproxies_environment())}
        in_pod = kubeconfig is None and context is None and runs_in_pod()
        try:
            if in_pod:
                kube_config.load_incluster_config(client_configuration=configuration)
            else:
                await kube_config.load_kube_config(
                    config_file=kubeconfig,
                    context=context,
                    client_configuration=configuration,
                    persist_config=False,
                )
        except (kube_config.ConfigException, OSError) as error:
            raise ApiError(f"no usable kubeconfig: {error}") from error
        except (TypeError, ValueError, yaml.YAMLError) as error:
            # What the library does with a file that is empty, or holds no kubeconfig.
            raise ApiError(
                f"no usable kubeconfig: {kubeconfig or 'the default one'} is not one ({error})"
            ) from error
        api = kube.ApiClient(configuration)
        path = SERVICE_ACCOUNT_TOKEN if in_pod else token_file_of(kubeconfig, context)
        token_file = TokenFile(path) if path else None
        return cls(api, timeout_s=timeout_s, field_manager=field_manager, token_file=token_file)

    async def __aenter__(self) -> KubeClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._api.close()

    @property
    def server(self) -> str:
        """Base URL of the API server."""
        return str(self._api.configuration.host)

    def credentials(self) -> Credentials:
        """For a process of our own that must not import this package (the keeper)."""
        configuration = self._api.configuration
        token = str(configuration.api_key.get("BearerToken") or "").removeprefix("Bearer ").strip()
        return Credentials(
            server=self.server,
            token=(self._token_file.read() if self._token_file else "") or token,
            token_file=self._token_file.path if self._token_file else "",
            ca_file=configuration.ssl_ca_cert or "",
            ca_pem=configuration.ca_cert_data or "",
            client_cert_file=configuration.cert_file or "",
            client_key_file=configuration.key_file or "",
            insecure=not configuration.verify_ssl,
            tls_server_name=configuration.tls_server_name or "",
        )

    async def authorization(self) -> dict[str, str]:
        """Headers that authenticate, with a token as fresh as the configuration gives it."""
        if self._token_file and (token := self._token_file.read()):
            return {"Authorization": f"Bearer {token}"}
        configuration = self._api.configuration
        key = await configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
        return {"Authorization": str(key)} if key else {}

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        timeout_s: float | None = None,
        accept: str = "application/json",
    ) -> Obj:
        """One request, answered with a JSON object. Raises the ApiError for the answer's status."""
        response = await self._open(
            method,
            path,
            query=query,
            body=body,
            content_type=content_type,
            timeout_s=timeout_s,
            accept=accept,
        )
        try:
            raw = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ApiUnavailable(f"{method} {path}: {error!r}") from error
        text = raw.decode("utf-8", "replace")
        if response.status >= 300:
            raise _status_error(response, text, f"{method} {path}")
        answer: Obj = json.loads(text) if text.startswith("{") else {"text": text}
        return answer

    async def _open(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None,
        body: Any,
        content_type: str,
        timeout_s: float | None,
        accept: str = "application/json",
    ) -> Any:
        url = self.server + path + ("?" + urlencode(query) if query else "")
        headers = {"Accept": accept, "Content-Type": content_type, **(await self.authorization())}
        total = self._timeout_s if timeout_s is None else timeout_s
        try:
            return await self._api.rest_client.request(
                method,
                url,
                headers=headers,
                body=body,
                _request_timeout=aiohttp.ClientTimeout(total=total, sock_connect=min(total, 5.0)),
            )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ApiUnavailable(f"{method} {path}: {error!r}") from error

    async def get(self, kind: Kind, name: str, namespace: str | None = None) -> Obj:
        return await self.request("GET", kind.path(namespace, name))

    async def list(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
        page_size: int = 500,
        metadata_only: bool = False,
    ) -> ObjectList:
        """The whole collection, page by page; with `metadata_only` nothing but the objects' metadata is sent."""
        accept = METADATA_LIST if metadata_only else "application/json"
        query = _selectors(label_selector, field_selector) | {"limit": str(page_size)}
        items: list[Obj] = []
        while True:
            page = await self.request("GET", kind.path(namespace), query=query, accept=accept)
            for item in page.get("items") or []:
                item.setdefault("apiVersion", kind.api_version)
                item.setdefault("kind", kind.name)
                items.append(item)
            metadata = page.get("metadata", {})
            if not metadata.get("continue"):
                return ObjectList(items, str(metadata.get("resourceVersion", "")))
            query["continue"] = metadata["continue"]

    async def watch(
        self,
        kind: Kind,
        *,
        resource_version: str,
        namespace: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
        timeout_s: int = 290,
    ) -> AsyncIterator[WatchEvent]:
        """Events after `resource_version`, until the server ends the stream or `timeout_s` has passed.

        Raises ApiGone when the version is too old, ApiUnavailable when the connection breaks."""
        query = _selectors(label_selector, field_selector) | {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(timeout_s),
        }
        path = kind.path(namespace)
        response = await self._open(
            "GET", path, query=query, body=None, content_type="application/json", timeout_s=timeout_s + 10.0
        )
        try:
            if response.status >= 300:
                text = (await response.read()).decode("utf-8", "replace")
                raise _status_error(response, text, f"WATCH {path}")
            async for line in _lines(response.response):
                event = json.loads(line)
                if event["type"] == "ERROR":
                    status = event["object"]
                    raise error_of(
                        int(status.get("code", 500)), status.get("message", ""), status.get("reason", "")
                    )
                yield WatchEvent(event["type"], event["object"])
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError) as error:
            raise ApiUnavailable(f"WATCH {path}: {error!r}") from error
        finally:
            response.response.close()

    async def create(self, kind: Kind, body: Obj, namespace: str | None = None) -> Obj:
        space = namespace or body.get("metadata", {}).get("namespace")
        return await self.request("POST", kind.path(space), body=_typed(kind, body), query=self._manager())

    async def patch(
        self,
        kind: Kind,
        name: str,
        body: Any,
        *,
        namespace: str | None = None,
        subresource: str | None = None,
        content_type: str = MERGE_PATCH,
        timeout_s: float | None = None,
    ) -> Obj:
        """Merge patch by default; put metadata.resourceVersion into the body to detect other writers."""
        query = self._manager()
        if content_type == APPLY_PATCH:
            query["force"] = "true"
            body = _typed(kind, body)
        return await self.request(
            "PATCH",
            kind.path(namespace, name, subresource),
            query=query,
            body=body,
            content_type=content_type,
            timeout_s=timeout_s,
        )

    async def replace(
        self, kind: Kind, body: Obj, *, namespace: str | None = None, subresource: str | None = None
    ) -> Obj:
        metadata = body["metadata"]
        path = kind.path(namespace or metadata.get("namespace"), metadata["name"], subresource)
        return await self.request("PUT", path, body=_typed(kind, body), query=self._manager())

    async def delete(
        self,
        kind: Kind,
        name: str,
        namespace: str | None = None,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> None:
        """Delete; with `uid` and `resource_version` only that very object, in that very version (ApiConflict)."""
        body: Obj = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
        conditions = {"uid": uid, "resourceVersion": resource_version}
        if any(conditions.values()):
            body["preconditions"] = {name: value for name, value in conditions.items() if value}
        await self.request("DELETE", kind.path(namespace, name), body=body)

    def _manager(self) -> dict[str, str]:
        return {"fieldManager": self._field_manager}


def _typed(kind: Kind, body: Obj) -> Obj:
    return {"apiVersion": kind.api_version, "kind": kind.name, **body}


def _selectors(label_selector: str | None, field_selector: str | None) -> dict[str, str]:
    query = {}
    if label_selector:
        query["labelSelector"] = label_selector
    if field_selector:
        query["fieldSelector"] = field_selector
    return query


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Lines of any length (readline() of a stream refuses those longer than its buffer)."""
    rest = b""
    async for chunk in response.content.iter_any():
        rest += chunk
        *lines, rest = rest.split(b"\n")
        for line in lines:
            if line.strip():
                yield line


def _status_error(response: Any, text: str, what: str) -> ApiError:
    code = int(response.status)
    try:
        status = json.loads(text)
    except ValueError:
        status = {}
    if not isinstance(status, dict):
        status = {}
    message = status.get("message") or text[:200] or f"HTTP {code}"
    error = error_of(code, f"{what}: {message}", str(status.get("reason", "")))
    asked = str(response.response.headers.get("Retry-After", ""))
    error.retry_after_s = float(whole(asked) or 0)
    return error
