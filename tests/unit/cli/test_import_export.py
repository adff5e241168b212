"""`import` and `export --cib`: files, stdin, reports, exit statuses, and the live cluster."""

from __future__ import annotations

import gzip
import io
import json
import sys
from pathlib import Path

import pytest
import yaml

from backstay.cib import parse_cib
from backstay_cli.__main__ import main
from unit.cli.cluster import tutorial
from unit.cli.fake_api import FakeApi
from unit.cli.program import run

CIB = Path(__file__).parent.parent / "cib" / "everything.xml"
PLAIN = """<cib><configuration><crm_config/><nodes><node id="1" uname="n1"/></nodes><resources>
<primitive id="VIP" class="ocf" provider="heartbeat" type="IPaddr2"/></resources><constraints/></configuration></cib>"""


def manifests(text: str) -> list[dict]:
    return list(yaml.safe_load_all(text))


def test_an_import_prints_manifests_and_tells_what_is_lost(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", str(CIB), "-n", "web", "--cluster", "quay"]) == 0
    shown = capsys.readouterr()
    kinds = [m["kind"] for m in manifests(shown.out)]
    assert kinds[0] == "HACluster"
    assert {"HANode", "HAResource", "ResourceGroup", "HAConstraint"} <= set(kinds)
    named = {m["metadata"].get("namespace") for m in manifests(shown.out) if m["kind"] == "HAResource"}
    assert named == {"web"}
    assert manifests(shown.out)[0]["metadata"]["name"] == "quay"
    assert "lost: /cib/configuration/alerts/alert[@id='mail']: alerts are Prometheus rules" in shown.err
    assert "things have no equivalent" in shown.err
    assert "password" not in shown.err


def test_a_report_holds_remarks_too_and_strict_fails_on_losses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.txt"
    assert main(["import", str(CIB), "--report", str(report), "--strict"]) == 1
    assert "password" in report.read_text()
    assert manifests(capsys.readouterr().out)
    plain = tmp_path / "plain.xml"
    plain.write_text(PLAIN)
    assert main(["import", str(plain), "--strict"]) == 0


def test_a_compressed_cib_on_stdin_is_imported(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(PLAIN.encode()))))
    assert main(["import", "-", "-o", "json"]) == 0
    kinds = [item["kind"] for item in json.loads(capsys.readouterr().out)["items"]]
    assert kinds == ["HACluster", "HANode", "HAResource"]


def test_manifests_are_exported_from_files_and_folders(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import", str(CIB)]) == 0
    documents = capsys.readouterr().out.split("---\n")
    for number, document in enumerate(documents):
        (tmp_path / f"{number:02}.yaml").write_text(document)
    assert main(["export", "--cib", "-f", str(tmp_path)]) == 0
    from_folder = capsys.readouterr().out
    (tmp_path / "all").write_text("---\n".join(documents))
    assert main(["export", "-f", str(tmp_path / "all")]) == 0
    assert capsys.readouterr().out == from_folder
    state = parse_cib(from_folder, now=0)
    assert [resource.id for resource in state.resources] == ["ClusterIP", "app_group", "pings", "db-set"]


async def test_the_live_cluster_is_exported() -> None:
    outcome = await run(FakeApi(*tutorial()), "export", "--cib")
    assert outcome.code == 0
    state = parse_cib(outcome.out, now=0)
    assert [node.name for node in state.nodes] == ["n1", "n2", "n3"]
    assert [resource.id for resource in state.resources] == ["ClusterIP", "appgroup"]
    assert state.cluster_name == "tutorial"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "is no YAML"),
        ("- just\n- a list", "is no manifest"),
        (
            "apiVersion: ha.backstay.io/v1alpha1\nkind: HAResource\nspec: {agent: x}",
            "metadata.name is missing",
        ),
        (
            "apiVersion: ha.backstay.io/v1alpha1\nkind: HAResource\nmetadata: {name: web}\nspec: {agent: x}",
            "HAResource web: spec.agent",
        ),
    ],
)
def test_a_manifest_that_cannot_be_read_is_named(
    text: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    assert main(["export", "-f", str(path)]) == 1
    error = capsys.readouterr().err
    assert words in error
    assert "bad.yaml" in error


EXAMPLE = Path(__file__).parents[3] / "examples" / "from-pacemaker" / "cib.xml"


def test_the_example_of_the_docs_is_imported_verified_and_scheduled_as_they_say(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    docs = (Path(__file__).parents[3] / "docs" / "from-pacemaker.md").read_text(encoding="utf-8")
    assert main(["import", str(EXAMPLE)]) == 0
    shown = capsys.readouterr()
    assert next(line for line in shown.err.splitlines() if "alerts" in line) in docs
    manifests_file = tmp_path / "cluster.yaml"
    manifests_file.write_text(shown.out)
    assert main(["verify", "-f", str(manifests_file)]) == 0
    assert capsys.readouterr().out == "no problems found\n"
    assert main(["simulate", "-x", str(EXAMPLE)]) == 0
    summary = capsys.readouterr().out.split("Transition Summary:\n")[1].split("\n\n")[0]
    assert f"Transition Summary:\n{summary}\n" in docs
