"""The control plane of real nodes: in the network of the hosts, with a scheduler, and watching over nodes as in any cluster."""

from __future__ import annotations

import subprocess
from pathlib import Path

from backstay_sandbox import network
from backstay_sandbox.controlplane.plane import SERVICE_RANGE, ControlPlane
from backstay_sandbox.kubeconfig import Kubeconfig
from backstay_sandbox.layout import SERVICES_ADDRESS, Layout
from harness.nodes.configuration import pod_network
from harness.nodes.programs import NodePrograms

API_SERVICE = SERVICE_RANGE.rpartition(".")[0] + ".1"
"""The address by which pods know the API server."""
SCHEDULER = "system:kube-scheduler"
OPENSSL_TIMEOUT_S = 30.0
LOCAL_SCHEDULER_PORT = 10259


def node_user(node: str) -> str:
    return f"system:node:{node}"


class NodesControlPlane(ControlPlane):
    """Lives in the services namespace of ``layout``, whose network must be there."""

    def __init__(self, layout: Layout, programs: NodePrograms) -> None:
        super().__init__(
            layout.state_dir / "controlplane",
            programs.plane,
            addresses=(SERVICES_ADDRESS, API_SERVICE),
            logs=layout.logs_dir,
            processes=layout.processes_dir,
            address=SERVICES_ADDRESS,
            netns=network.netns_path(layout, "services"),
            users={SCHEDULER: "", **{node_user(node): "system:nodes" for node in layout.nodes}},
            audit=True,
        )
        self._scheduler_binary = programs.binary

    @property
    def clients_authority(self) -> str:
        """Who signed the certificate by which the API server speaks to kubelets (PEM)."""
        return (self.directory / "pki/kubelet-client.crt").read_text()

    def as_node(self, node: str) -> Kubeconfig:
        return self.as_bearer(self.credentials.user_tokens[node_user(node)])

    def start(self) -> None:
        (self.directory / "pki").mkdir(parents=True, exist_ok=True, mode=0o700)
        _self_signed(self.directory / "pki", "kubelet-client", subject="/O=system:masters/CN=kube-apiserver")
        super().start()
        try:
            self._launch("scheduler", (str(self._scheduler_binary), *self._scheduler_flags()))
            self._await("scheduler", self._scheduler_answers)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        self._end("scheduler")
        super().stop()

    def _scheduler_answers(self) -> bool:
        done = subprocess.run(
            [
                "nsenter",
                f"--net={self.netns}",
                "--",
                "curl",
                "-sk",
                f"https://127.0.0.1:{LOCAL_SCHEDULER_PORT}/healthz",
            ],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
        return done.stdout == "ok"

    def _scheduler_flags(self) -> list[str]:
        kubeconfig = self.directory / "scheduler.kubeconfig"
        kubeconfig.touch(mode=0o600)
        kubeconfig.write_text(self.as_bearer(self.credentials.user_tokens[SCHEDULER]).render())
        return [
            "kube-scheduler",
            f"--kubeconfig={kubeconfig}",
            f"--authentication-kubeconfig={kubeconfig}",
            f"--authorization-kubeconfig={kubeconfig}",
            "--bind-address=127.0.0.1",
            f"--secure-port={LOCAL_SCHEDULER_PORT}",
            "--leader-elect=false",
        ]

    def _apiserver_flags(self) -> list[str]:
        pki = self.directory / "pki"
        return [
            *super()._apiserver_flags(),
            f"--kubelet-client-certificate={pki / 'kubelet-client.crt'}",
            f"--kubelet-client-key={pki / 'kubelet-client.key'}",
            "--kubelet-preferred-address-types=InternalIP",
        ]

    def _manager_flags(self) -> list[str]:
        # Here are kubelets: what watches over nodes runs, with its defaults.
        return [one for one in super()._manager_flags() if not one.startswith("--controllers=")]


async def route_pods(layout: Layout) -> None:
    """The way from the services (the API server) to the pods, through their nodes."""
    await network.batch(
        layout.netns_services,
        *(
            f"route replace {pod_network(number)} via {layout.addresses(node).cluster}"
            for number, node in enumerate(layout.nodes, start=1)
        ),
    )


def _self_signed(directory: Path, name: str, *, subject: str) -> None:
    """A certificate that is its own authority: nobody else may speak to the kubelets."""
    key, certificate = directory / f"{name}.key", directory / f"{name}.crt"
    key.touch(mode=0o600)
    command = [
        *("openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
        *("-keyout", str(key), "-out", str(certificate), "-days", "2", "-subj", subject),
        *("-addext", "extendedKeyUsage=clientAuth"),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=OPENSSL_TIMEOUT_S)
