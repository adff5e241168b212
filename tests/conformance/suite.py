"""Run the scheduler's regression suite in this process and count what agrees.

The suite is data of another project and licence: it is read in place, found by PACEMAKER_CTS or next to the
checkout, and its judge is imported from there. Nothing of it is kept here.
"""

import importlib.util
import json
import os
import time
import types
from pathlib import Path
from typing import Any

from backstay.cib import parse_cib
from backstay.cib.values import date
from backstay.simulate import simulate

_SHARED = Path(__file__).resolve().parents[3] / "shared"


def suite_folder() -> Path | None:
    """Where the suite is; None if it is not here."""
    return _folder("PACEMAKER_CTS", "cts")


def edited_folder() -> Path | None:
    """Where the edited cases are, found by PACEMAKER_CTS_MUTATED or beside the suite; None if they
    are not here. Their judge is the suite's."""
    return None if suite_folder() is None else _folder("PACEMAKER_CTS_MUTATED", "cts-mutated")


def _folder(variable: str, name: str) -> Path | None:
    folder = Path(os.environ.get(variable) or _SHARED / name)
    return folder if (folder / "tests.json").is_file() else None


def load_judge(folder: Path) -> types.ModuleType:
    """The suite's own judge, with our simulation in place of a command."""
    spec = importlib.util.spec_from_file_location("cts_score", folder / "score.py")
    assert spec is not None
    assert spec.loader is not None
    judge = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(judge)
    judge.run = _run
    return judge


def _run(_cmd: str, _timeout: float, **case: Any) -> tuple[int, str, float]:
    began = time.monotonic()
    arguments: list[str] = case["args"]
    given = date(arguments[arguments.index("-t") + 1]) if "-t" in arguments else None
    xml = Path(case["xml"]).read_bytes()
    state = parse_cib(xml, now=time.time(), override_now=given)
    original = b"execution-date" in xml.partition(b">")[0] and given is None
    text = simulate(state, original_date=original).text()
    return 0, text, time.monotonic() - began


def judged(folder: Path, tier: int) -> list[dict[str, Any]]:
    """One row per case of the tier: which columns agree. A case that raises is a bug and fails the caller."""
    tiers = json.loads((folder / "tiers.json").read_text())
    return judged_cases(folder, [case for case in cases_of(folder) if tiers.get(case["name"]) == tier])


def cases_of(folder: Path) -> list[dict[str, Any]]:
    """Every case, in the suite's order."""
    found: list[dict[str, Any]] = json.loads((folder / "tests.json").read_text())
    return found


def judged_cases(folder: Path, cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same for some cases of a folder."""
    home = suite_folder()
    assert home is not None
    judge = load_judge(home)
    options = types.SimpleNamespace(
        suite=str(folder), xml=None, oracle=False, cmd="-", timeout=60, verbose=True, graph_cmd=None,
        merge_stderr=False,
    )  # fmt: skip
    return [judge.score(case, options) for case in cases]
