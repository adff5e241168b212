"""docs/metrics.md names every metric there is, and no other."""

from __future__ import annotations

import re

from unit.chart.exposed import ROOT, families


def test_page_lists_exactly_what_is_exposed() -> None:
    page = (ROOT / "docs/metrics.md").read_text()
    listed = re.findall(r"^\| `([a-z_]+)` \|", page, flags=re.MULTILINE)
    assert sorted(listed) == sorted(set(listed))
    assert sorted(listed) == sorted(families())
