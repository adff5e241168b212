"""Debian's crm_simulate as a second opinion, and the comparison of its answer with ours.

It is older than the scheduler suite whose semantics we follow: where the two differ the suite is right. What is known
to differ for that reason is listed in `VERSION_DIFFERENCES`.
"""

import re
import shutil
import subprocess
import tempfile
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from backstay.cib import parse_cib
from backstay.simulate import simulate

NOW = 1_700_100_000.0
_TIMEOUT_S = 30.0
_SECTIONS = {
    "Current cluster status:": "current",
    "Transition Summary:": "summary",
    "Executing Cluster Transition:": "executed",
    "Revised Cluster Status:": "revised",
}


@dataclass(frozen=True, slots=True)
class VersionDifference:
    """What the older program says, what today's says, and why it does not matter."""

    pattern: str
    today: str
    reason: str


VERSION_DIFFERENCES = (
    VersionDifference(r"\bnot installed\b", "Not installed", "the words of an exit code"),
    VersionDifference(r"\bmaintenance\b(?=[,)])", "unmanaged", "maintenance has got a word of its own"),
)


_RENAMED_OPTIONS = {
    "fencing-enabled": "stonith-enabled",
    "fencing-action": "stonith-action",
    "fencing-timeout": "stonith-timeout",
    "fencing-watchdog-timeout": "stonith-watchdog-timeout",
}


def for_older_version(cib: str) -> str:
    """The CIB with options under the names that the older version knows."""
    for new, old in _RENAMED_OPTIONS.items():
        cib = cib.replace(f'"{new}"', f'"{old}"')
    return cib


@dataclass(frozen=True, slots=True)
class Answer:
    """Lines by section, whitespace squeezed."""

    current: tuple[str, ...]
    summary: tuple[str, ...]
    executed: tuple[str, ...]
    revised: tuple[str, ...]
    edges: frozenset[tuple[str, str]] = frozenset()  # of executed lines: the first comes before the second


@dataclass(frozen=True, slots=True)
class Difference:
    """In one respect the two answers differ."""

    respect: str
    theirs: tuple[str, ...]
    ours: tuple[str, ...]

    def __str__(self) -> str:
        only_theirs = Counter(self.theirs) - Counter(self.ours)
        only_ours = Counter(self.ours) - Counter(self.theirs)
        lines = [f"  - {line}" for line in only_theirs.elements()] + [
            f"  + {line}" for line in only_ours.elements()
        ]
        return "\n".join([f"{self.respect} (- crm_simulate, + Backstay):", *lines])


def crm_simulate() -> str | None:
    """Where the program is; None if it is not here."""
    return shutil.which("crm_simulate")


def difference(cib: str) -> Difference | None:
    """The first respect in which the two answers differ; None if they agree, if crm_simulate refuses the CIB, or if it
    shuffles instances as only the older version does."""
    theirs = their_answer(cib)
    if theirs is None or _shuffles(theirs):
        return None
    ours = our_answer(cib)
    for respect, left, right in (
        ("current status", theirs.current, ours.current),
        ("summary", theirs.summary, ours.summary),
        ("actions", theirs.executed, ours.executed),
        ("revised status", theirs.revised, ours.revised),
    ):
        if Counter(left) != Counter(right):
            return Difference(respect, left, right)
    position = {line: number for number, line in enumerate(ours.executed)}
    broken = tuple(f"{a} -> {b}" for a, b in sorted(theirs.edges) if position[a] > position[b])
    return Difference("order", broken, ()) if broken else None


def _shuffles(answer: Answer) -> bool:
    """Whether an instance of a clone leaves a node on which another instance of the same is started: to change numbers,
    which today's version does not do."""
    left, taken = set(), set()
    for line in answer.summary:
        moved = re.match(r"(?:Move|Recover|Migrate) (\S+):\d+ \((?:\w+ )?(\S+) -> (?:\w+ )?(?!\2)", line)
        started = re.match(
            r"(?:Start|Promote|Move|Recover|Migrate) (\S+):\d+ \(.*?(\S+)(?: Promoted)? \)", line
        )
        if moved:
            left.add((moved[1], moved[2]))
        if started:
            taken.add((started[1], started[2]))
    return bool(left & taken)


