"""How a program's command line says where /metrics is, and for whom. Light: it is read before anything else is imported."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backstay_kube.client import KubeClient
    from backstay_kube.metrics_server import Endpoint


def add_metrics_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--metrics-port", type=int, default=0, help="serve /metrics and /healthz there; 0: do not"
    )
    parser.add_argument("--metrics-address", default="0.0.0.0")
    parser.add_argument("--metrics-certificate", type=Path, help="PEM file: serve HTTPS")
    parser.add_argument("--metrics-key", type=Path, help="PEM file of the certificate's key")
    parser.add_argument(
        "--metrics-for",
        choices=("everybody", "reviewed"),
        default="everybody",
        help="reviewed: bearer tokens whose owner may `get` /metrics (TokenReview, SubjectAccessReview); needs HTTPS",
    )


def complaint_of(options: argparse.Namespace) -> str:
    """What does not fit together; empty if all does."""
    if bool(options.metrics_certificate) is not bool(options.metrics_key):
        return "--metrics-certificate and --metrics-key go together"
    if options.metrics_for == "reviewed" and not options.metrics_certificate:
        return "--metrics-for=reviewed needs --metrics-certificate: a token must not travel in the clear"
    return ""


def endpoint_of(options: argparse.Namespace, client: KubeClient) -> Endpoint:
    """For MetricsServer; in the program's loop."""
    from backstay_kube.metrics_server import Endpoint
    from backstay_kube.token_review import TokenReviewer

    pair = (options.metrics_certificate, options.metrics_key) if options.metrics_certificate else None
    return Endpoint(
        port=options.metrics_port,
        address=options.metrics_address,
        certificate=pair,
        admit=TokenReviewer(client).admit if options.metrics_for == "reviewed" else None,
    )
