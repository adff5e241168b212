"""`python -m backstay.simulate -x FILE [-t DATE]`: what would Pacemaker's rules make of this CIB?

The one place in the core that reads a file and, for a CIB without an execution date, the clock.
"""

import argparse
import datetime
import sys

from backstay.cib import CibError, parse_cib
from backstay.cib.values import date
from backstay.simulate.what_if import simulate


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="backstay.simulate", description="Schedule a CIB and show the outcome."
    )
    parser.add_argument("-x", "--xml-file", required=True, help="the CIB")
    parser.add_argument("-t", "--set-date", help="pretend it is this time (ISO 8601)")
    parser.add_argument("-S", "--simulate", action="store_true", help="accepted for crm_simulate's sake")
    parser.add_argument("-s", "--show-scores", action="store_true", help="add the scores of every placement")
    options = parser.parse_args()
    try:
        with open(options.xml_file, "rb") as file:
            xml = file.read()
        given = None if options.set_date is None else date(options.set_date)
        now = datetime.datetime.now(datetime.UTC).timestamp()
        state = parse_cib(xml, now=now, override_now=given)
        original = b"execution-date" in xml.partition(b">")[0] and given is None
        text = simulate(state, show_scores=options.show_scores, original_date=original).text()
    except (OSError, CibError) as error:
        sys.stderr.write(f"{error}\n")
        return 65
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
