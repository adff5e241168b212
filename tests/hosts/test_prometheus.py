"""A real Prometheus scrapes a real cluster, and the alert on a moved resource fires after a power cut."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import yaml

from backstay_sandbox import background
from backstay_sandbox.inspection import namespace_command
from backstay_sandbox.layout import AGENT_METRICS_PORT, OPERATOR_METRICS_PORT
from backstay_sandbox.options import SandboxOptions
from harness.hosts import SandboxUnderTest, sandbox_name, wait_for
from harness.hosts_cluster import ADDRESS, BIN

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [
    pytest.mark.hosts,
    pytest.mark.skipif(
        shutil.which("prometheus") is None, reason="prometheus is not installed (Debian package prometheus)"
    ),
]


@dataclass(frozen=True, slots=True)
class Scraped:
    """A sandbox, and a Prometheus on its client host."""

    sandbox: SandboxUnderTest

    def ask(self, path: str, **query: str) -> Any:
        url = f"http://127.0.0.1:9090/api/v1/{path}?{urlencode(query)}"
        got = self.sandbox.client("curl", "-sSf", "-m", "5", url)
        return json.loads(got.stdout)["data"] if got.returncode == 0 else {}

    def query(self, expression: str) -> list[dict[str, str]]:
        """Labels of the samples that the expression has now."""
        return [one["metric"] for one in self.ask("query", query=expression).get("result", [])]

    def firing(self, name: str) -> list[dict[str, str]]:
        alerts = self.ask("alerts").get("alerts", [])
        return [
            one["labels"] for one in alerts if one["labels"]["alertname"] == name and one["state"] == "firing"
        ]


def configuration(sandbox: SandboxUnderTest) -> dict[str, Any]:
    """As the chart's PodMonitors: every target has the label `node`."""
    jobs = {"backstay-operator": OPERATOR_METRICS_PORT, "backstay-nodeagent": AGENT_METRICS_PORT}
    return {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s", "scrape_timeout": "900ms"},
        "rule_files": [str(ROOT / "charts/backstay/files/alerts.yaml")],
        "scrape_configs": [
            {
                "job_name": job,
                "static_configs": [
                    {
                        "targets": [f"{sandbox.layout.addresses(node).cluster}:{port}"],
                        "labels": {"node": node} if job == "backstay-nodeagent" else {},
                    }
                    for node in sandbox.layout.nodes
                ],
            }
            for job, port in jobs.items()
        ],
    }


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scraped]:
    options = SandboxOptions(name=sandbox_name("prometheus"), nodes=3)
    folder = tmp_path_factory.mktemp("prometheus")
    background.start(options, progress=lambda _step: None)
    process = None
    try:
        sandbox = SandboxUnderTest(options.layout)
        environment = {**os.environ, "KUBECONFIG": str(options.layout.kubeconfig)}
        manifest = ROOT / "examples/tutorial/1-cluster-ip.yaml"
        subprocess.run(
            [BIN / "kubectl", "apply", "-f", manifest], env=environment, check=True, capture_output=True
        )
        (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration(sandbox)))
        command = [
            *("prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"),
            "--web.listen-address=127.0.0.1:9090",
        ]
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(
                namespace_command(options.layout.netns("client"), command), stdout=log, stderr=log
            )
        yield Scraped(sandbox)
    finally:
        if process is not None:
            process.terminate()
            process.wait(10)
        background.stop(options.layout)


def home_of(scraped: Scraped) -> str:
    """Where the address runs, by its metric."""
    found = scraped.query('ha_cluster_pacemaker_resources{resource="ClusterIP",status="active"} == 1')
    return found[0]["node"] if len(found) == 1 and found[0]["role"] == "started" else ""


def test_move_alert_fires_after_a_power_cut_and_tells_from_where_to_where(scraped: Scraped) -> None:
    wait_for(lambda: len(scraped.query("up == 1")) == 6, timeout_s=90.0, what="all six targets answer")
    wait_for(lambda: home_of(scraped) != "", timeout_s=60.0, what=f"{ADDRESS} runs, by its metric")
    home = home_of(scraped)
    assert scraped.firing("BackstayResourceMoved") == []

    scraped.sandbox.ask("crash", node=home)

    wait_for(
        lambda: scraped.firing("BackstayResourceMoved") != [], timeout_s=90.0, what="the alert on the move"
    )
    (alert,) = scraped.firing("BackstayResourceMoved")
    assert (alert["resource"], alert["from"], alert["reason"]) == ("ClusterIP", home, "node_lost")
    assert alert["to"] == home_of(scraped)
    wait_for(
        lambda: scraped.query('backstay_failover_seconds_count{phase="detect"} >= 1') != [],
        timeout_s=30.0,
        what="the failover's phases are there",
    )


def test_agents_show_the_operations_that_they_ran_and_their_renewals(scraped: Scraped) -> None:
    ran = scraped.query('backstay_actions_total{agent="ocf:heartbeat:IPaddr2",operation="start",result="ok"}')
    assert {one["node"] for one in ran} <= set(scraped.sandbox.layout.nodes)
    assert ran
    assert len(scraped.query("backstay_lease_renewals_total > 3")) >= 2
