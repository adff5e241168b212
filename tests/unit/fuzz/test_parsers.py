"""Parsers against text and JSON that anybody may have written: each returns, or raises the one error that it names."""

from __future__ import annotations

import contextlib
import random
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.api import KINDS, HACluster, HANodePlan, HAResource, Resource, ResourceGroup
from backstay.api.names import kubernetes_name
from backstay.api.quantities import DURATION_MAX_MS, duration_ms, score_value, timestamp_seconds
from backstay.cib import importing, reader
from backstay.cib.values import CibError
from backstay.numerals import INFINITY, LARGEST, attribute_score, signed, whole
from backstay.ocf import AgentSpecError
from backstay.ocf.agentspec import AgentSpec
from backstay.ocf.metadata import MetadataError, parse_metadata
from backstay.scheduler.tree import natural
from backstay.state.assemble_problem import Problem
from backstay.state.choices import DateOperation, ValueType
from backstay.state.codec import StateFormatError, load_state
from backstay.state.pattern import PatternError, compiled, matching
from backstay.state.placeholder import group_placeholder, resource_placeholder
from backstay.state.rule import DATE_FIELDS, DURATION_UNITS, DateExpression, Rule
from backstay.state.rule_match import Facts, compare, matches
from backstay_kube import kinds
from backstay_nodeagent.plan_reader import orders_of
from backstay_operator.reading import Reader
from backstay_operator.unreadable import legible_cluster
from backstay_operator.world import World
from harness.nonsense import POOL, Nonsense, Obj

TEXT = st.one_of(
    st.sampled_from(POOL),
    st.text(max_size=40),
    st.text(alphabet="0123456789²٣+-.eE ", max_size=30),
    st.sampled_from("9x²-").map(lambda one: one * 5000),
)
CIB = (Path(__file__).parents[1] / "cib" / "everything.xml").read_text(encoding="utf-8")
METADATA = (
    '<?xml version="1.0"?><resource-agent name="a" version="1"><longdesc>x</longdesc><parameters>'
    '<parameter name="ip" required="1" unique="1"><shortdesc>t</shortdesc><content type="integer" default="5"/>'
    '</parameter></parameters><actions><action name="monitor" interval="10s" timeout="20s" depth="0"/></actions>'
    "</resource-agent>"
)
ATTRIBUTE = re.compile(r'="[^"]*"')


@given(TEXT)
def test_numbers_are_read_or_not_and_never_raise(text: str) -> None:
    number, negative = whole(text), signed(text)
    assert number is None or 0 <= number <= LARGEST
    assert negative is None or abs(negative) <= LARGEST
    score = attribute_score(text)
    assert score is None or abs(score) <= INFINITY
    natural(text)


@given(TEXT)
def test_quantities_raise_value_errors_only(text: str) -> None:
    for parse in (duration_ms, score_value, timestamp_seconds, kubernetes_name):
        with contextlib.suppress(ValueError):
            parse(text)
    with contextlib.suppress(ValueError):
        assert 0 <= duration_ms(text) <= DURATION_MAX_MS


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1, 10**400, True])
def test_number_that_is_no_duration_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="duration"):
        duration_ms(value)


@given(TEXT, TEXT, st.sampled_from([None, *ValueType]))
def test_any_two_texts_can_be_compared(left: str, right: str, value_type: ValueType | None) -> None:
    assert compare(left, right, value_type=value_type) == -compare(right, left, value_type=value_type)


@given(
    st.floats(-1e18, 1e18) | st.none(),
    st.dictionaries(st.sampled_from(DURATION_UNITS), st.integers(-(10**30), 10**30)),
    st.dictionaries(st.sampled_from(DATE_FIELDS), TEXT),
)
def test_date_far_from_the_calendar_is_judged(
    start: float | None, duration: dict[str, int], spec: dict[str, str]
) -> None:
    for operation in DateOperation:
        date = DateExpression(operation=operation, start=start, duration=duration, spec=spec)
        matches(Rule(expressions=(date,)), Facts(now=1_790_000_000.0))


@given(TEXT)
def test_pattern_matches_or_is_none(text: str) -> None:
    with contextlib.suppress(PatternError):
        assert len(list(matching(text, ["r0", "x" * 128]))) <= 2
        assert compiled(text).fullmatch("r0") is None or not text.startswith("!")


@given(TEXT)
def test_agent_and_saved_state_raise_their_own_errors(text: str) -> None:
    with contextlib.suppress(AgentSpecError):
        AgentSpec.parse(text)
    with contextlib.suppress(StateFormatError):
        load_state(text)


