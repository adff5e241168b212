"""`python -m simulation.guarded`: the simulation with a program that breaks on odd objects, and with its last guard in place.

Each odd object must be found, kept out and told, and everything else must recover: exit status 1 where a checker finds more.
Ends with {"seeds":, "nonsense":, "good":}.
"""

from __future__ import annotations

import json
import os
import sys

from simulation.mutants import PLAIN, odd_object_raises
from simulation.pool import run_all

SEEDS = 3


def main() -> int:
    """Run the seeds; tell what was found."""
    results = list(
        run_all(
            range(SEEDS),
            processes=2,
            before=odd_object_raises,
            faults=("nonsense", "crash"),
            overrides=PLAIN,
        )
    )
    for result in results:
        if not result.good:
            print(f"seed {result.seed}: {result.crash or result.report.get('violations')}")
    tried = sum(result.report.get("faults", {}).get("nonsense", 0) for result in results)
    good = sum(result.good for result in results)
    print(json.dumps({"seeds": len(results), "nonsense": tried, "good": good}))
    return 0 if good == len(results) else 1


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)
