"""Statuses are written where they differ, and only what differs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from backstay_operator.publish import difference

VALUES = st.recursive(
    st.one_of(st.integers(), st.text(max_size=3), st.booleans(), st.lists(st.integers(), max_size=3)),
    lambda inner: st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)
STATUSES = st.dictionaries(st.sampled_from("abcdef"), VALUES, max_size=5)


def merged(present: dict[str, object], patch: dict[str, object]) -> dict[str, object]:
    """RFC 7386."""
    out = dict(present)
    for key, value in patch.items():
        if value is None:
            out.pop(key, None)
        elif isinstance(value, dict):
            old = out.get(key)
            out[key] = merged(old if isinstance(old, dict) else {}, value)
        else:
            out[key] = value
    return out


def solid(value: object) -> object:
    """Without empty fields, which mean the same as absent ones."""
    if isinstance(value, dict):
        inner = {key: solid(one) for key, one in value.items()}
        return {key: one for key, one in inner.items() if one not in ("", [], {}, None)}
    return value


@given(STATUSES, STATUSES)
def test_patch_brings_every_wanted_field(present: dict[str, object], wanted: dict[str, object]) -> None:
    result = merged(present, difference(present, wanted))
    for key, value in wanted.items():
        assert (solid(result.get(key)) or None) == (solid(value) or None)


@given(STATUSES)
def test_nothing_is_written_when_nothing_changed(status: dict[str, object]) -> None:
    assert difference(status, status) == {}


def test_field_that_is_gone_from_a_nested_object_is_set_to_null() -> None:
    assert difference({"a": {"x": 1, "y": 2}}, {"a": {"x": 1}}) == {"a": {"y": None}}
