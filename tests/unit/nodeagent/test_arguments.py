"""The agent's command line."""

from __future__ import annotations

from importlib.metadata import version

import pytest

from backstay_nodeagent.__main__ import arguments


def test_version_is_told_without_a_node(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NODE_NAME", raising=False)
    with pytest.raises(SystemExit) as ended:
        arguments(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"backstay-nodeagent {version('backstay')}\n"


def test_agent_without_a_node_says_what_is_missing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NODE_NAME", raising=False)
    with pytest.raises(SystemExit):
        arguments([])
    assert "--node is missing" in capsys.readouterr().err
