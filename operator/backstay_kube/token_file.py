"""Tokens that somebody renews in a file: a kubelet for a pod, or whoever wrote `tokenFile` into a kubeconfig.

The kubernetes client reads a kubeconfig's file once, and a pod's once a minute; a token is used here as soon as it is there, so that a
rotation costs no refused request.
"""

from __future__ import annotations

import os
from pathlib import Path

import yaml

SERVICE_ACCOUNT_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"


class TokenFile:
    """Reads the file when it changed, else remembers; while it can't be read the last token may still be good."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._stamp = (0, 0)
        self._token = ""

    def read(self) -> str:
        """The token; empty when there never was one."""
        try:
            status = os.stat(self.path)
            stamp = (status.st_mtime_ns, status.st_ino)
            if stamp != self._stamp:
                # Followed by a stat of the same file next time: a write in between is seen then.
                self._token = Path(self.path).read_text(encoding="utf-8").strip() or self._token
                self._stamp = stamp
        except OSError:
            pass
        return self._token


def runs_in_pod() -> bool:
    """Whether a service account is mounted here."""
    return "KUBERNETES_SERVICE_HOST" in os.environ and os.path.exists(SERVICE_ACCOUNT_TOKEN)


def token_file_of(kubeconfig: str | None, context: str | None) -> str:
    """`tokenFile` of the user that a kubeconfig's context names; empty if there is none. The client has judged the file before."""
    paths = [kubeconfig] if kubeconfig else os.environ.get("KUBECONFIG", "~/.kube/config").split(os.pathsep)
    for path in (Path(one).expanduser() for one in paths if one):
        try:
            document = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError):
            continue
        if not isinstance(document, dict):
            continue
        wanted = context or document.get("current-context")
        user = next(
            (
                (one.get("context") or {}).get("user")
                for one in document.get("contexts") or []
                if one.get("name") == wanted
            ),
            None,
        )
        for one in document.get("users") or []:
            if one.get("name") == user and (one.get("user") or {}).get("tokenFile"):
                return str(path.parent / one["user"]["tokenFile"])
    return ""
