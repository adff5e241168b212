"""Puts the agent together and starts its parts in the order in which they are needed."""

from __future__ import annotations

import argparse
import asyncio
import logging
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backstay_nodeagent import capabilities, urgency
from backstay_nodeagent.agent import Hands, Settings, instant
from backstay_nodeagent.host_entry import HostEntry
from backstay_nodeagent.host_identity import machine_identity
from backstay_nodeagent.host_state import AgentLock, boot_id_of
from backstay_nodeagent.invocation import HostPaths, Invoker
from backstay_nodeagent.keeper_link import (
    KeeperConfig,
    KeeperLink,
    keeper_version,
    known_access,
    known_dismissal,
    known_vouching,
    known_watchdog,
)
from backstay_nodeagent.lease_client import Access
from backstay_nodeagent.orders import SecretRef
from backstay_nodeagent.secret_store import SecretError, SecretStore, UnavailableError
from backstay_nodeagent.status_view import status_of

if TYPE_CHECKING:
    from backstay_kube.client import KubeClient
    from backstay_nodeagent.plan_feed import PlanFeed
    from backstay_nodeagent.status_writer import StatusWriter

log = logging.getLogger(__name__)
LOCK_PAUSE_S = 0.05
CONNECT_PAUSE_S = 2.0
CAPABILITIES_EVERY_S = 300.0
STAMP_EVERY_S = 5.0
ACCESS_EVERY_S = 60.0
FORBIDDEN_PATIENCE_S, FORBIDDEN_PAUSE_S = 3.0, 0.2
AGENT_DIRECTORY = "/run/resource-agents"


