"""Every sentence that can trigger a transition has a cause; a metric's label is one of those few words."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator

import pytest

from backstay.coordinator import fingerprint
from backstay.coordinator.cause import Cause, cause_of

SENTENCES = {
    "node n1 lost": Cause.NODE_LOST,
    "node n1 n2 lost, found so by a new DC": Cause.NODE_LOST,
    "node n1 is offline": Cause.NODE_LOST,
    "a quorum stands behind a takeover from node n1": Cause.NODE_LOST,
    "n1 stopped resources while cut off": Cause.NODE_LOST,
    "node n1 joined": Cause.NODE_BACK,
    "monitor of web failed on n1": Cause.FAILURE,
    "transition 3 was aborted: monitor of web failed on n1": Cause.FAILURE,
    "transition 3 was aborted: start web on n1: timed_out": Cause.FAILURE,
    "transition 3 was aborted: node n1 is gone": Cause.NODE_LOST,
    "standby of node n1 requested": Cause.REQUEST,
    "HAResource default/web was changed; request move-1": Cause.REQUEST,
    "a request to move came or went": Cause.REQUEST,
    "HAResource default/request-log was changed": Cause.CONFIGURATION,
    "quorum lost": Cause.QUORUM,
    "time has passed (recheck)": Cause.RECHECK,
    "news from n1": Cause.NEWS,
    "a new DC looks at everything": Cause.NEWS,
}


@pytest.mark.parametrize(("sentence", "cause"), SENTENCES.items())
def test_sentence_has_its_cause(sentence: str, cause: Cause) -> None:
    assert cause_of(sentence) is cause


def _written_in(module: object) -> Iterator[str]:
    """What the functions of the module return as sentences, with one word in place of each value."""
    for node in ast.walk(ast.parse(inspect.getsource(module))):  # type: ignore[arg-type]
        if isinstance(node, ast.Return) and node.value is not None:
            for part in ast.walk(node.value):
                if isinstance(part, ast.JoinedStr):
                    yield "".join(
                        str(one.value) if isinstance(one, ast.Constant) else "x" for one in part.values
                    )


def test_no_sentence_of_the_fingerprint_is_without_a_cause() -> None:
    sentences = [one for one in _written_in(fingerprint) if " " in one]
    assert len(sentences) > 10
    # The verb of a configuration change is itself a value.
    known = [one for one in sentences if one not in ("x was x", "x x")]
    assert [one for one in known if cause_of(one) is Cause.OTHER] == []
