"""`make simulate`: many seeds, a process each, and one line of JSON at the end.

python -m simulation --seeds 1000       seeds 0 to 999, over two processes
python -m simulation --seed 123 --talk  one seed, with its whole story
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter

from simulation.pool import Result, run_all


def main() -> int:
    """Exit status 1 if a checker found something."""
    parser = argparse.ArgumentParser(prog="simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, default=None, help="only this one, with its story")
    parser.add_argument("--talk", action="store_true", help="tell of every operation and write")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--faults", action="store_true", help="say how often each fault was tried")
    parser.add_argument(
        "--try", action="append", default=[], dest="kinds", help="only this kind of fault (may be repeated)"
    )
    parser.add_argument(
        "--no-probes", action="store_true", help="enableStartupProbes: false, whatever a seed draws"
    )
    options = parser.parse_args()
    began = time.monotonic()
    single = options.seed is not None
    seeds = [options.seed] if single else list(range(options.first, options.first + options.seeds))
    overrides = {"probes": False} if options.no_probes else {}
    results: list[Result] = []
    for result in run_all(
        seeds, processes=options.processes, talk=options.talk, faults=options.kinds, overrides=overrides
    ):
        results.append(result)
        if single or not result.good:
            tell(result, whole=single)
    summary = {
        "seeds": len(results),
        "violations": sum(max(len(one.report.get("violations", [])), not one.good) for one in results),
        "simulated_hours": round(sum(one.report.get("simulated_s", 0.0) for one in results) / 3600, 2),
        "wall_s": round(time.monotonic() - began, 1),
    }
    if options.faults:
        tell_faults(results)
    print(json.dumps(summary))
    return 1 if summary["violations"] else 0


def tell(result: Result, *, whole: bool) -> None:
    """The end of the story, and how to see all of it."""
    story = result.report.get("story", [])
    for line in story if whole else story[-60:]:
        print(line)
    if result.crash:
        print(result.crash)
    for one in result.report.get("violations", []):
        print(f"seed {result.seed}: {one['rule']}: {one['what']} (at {one['at']:.3f})")
    print(
        f"seed {result.seed}: trace {result.report.get('trace', '-')}; again with: make simulate SEED={result.seed}"
    )
    sys.stdout.flush()


def tell_faults(results: list[Result]) -> None:
    faults: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for one in results:
        faults.update(one.report.get("faults", {}))
        counts.update(one.report.get("counts", {}))
    times = sorted(one.report["recovered_s"] for one in results if one.report.get("recovered_s"))
    print(json.dumps({"faults": dict(sorted(faults.items())), "operations": dict(sorted(counts.items()))}))
    print(json.dumps({"excused": sum(one.report.get("excused", 0) for one in results)}))
    if times:
        print(json.dumps({"recovery_s": {"median": times[len(times) // 2], "worst": times[-1]}}))


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)
