"""Kubeconfigs: reading the user's, and writing the sandbox's own.

A sandbox needs one server and one way in, so a kubeconfig is flattened to that: every file it refers to is read
in, and what cannot be carried to a host (a login plugin, say) is refused with a reason.
"""

from __future__ import annotations

import base64
import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml


class KubeconfigError(ValueError):
    """The kubeconfig cannot be used for a sandbox; the message is for the user."""


@dataclass(frozen=True, slots=True)
class Kubeconfig:
    """One server and one way in.  Certificates and keys are PEM text."""

    server: str
    token: str | None = None
    authority: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None
    tls_server_name: str | None = None
    skip_verify: bool = False

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to connect to."""
        parts = urlsplit(self.server)
        return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)

    def seen_through(self, address: tuple[str, int]) -> Kubeconfig:
        """The same server, reached by a forwarder at ``address``; its certificate is still checked for its name."""
        parts = urlsplit(self.server)
        forwarded = parts._replace(netloc=f"{address[0]}:{address[1]}").geturl()
        name = self.tls_server_name or (parts.hostname if parts.scheme == "https" else None)
        return dataclasses.replace(self, server=forwarded, tls_server_name=name)

    def render(self) -> str:
        """As a kubeconfig file's content."""
        cluster = {
            "server": self.server,
            "certificate-authority-data": _encoded(self.authority),
            "tls-server-name": self.tls_server_name,
            "insecure-skip-tls-verify": True if self.skip_verify else None,
        }
        user = {
            "token": self.token,
            "client-certificate-data": _encoded(self.client_certificate),
            "client-key-data": _encoded(self.client_key),
        }
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "sandbox",
            "clusters": [{"name": "sandbox", "cluster": _given(cluster)}],
            "users": [{"name": "sandbox", "user": _given(user)}],
            "contexts": [{"name": "sandbox", "context": {"cluster": "sandbox", "user": "sandbox"}}],
        }
        return yaml.safe_dump(document, sort_keys=False)


def kubeconfig_of(api: str) -> Kubeconfig:
    """What the user gave with --api: a URL (no authentication) or the path of a kubeconfig."""
    if api.startswith(("http://", "https://")):
        return Kubeconfig(server=api)
    path = Path(api).expanduser()
    try:
        document = yaml.safe_load(path.read_text())
    except OSError as error:
        raise KubeconfigError(f"cannot read kubeconfig {api}: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise KubeconfigError(f"{api} is not YAML: {error}") from None
    if not isinstance(document, dict):
        raise KubeconfigError(f"{api} is not a kubeconfig")
    return _flatten(document, path)


def _flatten(document: dict[str, Any], path: Path) -> Kubeconfig:
    context = _entry(document, "contexts", "context", document.get("current-context"), path)
    cluster = _entry(document, "clusters", "cluster", context.get("cluster"), path)
    user = _entry(document, "users", "user", context.get("user"), path)
    for unsupported in ("exec", "auth-provider", "username"):
        if unsupported in user:
            raise KubeconfigError(
                f"{path}: `{unsupported}` cannot be carried to a host; use a token or a certificate"
            )
    if "proxy-url" in cluster:
        raise KubeconfigError(f"{path}: `proxy-url` is not supported")
    token = user.get("token")
    if token is None and "tokenFile" in user:
        token = (path.parent / user["tokenFile"]).read_text().strip()
    return Kubeconfig(
        server=str(cluster.get("server", "")),
        token=token,
        authority=_pem(cluster, "certificate-authority", path),
        client_certificate=_pem(user, "client-certificate", path),
        client_key=_pem(user, "client-key", path),
        tls_server_name=cluster.get("tls-server-name"),
        skip_verify=bool(cluster.get("insecure-skip-tls-verify", False)),
    )


def _entry(document: dict[str, Any], section: str, key: str, name: object, path: Path) -> dict[str, Any]:
    for entry in document.get(section) or ():
        if entry.get("name") == name:
            return dict(entry.get(key) or {})
    raise KubeconfigError(f"{path}: no entry {name!r} in {section}")


def _pem(section: dict[str, Any], key: str, path: Path) -> str | None:
    if f"{key}-data" in section:
        return base64.b64decode(section[f"{key}-data"]).decode()
    if key in section:
        return (path.parent / str(section[key])).read_text()
    return None


def _encoded(pem: str | None) -> str | None:
    return None if pem is None else base64.b64encode(pem.encode()).decode()


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None}
