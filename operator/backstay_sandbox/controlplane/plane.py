"""The processes of one control plane: started in order, each waited for with a bound, ended in reverse.

Blocking on purpose: tests call it as it is, the sandbox's daemon from a thread.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from backstay_sandbox import network
from backstay_sandbox.controlplane.binaries import Binaries
from backstay_sandbox.controlplane.certificates import Credentials, make_credentials
from backstay_sandbox.kubeconfig import Kubeconfig
from backstay_sandbox.process_record import forget, record

LOOPBACK = "127.0.0.1"
START_TIMEOUT_S = 60.0
"""Three to five seconds on a quiet machine; with many starved neighbours it took half a minute."""
STOP_TIMEOUT_S = 10.0
POLL_S = 0.1
REQUEST_TIMEOUT_S = 5.0
LOG_TAIL_LINES = 15
AUDIT_MEGABYTES = 50
SERVICE_RANGE = "10.96.0.0/24"
ISSUER = "https://kubernetes.default.svc.cluster.local"


class ControlPlaneError(RuntimeError):
    """A program did not start or did not end; the message is for the user and holds its last words."""


@dataclass(slots=True)
class ControlPlane:
    """Make one, :meth:`start` it, :meth:`stop` it in any case."""

    directory: Path
    binaries: Binaries
    addresses: Sequence[str] = (LOOPBACK,)
    """By which clients reach the server, for its certificate."""
    logs: Path | None = None
    """Where logs go; default: the directory."""
    processes: Path | None = None
    """Where process records go, for a clean-up by another program; None: the processes die with the thread that made them."""
    address: str = LOOPBACK
    """Where the API server listens."""
    netns: str = ""
    """A network namespace (a path) that all of it runs in; empty: this process's own."""
    users: Mapping[str, str] = field(default_factory=dict)
    """More users with a token each: name to group, or to "" for none."""
    audit: bool = False
    """Write to audit.log who wrote what: metadata only, at most AUDIT_MEGABYTES and as much again of the past."""
    _credentials: Credentials | None = None
    _ports: dict[str, int] = field(default_factory=dict)
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def server(self) -> str:
        return f"https://{self.address}:{self._ports['apiserver']}"

    @property
    def etcd_url(self) -> str:
        return f"http://{LOOPBACK}:{self._ports['etcd']}"

    @property
    def _data(self) -> Path:
        return self.directory / "etcd"

    @property
    def _backup(self) -> Path:
        return self.directory / "etcd.backup"

    @property
    def audit_log(self) -> Path:
        return self.directory / "audit.log"

    @property
    def authority(self) -> str:
        return self.credentials.serving.authority_pem().decode()

    @property
    def credentials(self) -> Credentials:
        assert self._credentials is not None, "not started"
        return self._credentials

    def admin(self) -> Kubeconfig:
        return self.as_bearer(self.credentials.admin_token)

    def as_bearer(self, token: str) -> Kubeconfig:
        """The way in for whoever has this token."""
        return Kubeconfig(server=self.server, token=token, authority=self.authority)

    def pids(self) -> dict[str, int]:
        """Of what runs, by name."""
        return {name: process.pid for name, process in self._running.items()}

    def start(self) -> None:
        """All three; returns when the API server says it is ready and the controller manager is healthy."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        addresses = list(dict.fromkeys((LOOPBACK, self.address, *self.addresses)))
        self._credentials = make_credentials(self.directory / "pki", addresses=addresses, users=self.users)
        self._ports = dict(zip(("etcd", "peer", "apiserver", "manager"), _free_ports(4), strict=True))
        if self.audit:
            (self.directory / "audit-policy.yaml").write_text(AUDIT_POLICY)
        try:
            self._start_etcd()
            self.start_apiserver()
            self._start_manager()
        except BaseException:
            self.stop()
            raise

    def start_apiserver(self) -> None:
        """Again after :meth:`stop_apiserver`, at the same address and with the same objects."""
        self._launch("apiserver", (*self.binaries.apiserver, *self._apiserver_flags()))
        self._await("apiserver", self._apiserver_answers)

    def stop_apiserver(self) -> None:
        self._end("apiserver")

    def backup(self) -> None:
        """Keep what is stored now; the server answers nobody meanwhile (a few seconds). One backup is kept, the last."""
        self._end("apiserver")
        self._end("etcd")
        shutil.rmtree(self._backup, ignore_errors=True)
        shutil.copytree(self._data, self._backup)
        self._start_etcd()
        self.start_apiserver()

    def restore(self) -> None:
        """Go back to the backup, as with a disk of yesterday: revisions return too. Raises ControlPlaneError if there is none."""
        if not self._backup.exists():
            raise ControlPlaneError("there is no backup to restore")
        for name in ("controller-manager", "apiserver", "etcd"):
            self._end(name)
        shutil.rmtree(self._data)
        shutil.copytree(self._backup, self._data)
        self._start_etcd()
        self.start_apiserver()
        self._start_manager()

    def died(self) -> str | None:
        """The name of a program that ended by itself."""
        return next((name for name, one in self._running.items() if one.poll() is not None), None)

    def stop(self) -> None:
        """All of them; never raises for one that is gone already."""
        for name in ("controller-manager", "apiserver", "etcd"):
            self._end(name)
        # Objects of a cluster that is no more, Secrets among them.
        for place in (self._data, self._backup):
            shutil.rmtree(place, ignore_errors=True)

    # -- processes

    def _start_etcd(self) -> None:
        self._launch("etcd", (*self.binaries.etcd, *self._etcd_flags()))
        self._await("etcd", self._etcd_answers)

    def _start_manager(self) -> None:
        self._launch("controller-manager", (*self.binaries.controller_manager, *self._manager_flags()))
        self._await("controller-manager", self._manager_answers)

    def _launch(self, name: str, command: Sequence[str]) -> None:
        # Without a record that another program can clean up by, the kernel must.
        leash = () if self.processes is not None else ("setpriv", "--pdeathsig", "KILL")
        inside = ("nsenter", f"--net={self.netns}", "--") if self.netns else ()
        with self._log(name).open("ab") as log:
            process = subprocess.Popen(
                (*inside, *leash, *command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": str(self.directory)},
                start_new_session=True,
            )
        self._running[name] = process
        if self.processes is not None:
            record(self.processes, f"controlplane-{name}", process.pid)

    def _await(self, name: str, answers: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if answers():
                    return
            status = self._running[name].poll()
            if status is not None:
                raise ControlPlaneError(f"{name} ended with status {status}:\n{self._last_words(name)}")
            if time.monotonic() > deadline:
                limit = f"{START_TIMEOUT_S:.0f} s"
                raise ControlPlaneError(f"{name} was not ready within {limit}:\n{self._last_words(name)}")
            time.sleep(POLL_S)

    def _end(self, name: str) -> None:
        process = self._running.pop(name, None)
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            # The API server drains for as long as watches are open; nobody here needs that.
            process.wait(timeout=STOP_TIMEOUT_S if name == "etcd" else 2.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=STOP_TIMEOUT_S)
        if self.processes is not None:
            forget(self.processes, f"controlplane-{name}")

    def _log(self, name: str) -> Path:
        return (self.logs or self.directory) / f"{name}.log"

    def _last_words(self, name: str) -> str:
        lines = self._log(name).read_text(errors="replace").splitlines()
        return "\n".join(lines[-LOG_TAIL_LINES:])

    # -- questions

    def _etcd_answers(self) -> bool:
        return self._status_of(http.client.HTTPConnection(*self._at("etcd")), "/health") == 200

    def _apiserver_answers(self) -> bool:
        context = ssl.create_default_context(cadata=self.authority)
        connection = http.client.HTTPSConnection(
            *self._at("apiserver"), context=context, timeout=REQUEST_TIMEOUT_S
        )
        return self._status_of(connection, "/readyz", token=self.credentials.admin_token) == 200

    def _manager_answers(self) -> bool:
        # Its certificate is of its own making, and it is on loopback.
        context = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection(
            *self._at("manager"), context=context, timeout=REQUEST_TIMEOUT_S
        )
        return self._status_of(connection, "/healthz") == 200

    def _at(self, name: str) -> tuple[str, int]:
        return (self.address if name == "apiserver" else LOOPBACK), self._ports[name]

    def _status_of(self, connection: http.client.HTTPConnection, path: str, *, token: str = "") -> int:
        def ask() -> int:
            return _status_of(connection, path, token=token)

        return network.call_inside(self.netns, ask) if self.netns else ask()

    # -- flags

    def _etcd_flags(self) -> list[str]:
        return [
            f"--data-dir={self._data}",
            f"--listen-client-urls={self.etcd_url}",
            f"--advertise-client-urls={self.etcd_url}",
            f"--listen-peer-urls=http://{LOOPBACK}:{self._ports['peer']}",
            "--unsafe-no-fsync",
        ]

    def _apiserver_flags(self) -> list[str]:
        made = self.credentials
        flags = {
            "etcd-servers": self.etcd_url,
            "bind-address": self.address,
            "advertise-address": self.address,
            "endpoint-reconciler-type": "none",
            "secure-port": self._ports["apiserver"],
            "tls-cert-file": made.serving.certificate,
            "tls-private-key-file": made.serving.key,
            "token-auth-file": made.tokens,
            "authorization-mode": "Node,RBAC",
            "enable-admission-plugins": "NodeRestriction",
            "service-account-key-file": made.signing_key,
            "service-account-signing-key-file": made.signing_key,
            "service-account-issuer": ISSUER,
            "service-cluster-ip-range": SERVICE_RANGE,
            "allow-privileged": "true",
            "shutdown-delay-duration": "0s",
        }
        if self.audit:
            flags |= {
                "audit-policy-file": self.directory / "audit-policy.yaml",
                "audit-log-path": self.audit_log,
                "audit-log-mode": "blocking",
                "audit-log-maxsize": AUDIT_MEGABYTES,
                "audit-log-maxbackup": 1,
            }
        return [f"--{name}={value}" for name, value in flags.items()]

    def _manager_flags(self) -> list[str]:
        kubeconfig = self.directory / "controller-manager.kubeconfig"
        kubeconfig.touch(mode=0o600)
        kubeconfig.write_text(self.as_bearer(self.credentials.manager_token).render())
        return [
            f"--kubeconfig={kubeconfig}",
            f"--bind-address={LOOPBACK}",
            f"--secure-port={self._ports['manager']}",
            f"--service-account-private-key-file={self.credentials.signing_key}",
            f"--root-ca-file={self.credentials.serving.certificate}",
            "--use-service-account-credentials=true",
            "--leader-elect=false",
            # There are no kubelets: what watches over nodes would only declare them dead and evict what is on them.
            "--controllers=*,-node-lifecycle-controller,-taint-eviction-controller,-pod-garbage-collector-controller",
        ]


AUDIT_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  verbs: [get, list, watch]
- level: Metadata
"""


def _status_of(connection: http.client.HTTPConnection, path: str, *, token: str = "") -> int:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        connection.request("GET", path, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


def _free_ports(number: int) -> list[int]:
    """Ports that were free a moment ago; held together, so that they differ."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.create_server((LOOPBACK, 0))) for _ in range(number)]
        return [one.getsockname()[1] for one in sockets]
