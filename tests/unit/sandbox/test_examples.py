"""The tutorial's manifests, against the models and against what `up` makes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from backstay.api import KINDS
from backstay_sandbox import objects
from backstay_sandbox.layout import SHARED_DISK_IN_HOST

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
FILES = sorted(EXAMPLES.glob("*/*.yaml"))


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text()))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(EXAMPLES)))
def test_every_example_is_a_valid_object(path: Path) -> None:
    kinds = {kind.info.kind: kind for kind in KINDS}
    found = documents(path)
    assert found
    for document in found:
        model = kinds[document["kind"]].model_validate(document)
        assert model.metadata.name == document["metadata"]["name"]


def test_the_sandbox_cluster_is_what_up_makes() -> None:
    written = documents(EXAMPLES / "sandbox/cluster.yaml")
    assert written == [objects.cluster(), objects.fence_device()]


def test_the_tutorial_has_its_resources_in_order_on_the_shared_disk() -> None:
    (group,) = documents(EXAMPLES / "tutorial/2-appgroup.yaml")
    members = group["spec"]["members"]
    assert [member["name"] for member in members] == ["app_fs", "VIP", "Website-Testes"]
    assert members[0]["template"]["params"]["device"] == SHARED_DISK_IN_HOST
    (address,) = documents(EXAMPLES / "tutorial/1-cluster-ip.yaml")
    assert address["spec"]["resourceId"] == "ClusterIP"
    assert address["spec"]["meta"] == {"requires": "quorum"}


def test_the_group_with_lvm_differs_only_in_its_volume() -> None:
    (plain,) = documents(EXAMPLES / "tutorial/2-appgroup.yaml")
    (with_lvm,) = documents(EXAMPLES / "tutorial-lvm/appgroup.yaml")
    lvm, disk, *rest = with_lvm["spec"]["members"]
    assert lvm["template"]["agent"] == "ocf:heartbeat:LVM"
    assert disk["template"]["params"]["device"] == "/dev/app_vg/app_lv"
    assert rest == plain["spec"]["members"][1:]
