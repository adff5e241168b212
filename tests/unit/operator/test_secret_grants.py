"""Which Secrets agents are to be let read; that the API server agrees is tested in tests/cluster."""

from __future__ import annotations

from backstay.api import FenceDevice, HAResource, ResourceGroup
from backstay_operator.secret_grants import wanted_grants


def source(name: str, **more: str) -> dict[str, dict[str, dict[str, str]]]:
    return {"password": {"secretKeyRef": {"name": name, "key": "k", **more}}}


def test_each_namespace_grants_what_its_own_resources_name() -> None:
    resource = HAResource.parse(
        {
            "metadata": {"name": "r", "namespace": "team"},
            "spec": {"agent": "ocf:x:y", "paramsFrom": source("db")},
        }
    )
    member = {"name": "m", "template": {"agent": "ocf:x:y", "paramsFrom": source("app")}}
    group = ResourceGroup.parse(
        {"metadata": {"name": "g", "namespace": "team"}, "spec": {"members": [{"resource": "r"}, member]}}
    )
    device = FenceDevice.parse(
        {
            "metadata": {"name": "pdu"},
            "spec": {"cluster": "c", "agent": "stonith:x", "paramsFrom": source("pdu", namespace="power")},
        }
    )
    assert wanted_grants([resource], [group], [device]) == {
        "power": ("pdu",),
        "team": ("app", "db"),
    }


def test_a_resource_names_secrets_of_its_own_namespace_only() -> None:
    """A namespace that somebody writes beside the name is not part of the reference: it is refused, or passed over."""
    resource = HAResource.model_validate(
        {
            "metadata": {"name": "r", "namespace": "team"},
            "spec": {"agent": "ocf:x:y", "paramsFrom": source("db", namespace="kube-system")},
        },
        extra="ignore",
    )
    assert wanted_grants([resource], [], []) == {"team": ("db",)}


def test_a_device_whose_secret_has_no_namespace_grants_nothing() -> None:
    device = FenceDevice.parse(
        {
            "metadata": {"name": "pdu"},
            "spec": {"cluster": "c", "agent": "stonith:x", "paramsFrom": source("pdu")},
        }
    )
    assert wanted_grants([], [], [device]) == {}
