"""Everything that the API holds has a maximum, and real objects are far below it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from backstay.api import FenceDevice, HACluster, HANode, HAResource, Resource
from backstay.api.limits import NODES_MAX
from backstay.api.plan import PEERS_MAX
from backstay.state.pattern import compiled, matching

CRDS = Path(__file__).parents[3] / "crds"
Schema = dict[str, Any]


def unbounded(schema: Schema, path: str) -> Iterator[str]:
    """Paths of what has no maximum. An enum is bounded by itself, a boolean by nature."""
    kind = schema.get("type")
    if schema.get("x-kubernetes-int-or-string"):
        if not {"maxLength", "minimum", "maximum"} <= schema.keys():
            yield path
    elif kind == "string":
        if "maxLength" not in schema and "enum" not in schema:
            yield path
    elif kind in ("integer", "number"):
        if not {"minimum", "maximum"} <= schema.keys():
            yield path
    elif kind == "array":
        if "maxItems" not in schema:
            yield path
        yield from unbounded(schema["items"], f"{path}[]")
    elif kind == "object" and "additionalProperties" in schema:
        if "maxProperties" not in schema:
            yield path
        yield from unbounded(schema["additionalProperties"], f"{path}{{}}")
    elif kind == "object" and "properties" in schema:
        for name, child in schema["properties"].items():
            yield from unbounded(child, f"{path}.{name}")
    elif kind != "boolean":
        yield path


@pytest.mark.parametrize("path", sorted(CRDS.glob("*.yaml")), ids=lambda path: path.name.split(".")[0])
def test_no_field_of_a_definition_is_without_a_maximum(path: Path) -> None:
    crd = yaml.safe_load(path.read_text())
    for version in crd["spec"]["versions"]:
        properties = version["schema"]["openAPIV3Schema"]["properties"]
        found = [one for part in ("spec", "status") for one in unbounded(properties[part], part)]
        assert found == []


def test_walk_finds_what_has_no_maximum() -> None:
    odd = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "boolean"}, "c": {}}}
    assert list(unbounded(odd, "spec")) == ["spec.a", "spec.c"]


REFUSED: tuple[tuple[type[Resource], dict[str, Any]], ...] = (
    (HAResource, {"agent": "ocf:heartbeat:Dummy", "clone": {"max": 3000}}),
    (HAResource, {"agent": "ocf:heartbeat:Dummy", "params": {"a": "x" * 70_000}}),
    (HAResource, {"agent": "ocf:heartbeat:Dummy", "params": {"k" * 400: "x"}}),
    (HAResource, {"agent": "ocf:heartbeat:Dummy", "params": {str(n): "x" for n in range(300)}}),
    (HAResource, {"agent": "ocf:heartbeat:Dummy", "utilization": {"cpu": 2**60}}),
    (HANode, {"attributes": {"a": "9" * 5000}}),
    (HACluster, {"properties": {"batchLimit": 10**12}}),
    (FenceDevice, {"cluster": "c", "agent": "stonith:x", "hostMap": {f"n{n}": "1" for n in range(600)}}),
)


@pytest.mark.parametrize(("kind", "spec"), REFUSED, ids=lambda one: str(one)[:40])
def test_reader_refuses_what_the_definition_refuses(kind: type[Resource], spec: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        kind.parse({"metadata": {"name": "x"}, "spec": spec})


def test_what_people_really_write_passes() -> None:
    nodes = {f"node-{number}.example.com": str(number) for number in range(NODES_MAX)}
    HAResource.parse(
        {
            "metadata": {"name": "x"},
            "spec": {
                "agent": "ocf:heartbeat:db2",
                "params": {"script": "x" * 60_000, "memory": 64 * 2**30},
                "meta": {"priority": 1_000_000, "migrationThreshold": "INFINITY", "failureTimeout": "365d"},
                "utilization": {"memory": 2**45},
                "clone": {"max": NODES_MAX},
            },
        }
    )
    FenceDevice.parse(
        {"metadata": {"name": "x"}, "spec": {"cluster": "c", "agent": "stonith:fence_x", "hostMap": nodes}}
    )
    assert PEERS_MAX == NODES_MAX


def test_pattern_that_a_backtracking_engine_would_match_for_years() -> None:
    """Python's `re` takes four times longer for each further `.*`; of forty it would not see the end."""
    ids = [f"{'a' * 100}-{number}" for number in range(200)]
    assert list(matching(".*" * 40 + "x", ids)) == []
    assert compiled("(a+)+$").fullmatch("a" * 128 + "b") is None
