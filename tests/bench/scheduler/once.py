"""One scheduling run of ours, alone in its process: `python -m bench.scheduler.once CIB` prints a line of JSON.

`read_s` is CPU time from the file to the state, `schedule_s` from the state to the transition; `mb` is the peak of the
whole process, Python and the state included.
"""

import gc
import json
import os
import resource
import sys
import time
from pathlib import Path

from backstay.cib import parse_cib
from backstay.scheduler import schedule


def main() -> None:
    began = time.process_time()
    state = parse_cib(Path(sys.argv[1]).read_bytes())
    gc.collect()
    gc.freeze()  # what was read stays; the collector need not walk it again
    read = time.process_time()
    transition = schedule(state)
    done = time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        json.dumps(
            {
                "read_s": read - began,
                "schedule_s": done - read,
                "mb": peak,
                "actions": len(transition.graph.actions),
            }
        )
    )
    sys.stdout.flush()
    os._exit(0)  # taking a million objects apart is no part of it


main()
