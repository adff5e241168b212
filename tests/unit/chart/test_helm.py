"""The chart through helm 3 and helm 4: what it renders, what it refuses and how it says so.

Golden files hold everything but definitions, rights, policies and alerts, which have tests of their own. Rewrite them with
BACKSTAY_UPDATE_GOLDEN=1, read the difference, and commit only what you understand.
"""

from __future__ import annotations

import difflib
import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from backstay_nodeagent.__main__ import arguments as agent_arguments
from backstay_operator import installed, uninstall
from backstay_operator.__main__ import arguments as operator_arguments
from harness.helm import HELMS, Helm, why_none
from unit.chart.exposed import ROOT

CHART = ROOT / "charts/backstay"
GOLDEN = Path(__file__).with_name("golden")
BARE = tuple(
    f"{part}=false"
    for part in (
        "crds.install",
        "rbac.create",
        "admission.create",
        "flowControl.create",
        "monitoring.alerts",
    )
)
PROMETHEUS = ("--api-versions", "monitoring.coreos.com/v1")
Document = dict[str, Any]

pytestmark = pytest.mark.skipif(bool(why_none()), reason=why_none())
both = pytest.mark.parametrize("helm", HELMS, ids=lambda helm: helm.name)


@cache
def run(helm: Helm, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(helm.path), *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={"HOME": "/nonexistent", "PATH": os.environ["PATH"], "HELM_PLUGINS": "/nonexistent"},
    )


def template(helm: Helm, *words: str, namespace: str = "backstay-system") -> subprocess.CompletedProcess[str]:
    return run(helm, "template", "backstay", str(CHART), "--namespace", namespace, *words)


@cache
def documents(helm: Helm, *words: str) -> dict[tuple[str, str], Document]:
    """Rendered objects by kind and name."""
    ran = template(helm, *words)
    assert ran.returncode == 0, ran.stderr
    found = {}
    for document in yaml.safe_load_all(ran.stdout):
        if document:
            key = (document["kind"], document["metadata"]["name"])
            assert key not in found, f"{key} twice"
            found[key] = document
    return found


def sets(*values: str) -> tuple[str, ...]:
    return tuple(word for value in values for word in ("--set", value))


@both
def test_chart_passes_lint(helm: Helm) -> None:
    ran = run(helm, "lint", "--strict", str(CHART), "--namespace", "backstay-system")
    assert ran.returncode == 0, ran.stdout + ran.stderr


@both
@pytest.mark.parametrize("name", ["default", "full"])
def test_rendering_is_the_golden_one(helm: Helm, name: str) -> None:
    words = sets(*BARE)
    if name == "full":
        words += ("--values", str(GOLDEN / "full-values.yaml"), *PROMETHEUS)
        words += sets("monitoring.dashboard.enabled=false")
    else:
        words += sets("monitoring.dashboard.enabled=false")
    rendered = yaml.safe_dump_all(
        [documents(helm, *words)[key] for key in sorted(documents(helm, *words))], sort_keys=True
    )
    path = GOLDEN / f"{name}.yaml"
    if os.environ.get("BACKSTAY_UPDATE_GOLDEN"):
        path.write_text(rendered)
    difference = "\n".join(difflib.unified_diff(path.read_text().splitlines(), rendered.splitlines()))
    assert not difference, difference