def mutated(text: str, dice: random.Random) -> str:
    """XML with a few attributes replaced, or a piece lost."""
    if dice.random() < 0.15:
        start = dice.randrange(len(text))
        return text[:start] + text[start + dice.randrange(200) :]
    spots = list(ATTRIBUTE.finditer(text))
    for spot in sorted(dice.sample(spots, min(3, len(spots))), key=lambda one: -one.start()):
        odd = dice.choice(POOL)
        quoted = odd.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;").replace("\x00", "&#9;")
        text = f'{text[: spot.start()]}="{quoted}"{text[spot.end() :]}'
    return text


def test_mutated_cibs_are_read_or_refused_with_a_cib_error() -> None:
    refused = 0
    for seed in range(400):
        xml = mutated(CIB, random.Random(seed))
        try:
            reader.parse_cib(xml, now=1_790_000_000.0)
            if seed % 4 == 0:
                importing.import_cib(xml, now=1_790_000_000.0)
        except CibError:
            refused += 1
        except Exception as error:  # noqa: BLE001 - the seed says how to see it again
            pytest.fail(f"seed {seed}: {error!r}")
    assert 0 < refused < 400


def test_mutated_metadata_is_read_or_refused_with_a_metadata_error() -> None:
    for seed in range(500):
        with contextlib.suppress(MetadataError):
            parse_metadata(mutated(METADATA, random.Random(seed)))


def gnawed(value: Any, dice: random.Random) -> Any:
    """JSON with something else in one place: of another type, missing, or deep."""
    if isinstance(value, dict) and value and dice.random() < 0.8:
        key = dice.choice(sorted(value))
        return {**value, key: gnawed(value[key], dice)}
    if isinstance(value, list) and value and dice.random() < 0.8:
        at = dice.randrange(len(value))
        return [*value[:at], gnawed(value[at], dice), *value[at + 1 :]]
    deep: Any = []
    for _ in range(200):
        deep = [deep]
    return dice.choice(
        [None, [], {}, "", 0, -1, 10**30, 1.5, float("inf"), True, "²", [None], {"": None}, deep]
    )


def spoiled(obj: Obj, dice: random.Random) -> Obj:
    """Spec and status, as far as there are any, each with something else in one place."""
    return {part: gnawed(value, dice) for part, value in obj.items() if part in ("spec", "status")}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.info.kind)
def test_reader_reads_any_json_or_tells_a_problem(kind: type[Resource]) -> None:
    """Not only what the schema accepts: the CRDs of the cluster may be of another version."""
    reads = Reader()
    problems = 0
    for seed in range(120):
        dice = random.Random(seed)
        obj = Nonsense(dice, dense=0.5).thing(kind, "x", parts=("spec", "status"))
        for _ in range(3):
            item = reads.read(kind, obj)
            problems += isinstance(item, Problem)
            obj = {
                "metadata": obj["metadata"],
                **spoiled(obj, dice),
            }
    assert problems


def test_cluster_that_cannot_be_read_still_is_a_cluster() -> None:
    for seed in range(200):
        dice = random.Random(seed)
        obj = Nonsense(dice, dense=0.5).thing(HACluster, "c", parts=("spec", "status"))
        obj = {"metadata": obj["metadata"], **spoiled(obj, dice)}
        assert legible_cluster(obj).metadata.name == "c"


def test_unreadable_selector_never_makes_every_node_a_member() -> None:
    obj = {
        "metadata": {"name": "c"},
        "spec": {"nodeSelector": ["x"], "properties": {"stonithEnabled": False}},
    }
    cluster = legible_cluster(obj)
    assert cluster.spec.node_selector
    assert cluster.spec.properties.stonith_enabled is False


@pytest.mark.parametrize("kind", [HAResource, ResourceGroup], ids=lambda kind: kind.info.kind)
def test_placeholder_of_any_json(kind: type[Resource]) -> None:
    for seed in range(200):
        dice = random.Random(seed)
        obj = Nonsense(dice, dense=0.5).thing(kind, "x", parts=("spec",))
        obj = {"metadata": obj["metadata"], **spoiled(obj, dice)}
        made = resource_placeholder(obj) if kind is HAResource else group_placeholder(obj)
        assert made is None or made.metadata.name == "x"


def test_agent_reads_any_plan_or_raises_a_value_error() -> None:
    for seed in range(200):
        dice = random.Random(seed)
        obj = Nonsense(dice, dense=0.6).thing(HANodePlan, "n1", parts=("spec", "status"))
        for plan in (obj, {**obj, "spec": gnawed(obj["spec"], dice)}):
            with contextlib.suppress(ValueError):
                orders_of(plan)


@pytest.mark.parametrize("obj", [{}, {"metadata": None}, {"metadata": {"name": 1}}, {"metadata": []}, []])
def test_world_passes_over_what_is_no_object(obj: Obj) -> None:
    world = World(None)  # type: ignore[arg-type]
    world.accept(kinds.HARESOURCE, obj)
    assert list(world.raw(kinds.HARESOURCE)) == []
