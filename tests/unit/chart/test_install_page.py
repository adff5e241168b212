"""The walk-through's manifests are ones that the models accept."""

from __future__ import annotations

import yaml

from backstay.api import KINDS
from unit.chart.exposed import ROOT


def test_manifests_of_the_walk_through_are_valid() -> None:
    text = (ROOT / "docs/install.md").read_text().split("<<EOF\n")[1].split("    EOF")[0]
    documents = list(yaml.safe_load_all("\n".join(line[4:] for line in text.splitlines())))
    kinds = {kind.info.kind: kind for kind in KINDS}
    assert [one["kind"] for one in documents] == ["HACluster", "HAResource"]
    for one in documents:
        kinds[one["kind"]].parse(one)


def test_kind_gives_three_workers_the_label_that_the_walk_through_selects() -> None:
    nodes = yaml.safe_load((ROOT / "kind-config.yaml").read_text())["nodes"]
    workers = [one for one in nodes if one["role"] == "worker"]
    assert len(workers) == 3
    assert all(one["labels"] == {"ha.backstay.io/member": "true"} for one in workers)
