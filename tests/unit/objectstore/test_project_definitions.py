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


def test_unsafe_watchdog_is_refused_with_the_arithmetic() -> None:
    world = World()
    definition = yaml.safe_load((CRDS / "haclusters.ha.backstay.io.yaml").read_text())
    world.store.create(world.definitions, "", definition, now=NOW)
    clusters = world.resource("ha.backstay.io", "v1alpha1", "haclusters")
    cluster = {
        "apiVersion": clusters.api_version,
        "kind": clusters.kind,
        "metadata": {"name": "c"},
        "spec": {"watchdog": {"takeoverDelayMilliseconds": 18_000}},
    }
    with pytest.raises(ApiError) as refused:
        world.store.create(clusters, "", cluster, now=NOW)
    assert refused.value.code == 422
    assert "L(1-rho) >= (D+3W+R)(1+rho); raise takeoverDelayMilliseconds" in str(refused.value)
    cluster["spec"] = {"watchdog": {"takeoverDelayMilliseconds": 18_874}}
    world.store.create(clusters, "", cluster, now=NOW)
