"""`simulate -x`: a CIB from a file or stdin, plain or compressed; the program as a whole, without any cluster."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest

from backstay_cli.__main__ import main

CIB = """<cib epoch="1" num_updates="0" admin_epoch="0" have-quorum="1" dc-uuid="1" execution-date="1700000000">
 <configuration>
  <crm_config><cluster_property_set id="o"><nvpair id="o1" name="stonith-enabled" value="false"/></cluster_property_set></crm_config>
  <nodes><node id="1" uname="n1"/><node id="2" uname="n2"/></nodes>
  <resources>
   <primitive id="VIP" class="ocf" provider="heartbeat" type="IPaddr2"/>
   <clone id="pings"><primitive id="ping" class="ocf" provider="pacemaker" type="ping"/></clone>
  </resources>
  <constraints/>
 </configuration>
 <status>
  <node_state id="1" uname="n1" in_ccm="true" crmd="online" join="member" expected="member"/>
  <node_state id="2" uname="n2" in_ccm="true" crmd="online" join="member" expected="member"/>
 </status>
</cib>
"""


@pytest.fixture
def cib(tmp_path: Path) -> Path:
    path = tmp_path / "cib.xml"
    path.write_text(CIB)
    return path


def said(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 0) -> str:
    assert main(["simulate", *argv]) == code
    shown = capsys.readouterr()
    return shown.out if code == 0 else shown.err


def test_a_cib_is_simulated_in_four_sections(cib: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "-x", str(cib))
    headings = [line for line in text.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert headings == [
        "Current cluster status:",
        "Transition Summary:",
        "Executing Cluster Transition:",
        "Revised Cluster Status:",
    ]
    assert ["Start", "VIP", "(", "n1", ")"] in [line.split()[1:] for line in text.splitlines()]
    assert text.startswith("Using the original execution date of: 2023-11-14 22:13:20Z\n")


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_compressed_cib_says_the_same(
    pack: Callable[[bytes], bytes], cib: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packed = cib.with_suffix(".packed")
    packed.write_bytes(pack(CIB.encode()))
    assert said(capsys, "-x", str(packed)) == said(capsys, "-x", str(cib))


@pytest.mark.parametrize("option", [["-x", "-"], ["-p"]])
def test_stdin_says_the_same(
    option: list[str], cib: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = said(capsys, "-x", str(cib))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(CIB.encode())))
    assert said(capsys, *option) == expected


def test_a_given_date_is_now(cib: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "Using the original" not in said(capsys, "-x", str(cib), "-t", "2030-01-01 00:00:00Z")


def test_scores_alone_are_shown_quietly(cib: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(capsys, "-x", str(cib), "-sSQ").splitlines()
    assert "pcmk__primitive_assign: VIP allocation score on n1: 0" in lines
    assert all(line.startswith("pcmk__") for line in lines)


def test_the_graph_is_the_same_as_xml_and_as_json(cib: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = cib.with_suffix(".graph")
    document = json.loads(said(capsys, "-x", str(cib), "-G", str(out), "-o", "json"))
    labels, edges = document["graph"]["nodes"], document["graph"]["edges"]
    root = ET.parse(out).getroot()
    acts = [synapse.find("action_set/*") for synapse in root.findall("synapse")]
    assert [act is not None and act.get("operation_key") for act in acts] == [
        label.split()[0] for label in labels
    ]
    assert len(root.findall("synapse/inputs/trigger")) == len(edges)
    assert ["VIP_monitor_0 n1", "VIP_start_0 n1"] in edges
    assert {"kind", "after", "resource"} <= document["graph"]["actions"][0].keys()


def test_the_graph_can_be_drawn(cib: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = cib.with_suffix(".dot")
    said(capsys, "-x", str(cib), "-D", str(out))
    lines = out.read_text().splitlines()
    assert lines[0] == 'digraph "g" {'
    assert any('label="VIP_start_0 n1"' in line for line in lines)
    assert any(" -> " in line for line in lines)


def test_without_graphviz_an_svg_is_refused_with_the_way_out(
    cib: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(cib.parent))
    error = said(capsys, "-x", str(cib), "--save-svg", str(cib.with_suffix(".svg")), code=1)
    assert "graphviz" in error
    assert "--save-dotfile" in error


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"<cib", "not well-formed"),
        (b"<crm/>", "not a CIB"),
        (gzip.compress(CIB.encode())[:-20], "damaged"),
        (b"BZh9garbage", "damaged"),
        (CIB.replace('type="IPaddr2"', "").encode(), "primitive[VIP]@type"),
    ],
)
def test_an_unreadable_cib_is_an_error_that_names_it(
    content: bytes, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "broken.xml"
    path.write_bytes(content)
    error = said(capsys, "-x", str(path), code=1)
    assert words in error
    assert "broken.xml" in error


def test_a_missing_file_and_a_senseless_date_are_errors(
    cib: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "No such file" in said(capsys, "-x", str(cib.with_name("none.xml")), code=1)
    assert "--set-date" in said(capsys, "-x", str(cib), "-t", "soon", code=2)


def test_a_cib_is_simulated_without_loading_the_api_client(cib: Path) -> None:
    code = (
        "import sys; from backstay_cli.__main__ import main;"
        f"main(['simulate', '-x', {str(cib)!r}]);"
        "print({'kubernetes', 'pydantic', 'asyncio', 'yaml'} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "set()"


RUNNING = CIB.replace(
    'uname="n1" in_ccm="true" crmd="online" join="member" expected="member"/>',
    """uname="n1" in_ccm="true" crmd="online" join="member" expected="member"><lrm id="1"><lrm_resources>
    <lrm_resource id="VIP" class="ocf" provider="heartbeat" type="IPaddr2">
    <lrm_rsc_op id="VIP_last_0" operation_key="VIP_start_0" operation="start" interval="0" call-id="2" rc-code="0" op-status="0"
     transition-key="1:1:0:x"/></lrm_resource></lrm_resources></lrm></node_state>""",
).replace("<constraints/>", '<constraints><rsc_ticket id="t" rsc="VIP" ticket="T"/></constraints>')


@pytest.fixture
def running(tmp_path: Path) -> Path:
    """VIP runs on n1 and wants the ticket T, which is granted."""
    path = tmp_path / "running.xml"
    ticket = '<tickets><ticket_state id="T" granted="true"/></tickets>'
    path.write_text(RUNNING.replace("<status>", f"<status>{ticket}"))
    return path


def summary(text: str) -> list[list[str]]:
    section = text.split("Transition Summary:\n")[1].split("\n\n", maxsplit=1)[0]
    return [line.replace("*", "").split() for line in section.splitlines() if "ping" not in line]


@pytest.mark.parametrize(
    ("options", "said_to_change", "expected"),
    [
        ([], "", []),
        (["-d", "n1"], "Taking node n1 offline", [["Start", "VIP", "(", "n2", ")"]]),
        (["--node-standby", "n1"], "Putting node n1 into standby", [["Move", "VIP", "(", "n1", "->", "n2", ")"]]),
        (["-q", "false"], "Setting quorum: false", [["Stop", "VIP", "(", "n1", ")", "due", "to", "no", "quorum"]]),
        (["-r", "T"], "Revoking ticket T", [["Stop", "VIP", "(", "n1", ")", "due", "to", "node", "availability"]]),
        (["-b", "T"], "Making ticket T standby", [["Stop", "VIP", "(", "n1", ")", "due", "to", "node", "availability"]]),
        (["-i", "VIP_monitor_10000@n1=7"], "Injecting VIP_monitor_10000@n1=7", [["Recover", "VIP", "(", "n1", ")"]]),
        (
            ["--set-property", "stop-all-resources=true"],
            "Setting stop-all-resources: true",
            [["Stop", "VIP", "(", "n1", ")", "due", "to", "node", "availability"]],
        ),
    ],
)  # fmt: skip
def test_what_is_changed_is_said_and_counts(
    options: list[str],
    said_to_change: str,
    expected: list[list[str]],
    running: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = said(capsys, "-x", str(running), *options)
    assert "VIP\t(ocf:heartbeat:IPaddr2):\t Started n1" in text.split("Transition Summary")[0]
    assert said_to_change in text
    assert [line[: len(want)] for line, want in zip(summary(text), expected, strict=True)] == expected


WITH_FENCING = ("--set-property", "stonith-enabled=true")


def test_with_fencing_a_failed_node_is_fenced(running: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "-x", str(running), "-f", "n1", "-w", "true", *WITH_FENCING)
    assert "Fence (reboot) n1 'peer is no longer part of the cluster'" in text


def test_with_nothing_to_fence_with_a_failed_node_stays_unclean(
    running: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = said(capsys, "-x", str(running), "-f", "n1", *WITH_FENCING)
    assert "Transition Summary:\n\nExecuting Cluster Transition:" in text
    assert "Node n1: UNCLEAN (offline)" in text.split("Revised Cluster Status:")[1]


def test_an_operation_that_fails_stops_the_simulation_there(
    running: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = said(capsys, "-x", str(running), "--node-standby", "n1", "-F", "VIP_start_0@n2=1")
    revised = text.split("Revised Cluster Status:")[1]
    assert "VIP\t(ocf:heartbeat:IPaddr2):\t FAILED n2" in revised


@pytest.mark.parametrize(
    ("options", "words", "code"),
    [
        (["-f", "n11"], "there is no node 'n11'", 1),
        (["-F", "VIPP_start_0@n2=1"], "there is no resource 'VIPP'", 1),
        (["-F", "VIP_start@n2=1"], "is not RESOURCE_OPERATION_INTERVAL@NODE=RC", 2),
        (["--set-property", "no-quorum-polcy=stop"], "there is no cluster option", 1),
        (["--set-property", "no-quorum-policy=perhaps"], "no-quorum-policy", 1),
        (["--set-property", "x"], "is not NAME=VALUE", 2),
    ],
)
def test_a_wrong_change_is_refused_by_name(
    options: list[str], words: str, code: int, running: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert words in said(capsys, "-x", str(running), *options, code=code)