@both
def test_definitions_are_those_of_the_models_and_survive_uninstalling(helm: Helm) -> None:
    rendered = {key[1]: one for key, one in documents(helm).items() if key[0] == "CustomResourceDefinition"}
    written = {path.stem: yaml.safe_load(path.read_text()) for path in sorted((ROOT / "crds").glob("*.yaml"))}
    assert rendered.keys() == written.keys()
    for name, crd in rendered.items():
        assert crd["spec"] == written[name]["spec"]
        assert crd["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
        assert crd["metadata"]["labels"]["app.kubernetes.io/part-of"] == "backstay"


@both
def test_prometheus_objects_appear_only_where_the_cluster_knows_them(helm: Helm) -> None:
    without = {kind for kind, _ in documents(helm)}
    assert not without & {"PodMonitor", "ServiceMonitor", "PrometheusRule"}
    knowing = documents(helm, *PROMETHEUS, *sets("monitoring.runbookUrl=https://wiki.example.com/ha/"))
    assert {"PodMonitor", "ServiceMonitor", "PrometheusRule"} <= {kind for kind, _ in knowing}
    rule = knowing["PrometheusRule", "backstay"]["spec"]
    written = yaml.safe_load((CHART / "files/alerts.yaml").read_text())
    assert [one["name"] for one in rule["groups"]] == [one["name"] for one in written["groups"]]
    for ours, theirs in zip(written["groups"], rule["groups"], strict=True):
        for alert, told in zip(ours["rules"], theirs["rules"], strict=True):
            assert told["expr"] == alert["expr"]
            assert told["annotations"]["summary"] == alert["annotations"]["summary"]
            assert told["annotations"]["runbook_url"] == f"https://wiki.example.com/ha/{alert['alert']}.md"


def containers(document: Document) -> list[Document]:
    spec = document["spec"] if document["kind"] == "Pod" else document["spec"]["template"]["spec"]
    return list(spec["containers"])


@both
def test_nothing_but_the_node_agent_has_any_privilege(helm: Helm) -> None:
    pods = {key: one for key, one in documents(helm).items() if key[0] in ("Deployment", "Job", "Pod")}
    assert len(pods) == 3
    for document in pods.values():
        pod = document["spec"] if document["kind"] == "Pod" else document["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not pod.get("hostNetwork")
        assert not pod.get("hostPID")
        for container in containers(document):
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] is True
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert "privileged" not in context


@both
def test_node_agent_runs_everywhere_and_is_the_last_to_be_evicted(helm: Helm) -> None:
    agent = documents(helm)["DaemonSet", "backstay-nodeagent"]["spec"]
    pod = agent["template"]["spec"]
    assert pod["hostNetwork"] is True
    assert pod["hostPID"] is True
    assert pod["tolerations"] == [{"operator": "Exists"}]
    assert pod["priorityClassName"] == "system-node-critical"
    assert agent["updateStrategy"]["rollingUpdate"] == {"maxUnavailable": 2}
    assert not any("ports" in one for one in pod["containers"]), "on the host's network a port is a hostPort"


@both
def test_programs_take_the_arguments_that_the_chart_gives_them(helm: Helm) -> None:
    found = documents(helm)
    operator_arguments().parse_args(containers(found["Deployment", "backstay-operator"])[0]["args"])
    agent = containers(found["DaemonSet", "backstay-nodeagent"])[0]["args"]
    assert agent_arguments([*agent, "--node", "n1"]).host_namespaces is True
    job = containers(found["Job", "backstay-uninstall"])[0]
    assert job["command"] == ["python", "-m", uninstall.__name__]
    test = containers(found["Pod", "backstay-test"])[0]
    assert test["command"] == ["python", "-m", installed.__name__]


@both
def test_one_replica_has_no_disruption_budget_that_would_block_drains(helm: Helm) -> None:
    assert ("PodDisruptionBudget", "backstay-operator") in documents(helm)
    single = documents(helm, *sets("operator.replicas=1", "uninstall.hook=false"))
    assert ("PodDisruptionBudget", "backstay-operator") not in single


@both
def test_nothing_has_a_finalizer_and_the_hook_ends_in_time(helm: Helm) -> None:
    found = documents(helm)
    assert not [key for key, one in found.items() if one["metadata"].get("finalizers")]
    job = found["Job", "backstay-uninstall"]["spec"]
    assert job["activeDeadlineSeconds"] == 180
    without = documents(helm, *sets("operator.replicas=1", "uninstall.hook=false"))
    assert not [key for key in without if key[1] == "backstay-uninstall"]


BAD = {
    "operator.replicas=two": "replicas",
    "oeprator.replicas=2": "oeprator",
    "nodeagent.runDir=/var/lib/backstay": "runDir",
    "image.registry=example.com/ha": "registry",
    "uninstall.resources=kill": "uninstall",
    "monitoring.interval=fast": "interval",
    "nodeagent.metricsPort=99999": "metricsPort",
    "operator.image.digest=latest": "digest",
}


@both
def test_bad_values_are_refused_all_at_once_and_each_by_its_name(helm: Helm) -> None:
    ran = template(helm, *sets(*BAD))
    assert ran.returncode != 0
    assert "schema" in ran.stderr
    assert [told for told in BAD.values() if told not in ran.stderr] == []


@both
def test_other_namespace_is_refused_with_the_command_to_use(helm: Helm) -> None:
    ran = template(helm, namespace="default")
    assert ran.returncode != 0
    assert "--namespace backstay-system --create-namespace" in ran.stderr


def test_every_value_of_the_schema_has_a_default_and_the_other_way_round() -> None:
    schema = yaml.safe_load((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())

    def compare(node: Document, value: Document, path: str) -> None:
        known = set(node["properties"]) - {"global"}
        assert known == set(value), path
        for name in known:
            if "properties" in node["properties"][name] and name not in ("resources",):
                compare(node["properties"][name], value[name], f"{path}.{name}")

    compare(schema, values, "")


def test_notes_show_a_manifest_that_the_models_accept() -> None:
    from backstay.api import HACluster

    text = (CHART / "templates/NOTES.txt").read_text()
    manifest = text.split("<<EOF\n")[1].split("  EOF")[0]
    parsed = HACluster.parse(yaml.safe_load("\n".join(line[2:] for line in manifest.splitlines())))
    assert parsed.spec.node_selector == {"ha.backstay.io/member": "true"}


SECURE = sets(
    "monitoring.secure.enabled=true",
    "monitoring.secure.certificateSecret=metrics-tls",
    "monitoring.secure.tokenSecret.name=scraper",
    "monitoring.secure.readers[0].name=prometheus",
    "monitoring.secure.readers[0].namespace=monitoring",
)


@both
def test_secure_metrics_are_https_for_reviewed_tokens_on_both_programs(helm: Helm) -> None:
    found = documents(helm, *SECURE, *PROMETHEUS)
    for key in (("Deployment", "backstay-operator"), ("DaemonSet", "backstay-nodeagent")):
        pod = found[key]["spec"]["template"]["spec"]
        container = pod["containers"][0]
        parse = operator_arguments() if key[0] == "Deployment" else None
        options = (
            parse.parse_args(container["args"])
            if parse
            else agent_arguments(["--node=n", *container["args"]])
        )
        assert options.metrics_for == "reviewed"
        assert container["readinessProbe"]["httpGet"]["scheme"] == "HTTPS"
        assert container["readinessProbe"]["httpGet"]["path"] == "/healthz"
        mounts = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
        assert str(options.metrics_certificate).startswith(mounts["metrics-certificate"])
        volumes = {one["name"]: one for one in pod["volumes"]}
        assert volumes["metrics-certificate"]["secret"]["secretName"] == "metrics-tls"
    for key, part in (
        (("ServiceMonitor", "backstay-operator"), "endpoints"),
        (("PodMonitor", "backstay-nodeagent"), "podMetricsEndpoints"),
    ):
        (endpoint,) = found[key]["spec"][part]
        assert endpoint["scheme"] == "https"
        assert endpoint["authorization"]["credentials"] == {"name": "scraper", "key": "token"}
        assert endpoint["tlsConfig"]["ca"]["secret"]["name"] == "metrics-tls"
    reviews = found["ClusterRoleBinding", "backstay-metrics-reviews"]
    assert reviews["roleRef"]["name"] == "system:auth-delegator"
    assert {one["name"] for one in reviews["subjects"]} == {"backstay-operator", "backstay-nodeagent"}
    reader = found["ClusterRoleBinding", "backstay-metrics-reader"]
    assert reader["subjects"] == [{"kind": "ServiceAccount", "name": "prometheus", "namespace": "monitoring"}]


@both
def test_secure_metrics_without_a_certificate_are_refused(helm: Helm) -> None:
    ran = template(helm, *sets("monitoring.secure.enabled=true"))
    assert ran.returncode != 0
    assert "certificateSecret" in ran.stderr


@both
def test_reviews_are_not_granted_where_nobody_is_reviewed(helm: Helm) -> None:
    assert ("ClusterRoleBinding", "backstay-metrics-reviews") not in documents(helm)
