"""The table of operator/design/0011-quorum.md is what the real core does."""

from __future__ import annotations

from harness.quorum_table import PAGE, markdown, table_of


def test_page_on_quorum_says_what_the_core_does_and_no_row_has_two_copies() -> None:
    assert table_of(PAGE.read_text()) == markdown(), (
        "make it anew with: PYTHONPATH=tests .venv/bin/python -m harness.quorum_table"
    )
