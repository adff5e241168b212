"""Kubeconfigs: what is flattened, what is refused, how a host's view differs."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from backstay_sandbox.kubeconfig import Kubeconfig, KubeconfigError, kubeconfig_of


def document(user: dict[str, Any], **cluster: Any) -> dict[str, Any]:
    return {
        "current-context": "there",
        "contexts": [
            {"name": "elsewhere", "context": {"cluster": "x", "user": "x"}},
            {"name": "there", "context": {"cluster": "c", "user": "u"}},
        ],
        "clusters": [{"name": "c", "cluster": {"server": "https://api.example:6443", **cluster}}],
        "users": [{"name": "u", "user": user}],
    }


def load(directory: Path, content: dict[str, Any]) -> Kubeconfig:
    path = directory / "config"
    path.write_text(yaml.safe_dump(content))
    return kubeconfig_of(str(path))


def test_files_are_read_in_relative_to_the_kubeconfig(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("AUTHORITY")
    (tmp_path / "token").write_text("secret\n")
    found = load(tmp_path, document({"tokenFile": "token"}, **{"certificate-authority": "ca.pem"}))
    assert (found.server, found.authority, found.token) == ("https://api.example:6443", "AUTHORITY", "secret")


def test_what_is_rendered_reads_back_the_same(tmp_path: Path) -> None:
    original = Kubeconfig(
        server="https://a:1",
        authority="A",
        client_certificate="B",
        client_key="C",
        tls_server_name="n",
    )
    assert load(tmp_path, yaml.safe_load(original.render())) == original


def test_a_forwarded_server_keeps_its_name_for_tls() -> None:
    seen = Kubeconfig(server="https://api.example:6443/base").seen_through(("10.0.0.2", 6443))
    assert (seen.server, seen.tls_server_name) == ("https://10.0.0.2:6443/base", "api.example")
    plain = Kubeconfig(server="http://127.0.0.1:8080").seen_through(("10.0.0.2", 6443))
    assert (plain.server, plain.tls_server_name) == ("http://10.0.0.2:6443", None)


@pytest.mark.parametrize(
    ("server", "address"),
    [("https://a:6443", ("a", 6443)), ("https://a", ("a", 443)), ("http://a/x", ("a", 80))],
)
def test_default_ports_follow_the_scheme(server: str, address: tuple[str, int]) -> None:
    assert Kubeconfig(server=server).address == address


def test_a_url_is_an_api_without_authentication() -> None:
    assert kubeconfig_of("http://127.0.0.1:8001") == Kubeconfig(server="http://127.0.0.1:8001")


@pytest.mark.parametrize("plugin", ["exec", "auth-provider", "username"])
def test_what_cannot_be_carried_to_a_host_is_refused_by_name(tmp_path: Path, plugin: str) -> None:
    with pytest.raises(KubeconfigError, match=plugin):
        load(tmp_path, document({plugin: {"command": "login"}}))


@pytest.mark.parametrize("text", ["", "[]", "}{", "current-context: nowhere"])
def test_a_broken_kubeconfig_is_an_error_in_words(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(KubeconfigError, match="config"):
        kubeconfig_of(str(path))


def test_a_missing_kubeconfig_is_named() -> None:
    with pytest.raises(KubeconfigError, match="/nowhere/config"):
        kubeconfig_of("/nowhere/config")


def test_embedded_certificates_are_decoded(tmp_path: Path) -> None:
    encoded = base64.b64encode(b"PEM").decode()
    user = {"client-certificate-data": encoded, "client-key-data": encoded}
    found = load(tmp_path, document(user, **{"certificate-authority-data": encoded}))
    assert (found.authority, found.client_certificate, found.client_key) == ("PEM", "PEM", "PEM")
