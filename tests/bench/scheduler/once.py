"""One scheduling run of ours, alone in its process: `python -m bench.scheduler.once CIB` prints a line of JSON.

`read_s` is CPU time from the file to the state, `schedule_s` from the state to the transition. As in every program of one run, the
collector of cycles has nothing to do: what is read stays until the end.
"""

import gc
import json
import os
import sys
import time
from pathlib import Path

from backstay.cib import parse_cib
from backstay.scheduler import schedule


def main() -> None:
    gc.disable()
    began = time.process_time()
    with Path(sys.argv[1]).open("rb") as file:
        state = parse_cib(iter(lambda: file.read(1 << 20), b""))
    read = time.process_time()
    transition = schedule(state)
    done = time.process_time()
    print(
        json.dumps(
            {
                "read_s": read - began,
                "schedule_s": done - read,
                "actions": len(transition.graph.actions),
            }
        )
    )
    sys.stdout.flush()
    os._exit(0)  # taking a million objects apart is no part of it


main()
