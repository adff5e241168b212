"""The project's own definitions are served, with their rules compiled."""

from pathlib import Path

import pytest
import yaml

from backstay.objectstore import ApiError
from unit.objectstore.stores import NOW, World

CRDS = Path(__file__).parents[3] / "crds"


@pytest.mark.parametrize("path", sorted(CRDS.glob("*.yaml")), ids=lambda path: path.name)
def test_definition_is_served_as_it_is(path: Path) -> None:
    world = World()
    for definition in yaml.safe_load_all(path.read_text()):
        stored = world.store.create(world.definitions, "", definition, now=NOW).document
        conditions = {entry["type"]: entry["status"] for entry in stored["status"]["conditions"]}
        assert conditions["Established"] == "True"
        spec = definition["spec"]
        for version in spec["versions"]:
            assert world.resource(spec["group"], version["name"], spec["names"]["plural"]).is_custom


def test_an_older_epoch_never_replaces_a_newer_one() -> None:
    world = World()
    definition = yaml.safe_load((CRDS / "hanodeplans.ha.backstay.io.yaml").read_text())
    world.store.create(world.definitions, "", definition, now=NOW)
    plans = world.resource("ha.backstay.io", "v1alpha1", "hanodeplans")
    plan = {
        "apiVersion": plans.api_version,
        "kind": plans.kind,
        "metadata": {"name": "n1"},
        "spec": {"cluster": "c", "epoch": 7},
    }
    stored = world.store.create(plans, "", plan, now=NOW).document
    older = {**stored, "spec": {**stored["spec"], "epoch": 6}}
    with pytest.raises(ApiError) as refused:
        world.store.replace(plans, "", "n1", older, now=NOW)
    assert refused.value.code == 422
