"""Probes that found nothing are left out of the tree, and nothing else is: read either way a CIB says the same."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backstay.cib import CibError, parse_cib
from backstay.cib.absences import UnreadProbe
from backstay.state.codec import dump_state, load_state

USUAL = (
    '<lrm_resource id="{id}" class="ocf" provider="pacemaker" type="Dummy">'
    '<lrm_rsc_op id="{id}_last_0" operation_key="{id}_monitor_0" operation="monitor" crm-debug-origin="x" '
    'crm_feature_set="3.19.0" transition-key="4:1:7:0a-b" transition-magic="0:7;4:1:7:0a-b" exit-reason="" on_node="n1" '
    'call-id="{call}" rc-code="7" op-status="0" interval="0" last-rc-change="1700000000" exec-time="12" '
    'queue-time="0" op-digest="f2317cad3d54cec5d7d7aa7d0bf35cf8"/></lrm_resource>\n'
)
# What may stand in place of a part, so that it is another entry, one written in another way, or no XML at all.
TWISTS = [
    ("", ""),
    ('rc-code="7"', 'rc-code="0"'),
    ('rc-code="7"', 'rc-code="x"'),
    ('rc-code="7"', "rc-code='7'"),
    ('op-status="0"', 'op-status="4"'),
    ('interval="0"', 'interval="10000"'),
    ('_monitor_0"', '_start_0"'),
    ('exit-reason=""', 'exit-reason="a&lt;b"'),
    ('exit-reason=""', 'exit-reason="über"'),
    ('class="ocf"', 'class="ocf" class="lsb"'),
    ('class="ocf"', 'class="ocf" shutdown-lock="5"'),
    ('class="ocf" ', ""),
    ('provider="pacemaker"', 'provider=""'),
    ('call-id="', 'call-id="9'),
    ('queue-time="0"', 'queue-time="0" op-restart-digest="1" op-secure-params=" a b "'),
    ("</lrm_resource>", "<!-- a > b --></lrm_resource>"),
    ("</lrm_resource>", ""),
    ("</lrm_resource>", "</lrm_resource>?"),
    ("<lrm_resource ", "<![CDATA[<lrm_resource "),
    ("<lrm_resource ", "<?a b?><lrm_resource "),
    ("\n", "\r\n\n"),
]


def document(entries: list[str], *, aside: str = "") -> str:
    """A CIB with these entries. With a comment `aside` nothing is left out of its tree."""
    return (
        f'<?xml version="1.0" encoding="utf-8"?>\n<cib execution-date="1700000001">{aside}\n<configuration><nodes>'
        '<node id="1" uname="n1"/><node id="2" uname="n2"/></nodes><resources>'
        '<primitive id="a" class="ocf" provider="pacemaker" type="Dummy"/></resources></configuration><status>\n'
        '<node_state id="1" uname="n1" in_ccm="true" crmd="online" join="member"><lrm id="1"><lrm_resources>\n'
        f"{''.join(entries)}</lrm_resources></lrm></node_state></status></cib>"
    )


def read(text: str, piece: int = 0) -> str:
    """What is read, or the error."""
    data = text.encode()
    pieces = (data[at : at + piece] for at in range(0, len(data), piece)) if piece else data
    try:
        return dump_state(parse_cib(pieces))
    except CibError as error:
        return f"refused: {error}"


def test_usual_entries_are_left_unread_until_somebody_looks() -> None:
    state = parse_cib(document([USUAL.format(id=name, call=5) for name in ("a", "b")]))
    first, second = state.histories
    assert [type(one.operations) for one in (first, second)] == [UnreadProbe, UnreadProbe]
    assert (first.node, first.resource, str(first.agent)) == ("n1", "a", "ocf:pacemaker:Dummy")
    (record,) = first.operations
    assert (record.operation, record.rc, record.target_rc, record.call_id) == ("monitor", 7, 7, 5)
    assert (record.last_rc_change, record.exec_ms, record.key) == (1700000000.0, 12, "a_monitor_0")


def test_what_is_unread_equals_what_was_read() -> None:
    entries = [USUAL.format(id="a", call=5)]
    unread, as_ever = parse_cib(document(entries)), parse_cib(document(entries, aside="<!-- -->"))
    assert isinstance(as_ever.histories[0].operations, tuple)
    assert unread == as_ever
    assert hash(unread.histories[0].operations) == hash(as_ever.histories[0].operations)
    assert load_state(dump_state(unread)) == as_ever


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 99), st.sampled_from(TWISTS)), max_size=6),
    st.integers(1, 400),
)
def test_leaving_entries_out_changes_nothing_that_is_read(
    twisted: list[tuple[str, int, tuple[str, str]]], piece: int
) -> None:
    entries = [USUAL.format(id=name, call=call).replace(*twist, 1) for name, call, twist in twisted]
    as_ever = read(document(entries, aside="<!-- -->"))
    assert read(document(entries)) == as_ever
    assert read(document(entries), piece) == as_ever


@pytest.mark.parametrize(
    "text", ["", "<cib", USUAL.format(id="a", call=1), USUAL.format(id="a", call=1) + "<cib/>"]
)
def test_what_is_no_cib_is_refused(text: str) -> None:
    with pytest.raises(CibError):
        parse_cib(text, now=0.0)


def test_the_error_names_the_line_although_entries_were_left_out() -> None:
    text = document([USUAL.format(id="a", call=5)] * 3 + ["<oops>\n"])
    assert "line 9" in read(text)
    assert read(text) == read(text.replace(">\n<configuration", "><!-- -->\n<configuration"))
