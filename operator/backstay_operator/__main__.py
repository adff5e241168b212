"""`backstay-operator`: one replica. It follows every HACluster, stands for election in each, and is the DC where it wins."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import random
import signal
import socket
import string
import sys
from importlib.metadata import version

from backstay_kube.metrics_options import add_metrics_options, complaint_of, endpoint_of
from backstay_operator.logs import configure_logging

log = logging.getLogger("backstay_operator")

SWITCH_S = 0.001
"""How long the event loop waits for the thread that schedules, again and again."""


def arguments() -> argparse.ArgumentParser:
    """Command line."""
    parser = argparse.ArgumentParser(prog="backstay-operator", description=__doc__)
    parser.add_argument(
        "--kubeconfig", default=None, help="default: in a pod its service account, else KUBECONFIG"
    )
    parser.add_argument("--identity", default=socket.gethostname(), help="name of this replica's node or pod")
    parser.add_argument("--namespace", default="backstay-system", help="where the Leases are")
    parser.add_argument("--log-format", choices=("text", "json"), default="text")
    add_metrics_options(parser)
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--version", action="version", version=f"backstay-operator {version('backstay')}")
    return parser


def main() -> int:
    """Run until SIGTERM or SIGINT."""
    options = arguments().parse_args()
    if complaint := complaint_of(options):
        arguments().error(complaint)
    configure_logging(options.log_format, verbose=options.verbose)
    if options.kubeconfig:
        os.environ["KUBECONFIG"] = options.kubeconfig
    suffix = "".join(random.choices(string.ascii_lowercase + string.digits, k=5))
    options.identity = f"{options.identity}_{suffix}"
    sys.setswitchinterval(SWITCH_S)
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:
    import kopf
    from prometheus_client import CollectorRegistry, generate_latest

    from backstay_kube.client import KubeClient
    from backstay_kube.metrics_server import MetricsServer
    from backstay_operator.exposition import SceneCollector
    from backstay_operator.handlers import registry_for, settings_for_milliseconds
    from backstay_operator.metrics import Metrics
    from backstay_operator.replica import Replica
    from backstay_operator.world import World

    metrics, scenes = Metrics(CollectorRegistry()), SceneCollector()
    metrics.registry.register(scenes)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with await KubeClient.connect(options.kubeconfig, field_manager="backstay-operator") as client:
        log.info("operator starts", extra={"identity": options.identity, "server": client.server})
        if options.metrics_port:
            MetricsServer(lambda: generate_latest(metrics.registry), endpoint_of(options, client)).start()
        world = World(client)
        replica = Replica(
            world,
            client,
            identity=options.identity,
            metrics=metrics,
            scenes=scenes,
            think=asyncio.to_thread,
        )
        tasks = [
            asyncio.create_task(world.run(), name="world"),
            asyncio.create_task(replica.run(), name="replica"),
            asyncio.create_task(
                kopf.operator(
                    registry=registry_for(world),
                    settings=settings_for_milliseconds(),
                    clusterwide=True,
                    stop_flag=stop,
                ),
                name="kopf",
            ),
        ]
        waiter = asyncio.create_task(stop.wait(), name="stop")
        done, _ = await asyncio.wait([*tasks, waiter], return_when=asyncio.FIRST_COMPLETED)
        # kopf looks at the same flag, and may end as soon as we notice it.
        failed = [] if stop.is_set() else [task for task in done if task is not waiter]
        for task in (*tasks, waiter):
            task.cancel()
        await asyncio.gather(*tasks, waiter, return_exceptions=True)
        for task in failed:
            error = None if task.cancelled() else task.exception()
            log.error("task ended: %s", task.get_name(), exc_info=error)
        log.info("operator ends", extra={"identity": options.identity})
        return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
