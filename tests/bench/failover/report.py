"""From samples to the table for people and the line for machines."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable
from pathlib import Path

from bench.failover.measure import Series, Trial

MARK = "<!-- {}: {} -->"
BEGIN, END = MARK.format("measured", "begin"), MARK.format("measured", "end")
HEADINGS = {
    Trial.POWER_CUT: "Outage of one address after a power cut of its host",
    Trial.DC_POWER_CUT: "The same, when the lost host is also the DC's",
    Trial.PLANNED: "Outage of one address in a planned move (standby; keepalived: clean stop)",
    Trial.GROUP: "Until the tutorial's group serves its page again, after a power cut of its host",
}
JSON_KEYS = {
    Trial.POWER_CUT: ("outage_s", ""),
    Trial.DC_POWER_CUT: ("outage_s", "-dc"),
    Trial.PLANNED: ("planned_s", ""),
    Trial.GROUP: ("group_http_s", ""),
}


def summary(series: Series) -> dict[str, float]:
    """Minimum, median and maximum in seconds, to the millisecond."""
    seconds = [sample.seconds for sample in series.samples]
    return {
        "min": round(min(seconds), 3),
        "median": round(statistics.median(seconds), 3),
        "max": round(max(seconds), 3),
    }


def json_line(all_series: Iterable[Series]) -> str:
    """One line; a trial without any sample is left out."""
    found: dict[str, dict[str, dict[str, float]]] = {"outage_s": {}, "planned_s": {}, "group_http_s": {}}
    for series in all_series:
        if series.samples:
            section, suffix = JSON_KEYS[series.trial]
            found[section][f"{series.contender}{suffix}"] = summary(series)
    return json.dumps(found)


def markdown(all_series: Iterable[Series]) -> str:
    """One table per trial."""
    all_series = list(all_series)
    parts = []
    for trial, heading in HEADINGS.items():
        mine = [series for series in all_series if series.trial is trial]
        if not mine:
            continue
        lines = [f"### {heading}", "", "| | runs | min | median | max |", "|---|---|---|---|---|"]
        lines += [_row(series) for series in mine]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def overview(all_series: Iterable[Series]) -> str:
    """One table of medians for the README: a row per trial, a column per contender; what was not tried, or not measured, is a dash."""
    measured = {(one.trial, one.contender): one for one in all_series if one.samples}
    contenders = list(dict.fromkeys(contender for _, contender in measured))
    lines = [
        f"| median of {_runs(measured.values())} | {' | '.join(contenders)} |",
        "|---" * (len(contenders) + 1) + "|",
    ]
    for trial, heading in HEADINGS.items():
        cells = [
            f"{summary(measured[trial, one])['median']:.2f} s" if (trial, one) in measured else "-"
            for one in contenders
        ]
        lines.append(f"| {heading} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _runs(all_series: Iterable[Series]) -> str:
    counts = [len(one.samples) for one in all_series]
    fewest, most = min(counts, default=0), max(counts, default=0)
    return f"{most} runs" if fewest == most else f"{fewest} to {most} runs"


def write_generated(page: Path, tables: str, *, name: str = "measured") -> None:
    """Replace what stands between the marks of that name in a page; the rest of it is written by hand."""
    begin_mark, end_mark = MARK.format(name, "begin"), MARK.format(name, "end")
    text = page.read_text()
    head, begin, rest = text.partition(begin_mark)
    _, end, tail = rest.partition(end_mark)
    if not begin or not end:
        raise ValueError(f"{page} lacks the marks {begin_mark} and {end_mark}")
    page.write_text(f"{head}{begin}\n\n{tables}\n{end}{tail}")


def _row(series: Series) -> str:
    if not series.samples:
        return f"| {series.contender} | 0 | not measured: {series.problem} | | |"
    figures = summary(series)
    cells = " | ".join(f"{figures[name]:.3f} s" for name in ("min", "median", "max"))
    return f"| {series.contender} | {len(series.samples)} | {cells} |"