def our_answer(cib: str) -> Answer:
    text = simulate(parse_cib(cib.encode(), now=NOW), original_date=False).text()
    return Answer(**_sections(text))


def their_answer(cib: str) -> Answer | None:
    """None for a CIB that it does not take."""
    with tempfile.TemporaryDirectory() as folder:
        path, graph = Path(folder, "cib.xml"), Path(folder, "graph.xml")
        path.write_text(cib)
        run = subprocess.run(
            ["crm_simulate", "-x", path, "-S", "-G", graph],
            capture_output=True, text=True, timeout=_TIMEOUT_S, check=False,
        )  # fmt: skip
        if run.returncode or "error" in run.stderr:
            return None
        sections = _sections(run.stdout)
        edges = _edges(ET.parse(graph).getroot(), sections["executed"])
    return Answer(**sections, edges=edges)


def _sections(text: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {name: [] for name in _SECTIONS.values()}
    here: list[str] = []
    for line in text.splitlines():
        if line in _SECTIONS:
            here = found[_SECTIONS[line]]
        elif line.strip():
            here.append(_today(line))
    found["summary"] = [_without_reasons(line) for line in found["summary"]]
    return {name: tuple(lines) for name, lines in found.items()}


def _without_reasons(line: str) -> str:
    """What is to happen; of several reasons the two programs may tell different ones."""
    line = re.sub(r" due to .*?(\(blocked\))?$", r" \1", line).strip()
    line = re.sub(r"^(Fence .*?) '.*'$", r"\1", line)
    return re.sub(r" blocked$", " (blocked)", line)


def _today(line: str) -> str:
    depth = len(line) - len(line.lstrip())
    line = " ".join(line.split()).replace("( ", "(").removeprefix("* ")
    for one in VERSION_DIFFERENCES:
        line = re.sub(one.pattern, one.today, line)
    line = re.sub(r"\(([^()]*, [^()]*)\)", _sorted_flags, line)
    return f"{'  ' * (depth // 2)}{line}"


def _sorted_flags(found: re.Match[str]) -> str:
    return f"({', '.join(sorted(found[1].split(', ')))})"


def _edges(graph: ET.Element, executed: Iterable[str]) -> frozenset[tuple[str, str]]:
    """Orders of the graph in terms of executed lines, those left out that occur more than once."""
    once = {line for line, count in Counter(executed).items() if count == 1}
    said: dict[str, str] = {}
    for action in graph.iterfind("synapse/action_set/*"):
        said[action.get("id") or ""] = _said(action)
    found = set()
    for synapse in graph.iterfind("synapse"):
        for action in synapse.iterfind("action_set/*"):
            for trigger in synapse.iterfind("inputs/trigger/*"):
                edge = (said[trigger.get("id") or ""], said[action.get("id") or ""])
                if once.issuperset(edge):
                    found.add(edge)
    return frozenset(found)


def _said(action: ET.Element) -> str:
    """As the executed list says it."""
    node, operation = action.get("on_node"), action.get("operation")
    attributes = action.find("attributes")
    meta = {} if attributes is None else attributes.attrib
    if action.tag == "pseudo_event":
        return f"  Pseudo action: {action.get('operation_key')}"
    if operation == "stonith":
        return f"  Fencing {node} ({meta.get('CRM_meta_stonith_action')})"
    primitive = action.find("primitive")
    name = "" if primitive is None else primitive.get("id")
    if action.tag == "crm_event":
        return f"  Cluster action: {operation} for {name} on {node}"
    interval = meta.get("CRM_meta_interval", "0")
    return f"  Resource action: {name} {operation}{'' if interval == '0' else '=' + interval} on {node}"
