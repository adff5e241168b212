"""``python -m backstay_sandbox.uml``: looks after the bed of own-kernel hosts.

``--prepare`` obtains kernel and guest tree if they are not cached yet; ``--forget`` removes every cached bed;
without either it says what is there.  Exit status: 0 done (or: there is a bed), 1 not, with the reason on standard
error.
"""

from __future__ import annotations

import argparse
import sys

from backstay_sandbox.uml import bed, checkout


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m backstay_sandbox.uml", description=__doc__)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--prepare", action="store_true", help="obtain kernel and guest tree (root, Debian)")
    what.add_argument("--forget", action="store_true", help="remove every cached bed; no host may be running")
    args = parser.parse_args()
    try:
        if args.forget:
            print("\n".join(f"removed {name}" for name in bed.forget()) or "there was none")
            return
        if args.prepare:
            unseen = checkout.why_unseen()
            if unseen:
                raise bed.BedError(unseen)
            bed.prepare(lambda step: print(f"- {step}", flush=True))
        found = bed.existing_bed()
        print(f"own-kernel hosts: kernel {found.kernel.version}, in {found.directory}")
    except bed.BedError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted; nothing is left of the unfinished bed", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
