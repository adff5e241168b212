"""kubectl-ha: runs one command and turns what went wrong into a sentence, a hint and an exit status.

0: done. 1: it failed. 2: the command line is wrong. 130: interrupted.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from backstay_cli.arguments import parse
from backstay_cli.errors import CliError

OFFLINE = (
    "completion.completion",
    "explain_offline.explain_offline",
    "export.export_files",
    "import_cib.import_cib",
    "simulate_cib.simulate_cib",
    "verify.verify_offline",
)
"""Commands that need no cluster: plain functions of the parsed command line."""


def main(argv: Sequence[str] | None = None) -> int:
    """The program. Returns the exit status."""
    arguments = parse(sys.argv[1:] if argv is None else argv)
    try:
        return _run(arguments)
    except CliError as error:
        _complain(str(error), error.hint)
        return error.code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader (head, less) has gone: not our failure, but nothing more can be written either.
        sys.stderr.close()
        return 0


def _run(arguments: argparse.Namespace) -> int:
    module_name, _, function_name = arguments.command.partition(".")
    module = importlib.import_module(f"backstay_cli.commands.{module_name}")
    function: Callable[..., Any] = getattr(module, function_name)
    if arguments.command in OFFLINE:
        return int(function(arguments))
    import asyncio

    return asyncio.run(_with_session(function, arguments))


async def _with_session(function: Callable[..., Awaitable[int]], arguments: argparse.Namespace) -> int:
    from backstay_cli.session import Access, open_session
    from backstay_kube.errors import ApiError

    access = Access(
        kubeconfig=arguments.kubeconfig,
        context=arguments.context,
        cluster=arguments.cluster,
        namespace=arguments.namespace,
    )
    try:
        async with open_session(access, out=sys.stdout, err=sys.stderr) as session:
            return await function(session, arguments)
    except ApiError as error:
        raise CliError(_api_message(error), hint=_api_hint(error)) from error


def _api_message(error: Exception) -> str:
    """What the server said; where it said nothing, why the connection failed, in the connection's own words."""
    from backstay_kube.errors import ApiUnavailable

    cause = error.__cause__
    if isinstance(error, ApiUnavailable) and cause is not None:
        return f"the API server cannot be reached: {cause or type(cause).__name__}"
    return str(error)


def _api_hint(error: Exception) -> str:
    from backstay_kube import errors

    match error:
        case errors.ApiForbidden(code=401):
            return "the API server does not accept these credentials: check --kubeconfig and --context"
        case errors.ApiForbidden() if "takes the verb" in str(error):
            return "ask whoever administers the cluster to bind that ClusterRole to your account"
        case errors.ApiForbidden():
            return (
                "your account may not do this: ask for the ClusterRole backstay-operator for the daily work, "
                "backstay-admin to configure, or backstay-viewer to look"
            )
        case errors.ApiUnavailable():
            return "check the server's address in the kubeconfig, and the network"
        case errors.ApiNotFound():
            return "it is not there (any more): look with kubectl ha status"
        case errors.ApiConflict():
            return "somebody changed it at the same time: try again"
        case errors.ApiInvalid():
            return ""
        case errors.ApiError(code=0):
            return "name a kubeconfig with --kubeconfig or $KUBECONFIG"
        case _:
            return ""


def _complain(message: str, hint: str) -> None:
    print(f"Error: {message}", file=sys.stderr)
    if hint:
        print(f"  {hint}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