class Program:
    """The whole agent of one node."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._client: KubeClient | None = None
        self._capabilities: dict[str, Any] | None = None
        self._node_token = ""
        self._paths = HostPaths(entry=HostEntry.of_host() if options.host_namespaces else None)

    async def run(self) -> None:
        """For ever. Raises what nobody foresaw."""
        options = self._options
        _make_directories(options.run_dir, options.state_dir, Path(self._paths.local(AGENT_DIRECTORY)))
        lock = AgentLock(options.run_dir)
        while not lock.taken():
            log.info("another agent still runs here; waiting")
            await asyncio.sleep(LOCK_PAUSE_S)
        hands = self._hands()
        urgency.die_late()
        urgency.raise_descriptor_limit()
        log.info(
            "agent begins",
            extra={"fields": {"boot": hands.settings.boot_id, "incarnation": hands.incarnation}},
        )
        hands.recover()
        access = known_access(hands.settings.run_dir, hands.settings.boot_id)
        if access is not None:
            self._attach_keeper(hands, access)
        parts = asyncio.create_task(self._connect(hands))
        await asyncio.wait((parts, hands.failed), return_when=asyncio.FIRST_COMPLETED)
        for part in (parts, hands.failed):
            if part.done():
                await part

    def _hands(self) -> Hands:
        options = self._options
        settings = Settings(
            node=options.node,
            state_dir=options.state_dir,
            run_dir=options.run_dir,
            boot_id=boot_id_of(options.run_dir, options.boot_id_file),
            kubeconfig=options.kubeconfig,
            machine=machine_identity(self._paths, options.identity_file),
        )
        invoker = Invoker(
            node=options.node,
            paths=self._paths,
            systemd_runs=capabilities.systemd_runs(self._paths),
            system_id_source=capabilities.system_id_source(self._paths),
        )
        return Hands(settings, invoker=invoker, secrets=SecretStore(options.run_dir, self._fetch_secret))

    async def _connect(self, hands: Hands) -> None:
        """Load the API's client (a second and a half of imports, in a thread), then follow the plan and hold the Lease."""
        await asyncio.gather(asyncio.to_thread(_import_client), hands.load_keys())
        from backstay_kube.client import KubeClient
        from backstay_kube.errors import ApiError

        while self._client is None:
            try:
                self._client = await KubeClient.connect(
                    self._options.kubeconfig, field_manager="backstay-nodeagent"
                )
            except ApiError as error:
                log.error("no way to the API server", extra={"fields": {"error": str(error)}})
                await asyncio.sleep(CONNECT_PAUSE_S)
        await self._serve(hands, self._client)

    async def _serve(self, hands: Hands, client: KubeClient) -> None:
        from backstay_nodeagent.plan_feed import PlanFeed
        from backstay_nodeagent.plan_watch import PlanWatch
        from backstay_nodeagent.status_writer import StatusWriter

        if hands.keeper is None:
            self._attach_keeper(hands, access_of(client))
        assert hands.keeper is not None
        hands.keeper.set_access(access_of(client))
        self._capabilities = await asyncio.to_thread(capabilities.capabilities, self._paths)
        feed = PlanFeed(hands)
        writer = StatusWriter(
            client,
            hands.settings.node,
            snapshot=lambda: self._status(hands),
            on_written=feed.status_written,
        )
        feed.on_new_plan = writer.forget
        feed.on_fresh = writer.compare
        watch = PlanWatch(client, hands.settings.node, feed.take)
        hands.on_status_change.append(writer.kick)
        hands.on_read_plan.append(watch.refresh)
        writer.kick()
        async with asyncio.TaskGroup() as group:
            group.create_task(watch.run())
            group.create_task(self._report(feed, writer))
            group.create_task(self._look_again(writer.kick))
            group.create_task(self._refresh_access(hands.keeper, client))
            if self._options.host_namespaces:
                group.create_task(self._keep_token(hands.keeper, client))
            if self._options.metrics_port:
                group.create_task(self._expose(hands, hands.keeper, client))

    @staticmethod
    async def _report(feed: PlanFeed, writer: StatusWriter) -> None:
        """From when the plan has been read; until then the status of the agent before stands."""
        await feed.heard.wait()
        await writer.run()

    async def _expose(self, hands: Hands, keeper: KeeperLink, client: KubeClient) -> None:
        """Metrics, once the plan is followed. A port that is taken is told, and costs nothing but the metrics."""
        await asyncio.to_thread(_import_metrics)
        from prometheus_client import CollectorRegistry

        from backstay_kube.metrics_options import endpoint_of
        from backstay_nodeagent.metrics import AgentMetrics, serve

        metrics, brain = AgentMetrics(CollectorRegistry()), hands.brain
        metrics.follow(
            instant,
            running=lambda: len(brain.dispatch.running),
            waiting=lambda: len(brain.book.waiting()),
            recording=lambda: not brain.recording.trouble,
        )
        hands.on_operation_end.append(
            lambda operation, outcome: metrics.operation_ended(operation, outcome, instant())
        )
        hands.on_renewal.append(metrics.renewed)
        keeper.on_failure.append(metrics.renewal_failed)
        try:
            serve(metrics, endpoint_of(self._options, client))
        except OSError as error:
            log.error(
                "no metrics: can't listen",
                extra={"fields": {"port": self._options.metrics_port, "error": str(error)}},
            )

    def _attach_keeper(self, hands: Hands, access: Access) -> None:
        """Speak with the keeper from now on; on a host where it still runs this does not wait for the API's client."""
        beat, vouching = known_vouching(hands.settings.run_dir, hands.settings.boot_id)
        config = KeeperConfig(
            beat=beat,
            vouching=vouching,
            watchdog=known_watchdog(hands.settings.run_dir, hands.settings.boot_id),
            dismissed=known_dismissal(hands.settings.run_dir, hands.settings.boot_id),
            node=hands.settings.node,
            boot_id=hands.settings.boot_id,
            incarnation=hands.incarnation,
            version=keeper_version(self._paths.entry),
            access=access,
            machine=asdict(hands.settings.machine),
            timings=hands.brain.guard.timings,
        )
        hands.keeper = KeeperLink(hands.settings.run_dir, config, post=hands.post, entry=self._paths.entry)
        hands.spawn(hands.keeper.run())

    async def _look_again(self, kick: Any) -> None:
        """Agents may be installed while we run: soon where a directory changed, now and then in any case."""
        loop = asyncio.get_running_loop()
        stamp = await asyncio.to_thread(capabilities.stamp, self._paths)
        due = loop.time() + CAPABILITIES_EVERY_S
        while True:
            await asyncio.sleep(STAMP_EVERY_S)
            fresh = await asyncio.to_thread(capabilities.stamp, self._paths)
            if fresh == stamp and loop.time() < due:
                continue
            stamp, due = fresh, loop.time() + CAPABILITIES_EVERY_S
            self._capabilities = await asyncio.to_thread(capabilities.capabilities, self._paths)
            kick()

    async def _refresh_access(self, keeper: KeeperLink, client: KubeClient) -> None:
        """Tokens that no file holds are renewed by the client; the keeper gets them too."""
        while True:
            await asyncio.sleep(ACCESS_EVERY_S)
            keeper.set_access(self._keeper_access(client))

    async def _keep_token(self, keeper: KeeperLink, client: KubeClient) -> None:
        """In a pod: give the keeper a token that does not end with the pod."""
        from backstay_nodeagent.node_token import account_of, keep_token

        token_file = client.credentials().token_file
        text = await asyncio.to_thread(Path(token_file).read_text) if token_file else ""
        account = account_of(text.strip())
        if account is None:
            return

        def use(token: str) -> None:
            self._node_token = token
            keeper.set_access(self._keeper_access(client))
            log.info("the keeper has a token that outlives the pod")

        await keep_token(client, account, self._options.node, use)

    def _keeper_access(self, client: KubeClient) -> Access:
        """As ours, with the Node's token where there is one, and nothing left to be read from the pod's volumes."""
        access = access_of(client)
        if not self._node_token:
            return access
        authority = Path(access["ca_file"]).read_text() if access["ca_file"] else access["ca_pem"]
        return Access(
            **{**access, "token": self._node_token, "token_file": "", "ca_file": "", "ca_pem": authority}
        )

    def _status(self, hands: Hands) -> dict[str, Any]:
        from backstay_nodeagent import VERSION

        status = status_of(hands.brain, incarnation=hands.incarnation, agent_version=VERSION)
        status["vouchingKey"] = hands.keys.public if hands.keys is not None else ""
        if self._capabilities is not None:
            status["capabilities"] = self._capabilities
        return status

    async def _fetch_secret(self, ref: SecretRef) -> str:
        if self._client is None:
            raise UnavailableError("the API server is not connected yet")
        from backstay_kube import kinds
        from backstay_kube.errors import ApiError, ApiForbidden, ApiNotFound

        where = f"secret {ref.namespace}/{ref.name}"
        patience_until = time.monotonic() + FORBIDDEN_PATIENCE_S
        while True:
            try:
                secret = await self._client.request(
                    "GET", kinds.SECRET.path(ref.namespace, ref.name), timeout_s=3.0
                )
                break
            except ApiNotFound:
                raise SecretError(f"{where} does not exist") from None
            except ApiForbidden:
                # The operator granted it a moment before it gave the order, and API servers learn of grants by a watch of their own.
                if time.monotonic() > patience_until:
                    raise SecretError(f"{where} may not be read by this agent") from None
                await asyncio.sleep(FORBIDDEN_PAUSE_S)
            except ApiError as error:
                raise UnavailableError(f"{where}: {error}") from None
        value = (secret.get("data") or {}).get(ref.key)
        if value is None:
            raise SecretError(f"{where} has no key {ref.key}")
        return str(value)


def _make_directories(run_dir: Path, state_dir: Path, agent_directory: Path) -> None:
    for directory in (run_dir, state_dir):
        directory.mkdir(mode=0o755, parents=True, exist_ok=True)
    try:
        agent_directory.mkdir(mode=0o755, exist_ok=True)
    except OSError as error:
        log.warning("the agents' own directory is missing", extra={"fields": {"error": str(error)}})


def access_of(client: KubeClient) -> Access:
    given = client.credentials()
    return Access(
        server=given.server,
        token=given.token,
        token_file=given.token_file,
        ca_file=given.ca_file,
        ca_pem=given.ca_pem,
        client_cert_file=given.client_cert_file,
        client_key_file=given.client_key_file,
        tls_server_name=given.tls_server_name,
    )


def _import_client() -> None:
    import backstay_kube.client  # noqa: F401
    import backstay_nodeagent.plan_reader  # noqa: F401


def _import_metrics() -> None:
    import backstay_nodeagent.metrics  # noqa: F401
