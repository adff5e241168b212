"""`make model`: search the model of lease and takeover with spin, whole; then with one rule taken away at a time, where it must fail.

Prints a line per search and one line of JSON; exit 1 if a search found what it must not, or did not find what it must.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

MODEL = Path(__file__).resolve().parent.parent / "operator" / "design" / "model" / "lease.pml"
SEARCH_TIMEOUT_S = 900.0
DEPTH_MAX = 300_000
MEMORY_MB = 4000


@dataclass(frozen=True)
class Search:
    """One run of spin. `broken`: a rule is missing, and a way to two copies must be found."""

    name: str
    defines: tuple[str, ...]
    broken: bool = False


SEARCHES = (
    Search("2 members", ("N=2", "T=9")),
    Search("3 members, the first cut off", ("N=3", "T=8", "RENEWS=false")),
    Search("no mark while a promise stands", ("N=2", "NO_MARK"), broken=True),
    Search("promises taken from whoever renewed lately", ("N=2", "NO_PLAIN_CHECK"), broken=True),
    Search("no challenge", ("N=2", "NO_CHALLENGE"), broken=True),
    Search("lease counted from the answer", ("N=2", "FROM_ANSWER"), broken=True),
    Search("promises without end", ("N=2", "NO_EXPIRY"), broken=True),
    Search("no quorum", ("N=3", "NO_QUORUM"), broken=True),
)


def main() -> int:
    """0 when the model holds and each broken one fails."""
    for tool in ("spin", "gcc"):
        if shutil.which(tool) is None:
            print(
                f"{tool} is not installed (Debian package {tool}); make venv as root installs it",
                file=sys.stderr,
            )
            return 2
    states, wrong = 0, 0
    for search in SEARCHES:
        began = time.monotonic()
        found, explored = run(search)
        good = found is search.broken
        wrong += not good
        states += 0 if search.broken else explored
        verdict = "two copies" if found else "holds"
        took = time.monotonic() - began
        print(f"{search.name}: {verdict}, {explored} states, {took:.1f} s{'' if good else '  <- WRONG'}")
        sys.stdout.flush()
    broken = sum(search.broken for search in SEARCHES)
    print(json.dumps({"states": states, "broken_variants": broken, "wrong": wrong}))
    return 1 if wrong else 0


def run(search: Search) -> tuple[bool, int]:
    """Whether the claim was violated, and how many states were stored. Raises RuntimeError for a search that did not end."""
    with tempfile.TemporaryDirectory() as folder:
        defines = [f"-D{one}" for one in search.defines]
        _call(["spin", *defines, "-a", str(MODEL)], folder)
        options = ["-w", "-O2", "-DSAFETY", "-DCOLLAPSE", f"-DMEMLIM={MEMORY_MB}"]
        _call(["gcc", *options, "-o", "pan", "pan.c"], folder)
        text = _call(["./pan", f"-m{DEPTH_MAX}", "-n"], folder)
    errors, stored = re.search(r"errors: (\d+)", text), re.search(r"(\d+) states, stored", text)
    if errors is None or stored is None or "max search depth too small" in text or "out of memory" in text:
        raise RuntimeError(f"{search.name}: the search was not complete:\n{text}")
    return errors.group(1) != "0", int(stored.group(1))


def _call(command: list[str], folder: str) -> str:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=SEARCH_TIMEOUT_S
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
