"""The command line itself."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys

import pytest

from backstay_cli.__main__ import OFFLINE
from backstay_cli.arguments import build_parser, parse
from backstay_cli.commands.completion import word_table


def test_global_options_stand_before_or_after_the_command() -> None:
    before = parse(["--cluster", "x", "--kubeconfig", "k", "status"])
    after = parse(["status", "--cluster", "x", "--kubeconfig", "k"])
    assert (before.cluster, before.kubeconfig) == (after.cluster, after.kubeconfig) == ("x", "k")
    between = parse(["resource", "-n", "web", "show", "VIP"])
    assert (between.namespace, between.ids) == ("web", ["VIP"])


def test_a_bare_wait_does_not_swallow_the_next_word() -> None:
    arguments = parse(["resource", "create", "VIP", "--wait", "IPaddr2", "ip=1"])
    assert (arguments.wait, arguments.agent, arguments.words) == (60.0, "IPaddr2", ["ip=1"])
    assert parse(["node", "standby", "n1", "--wait=5s"]).wait == 5.0
    assert parse(["node", "standby", "n1", "--no-wait"]).wait is None
    assert parse(["node", "standby", "n1"]).wait == 60


@pytest.mark.parametrize(
    "argv",
    [[], ["resource"], ["node", "standby"], ["status", "--nonsense"], ["resource", "create", "A", "B", "--x"],
     ["node", "standby", "n1", "--wait=long"], ["status", "extra"], ["history", "x"]],
)  # fmt: skip
def test_a_wrong_command_line_exits_with_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(argv)
    assert caught.value.code == 2
    assert "usage: kubectl ha" in capsys.readouterr().err


def test_n_of_history_counts_transitions() -> None:
    arguments = parse(["-n", "web", "history", "-n", "3"])
    assert (arguments.namespace, arguments.last) == ("web", 3)


def commands() -> list[str]:
    """Every target that some command names."""
    found = []

    def visit(parser) -> None:  # type: ignore[no-untyped-def]
        target = parser.get_default("command")
        if target:
            found.append(target)
        for action in parser._actions:
            for child in (action.choices or {}).values() if hasattr(action, "_parser_class") else ():
                visit(child)

    visit(build_parser())
    return sorted(found)


@pytest.mark.parametrize("target", commands())
def test_every_command_has_its_function(target: str) -> None:
    module, _, function = target.partition(".")
    found = getattr(importlib.import_module(f"backstay_cli.commands.{module}"), function)
    assert inspect.iscoroutinefunction(found) or target in OFFLINE


def test_help_does_not_wait_for_the_kubernetes_client_nor_the_models() -> None:
    script = (
        "import sys; from backstay_cli.__main__ import main\n"
        "try:\n main(['resource', 'create', '--help'])\nexcept SystemExit: pass\n"
        "print([m for m in ('kubernetes', 'pydantic', 'aiohttp', 'asyncio') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.endswith("[]\n")
    assert "ClusterIP ocf:heartbeat:IPaddr2" in done.stdout


def test_completion_knows_every_command() -> None:
    table = dict(word_table(build_parser()))
    assert {"status", "resource", "node", "history", "simulate"} <= set(table[""])
    assert {"create", "move", "ban", "clear", "--kubeconfig"} <= set(table["resource"])
    assert "--group" in table["resource create"]
