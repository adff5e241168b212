"""The model of lease and takeover: searched as far as a test has time for; `make model` searches the rest."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "check_model.py"
pytestmark = pytest.mark.skipif(
    shutil.which("spin") is None or shutil.which("gcc") is None,
    reason="spin or gcc is not installed (make venv as root installs them)",
)


def tool() -> ModuleType:
    import sys

    spec = importlib.util.spec_from_file_location("check_model", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["check_model"] = module
    spec.loader.exec_module(module)
    return module


def test_two_members_never_run_it_twice() -> None:
    found, states = tool().run(tool().Search("short", ("N=2", "T=8")))
    assert not found
    assert states > 10_000


@pytest.mark.parametrize("rule", ["NO_MARK", "NO_PLAIN_CHECK", "FROM_ANSWER"])
def test_model_fails_without(rule: str) -> None:
    found, _ = tool().run(tool().Search(rule, ("N=2", rule), broken=True))
    assert found
