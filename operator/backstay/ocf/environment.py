"""The environment in which an agent runs.

From the OCF Resource Agent API 1.1 ("Parameters and environment") and what the agents of the resource-agents project expect beside it.
Built from nothing: the environment of the agent program itself must not leak into a resource's daemons, which live for months.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from backstay.ocf.agentspec import AgentSpec, Standard

OCF_ROOT = "/usr/lib/ocf"
EXIT_REASON_PREFIX = "ocf-exit-reason:"
SANE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationContext:
    """One operation, as far as its environment depends on it. `meta` becomes OCF_RESKEY_CRM_meta_*."""

    spec: AgentSpec
    instance: str
    operation: str
    node: str
    interval_ms: int = 0
    timeout_ms: int = 20_000
    params: Mapping[str, str] = field(default_factory=dict)
    meta: Mapping[str, str] = field(default_factory=dict)


def environment_of(
    context: OperationContext, *, ocf_root: str = OCF_ROOT, path: str = SANE_PATH
) -> dict[str, str]:
    """The whole environment, sorted by name. Raises ValueError for a parameter whose name or value can't be exported."""
    base = {"PATH": path, "LC_ALL": "C", "HOME": "/root", "PWD": "/", "SHELL": "/bin/sh"}
    match context.spec.standard:
        case Standard.OCF:
            return dict(sorted((base | _ocf(context, ocf_root)).items()))
        case _:
            return dict(sorted(base.items()))


def _ocf(context: OperationContext, ocf_root: str) -> dict[str, str]:
    spec = context.spec
    fixed = {
        "OCF_ROOT": ocf_root,
        "OCF_RA_VERSION_MAJOR": "1",
        "OCF_RA_VERSION_MINOR": "1",
        "OCF_RESOURCE_INSTANCE": context.instance,
        "OCF_RESOURCE_TYPE": spec.type,
        "OCF_RESOURCE_PROVIDER": spec.provider,
        "OCF_EXIT_REASON_PREFIX": EXIT_REASON_PREFIX,
        "HA_debug": "0",
        "HA_RSCTMP": "/run/resource-agents",
        "HA_VARRUN": "/var/run",
    }
    variables = {f"OCF_RESKEY_{name}": value for name, value in params_with_meta(context).items()}
    check_level = context.params.get("OCF_CHECK_LEVEL")
    if check_level is not None:
        # An attribute of the operation, which agents read without the prefix of parameters.
        fixed["OCF_CHECK_LEVEL"] = check_level
    for name, value in params_with_meta(context).items():
        if not _NAME.fullmatch(name) or "\0" in value:
            raise ValueError(f"parameter {name!r} can't be handed to an agent")
    return variables | fixed


def params_with_meta(context: OperationContext) -> dict[str, str]:
    """Parameters, and meta attributes under their CRM_meta_ names.

    A meta attribute is written as in `OCF_RESKEY_CRM_meta_on_node`: hyphens become underscores. Timings are milliseconds."""
    meta = {
        "timeout": str(context.timeout_ms),
        "interval": str(context.interval_ms),
        "name": context.operation,
        "on_node": context.node,
        "on_node_uuid": context.node,
    }
    meta |= {name.removeprefix("CRM_meta_").replace("-", "_"): value for name, value in context.meta.items()}
    return dict(context.params) | {f"CRM_meta_{name}": value for name, value in meta.items()}
