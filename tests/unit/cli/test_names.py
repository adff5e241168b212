"""Kubernetes names from Pacemaker ids."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay_cli.build.names import ban_name, kubernetes_name
from backstay_cli.errors import UsageError


@pytest.mark.parametrize(
    ("resource_id", "name"),
    [
        ("ClusterIP", "cluster-ip"),
        ("app_lvm", "app-lvm"),
        ("app_fs", "app-fs"),
        ("VIP", "vip"),
        ("Website-Testes", "website-testes"),
        ("IPaddr2", "ipaddr2"),
        ("web.server", "web.server"),
        ("_private", "private"),
        ("a__b", "a-b"),
        ("A..0", "a.0"),
        ("a.-_.b", "a.b"),
    ],
)
def test_humps_and_underscores_become_hyphens(resource_id: str, name: str) -> None:
    assert kubernetes_name(resource_id) == name


@pytest.mark.parametrize("resource_id", ["", "1abc", "a b", "___", "a/b", "x" * 129, "a\n"])
def test_what_is_no_id_is_refused(resource_id: str) -> None:
    with pytest.raises(UsageError):
        kubernetes_name(resource_id)


@given(st.from_regex(r"\A[A-Za-z][A-Za-z0-9._-]{0,60}\Z"))
def test_every_id_becomes_a_valid_object_name(resource_id: str) -> None:
    name = kubernetes_name(resource_id)
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", name), name


def test_names_of_bans_stay_within_the_limit() -> None:
    assert ban_name("vip", "n1") == "cli-ban-vip-on-n1"
    assert len(ban_name("x" * 200, "y" * 200)) <= 253
