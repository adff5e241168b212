"""Why here and not there: each kind of reason in its sentence, and what would have to change."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from backstay.explain import (
    Explanation,
    NodeVerdict,
    UnknownResource,
    explain,
    explain_actions,
    explanation_lines,
    runs_nowhere,
    transition_lines,
    why_not_lines,
)
from backstay.simulate import OpSpec, WhatIf, run
from backstay.state.cluster import ClusterState
from backstay.state.score import INFINITY
from unit.explain.cluster import pair, primitive, running, state


def one(cluster: ClusterState, name: str = "A") -> Explanation:
    (found,) = explain(cluster, name)
    return found


def verdict(found: Explanation, node: str) -> NodeVerdict:
    return next(one for one in found.nodes if one.node == node)


def sentences(found: Explanation, node: str) -> list[str]:
    return [part.sentence for part in verdict(found, node).parts]


def moved_there(cluster: ClusterState, change: ClusterState, node: str) -> bool:
    return next(one for one in explain(change, "A") if one.resource == "A").chosen == node


def test_location_and_stickiness_are_added_up_and_the_difference_is_what_it_takes() -> None:
    cluster = state(
        resources=primitive("A"),
        constraints='<rsc_location id="likes-n2" rsc="A" node="n2" score="30"/>',
        defaults=pair("resource-stickiness", "50"),
        histories={"n1": running("A", "Dummy")},
    )
    found = one(cluster)
    assert found.headline == "A runs on n1, and that is its place"
    assert (verdict(found, "n1").score, verdict(found, "n2").score) == (50, 30)
    assert sentences(found, "n1") == ["it runs here and rather stays (resource-stickiness 50)"]
    assert sentences(found, "n2") == ["location constraint likes-n2 prefers this node"]
    assert verdict(found, "n2").change == (
        "21 more for n2 than for n1, for example a location constraint with score 21, "
        "or a resource-stickiness below 30 in place of 50"
    )


def test_what_is_said_to_move_it_moves_it() -> None:
    """The advice of the test before, followed: 20 more is not enough, 21 is; a stickiness of 29 is, of 30 is not."""

    def chosen(*, stickiness: int, more: int) -> str | None:
        return one(
            state(
                resources=primitive("A"),
                constraints='<rsc_location id="likes-n2" rsc="A" node="n2" score="30"/>'
                f'<rsc_location id="more" rsc="A" node="n2" score="{more}"/>',
                defaults=pair("resource-stickiness", str(stickiness)),
                histories={"n1": running("A", "Dummy")},
            )
        ).chosen

    assert [chosen(stickiness=50, more=20), chosen(stickiness=50, more=21)] == ["n1", "n2"]
    assert [chosen(stickiness=30, more=0), chosen(stickiness=29, more=0)] == ["n1", "n2"]


def test_a_rule_is_told_with_its_condition() -> None:
    rule = (
        '<rsc_location id="not-right" rsc="A"><rule id="r" score="-INFINITY" boolean-op="or">'
        '<expression id="e" attribute="rack" operation="eq" value="right"/>'
        '<expression id="f" attribute="old" operation="defined"/></rule></rsc_location>'
    )
    cluster = state(resources=primitive("A"), constraints=rule, node_attributes={"n3": pair("rack", "right")})
    assert sentences(one(cluster), "n3") == [
        "location constraint not-right forbids this node: its rule matches here (rack is right or old is defined)"
    ]
    assert verdict(one(cluster), "n3").change == "change or delete the constraint not-right"


def test_a_colocation_names_the_other_and_where_it_is() -> None:
    cluster = state(
        resources=primitive("A") + primitive("B"),
        constraints='<rsc_colocation id="with-b" rsc="A" with-rsc="B" score="INFINITY"/>'
        '<rsc_location id="b-on-3" rsc="B" node="n3" score="5"/>',
    )
    found = one(cluster)
    assert found.chosen == "n3"
    assert sentences(found, "n1") == ["colocation constraint with-b keeps it with B, which is placed on n3"]
    assert "B, which" not in " ".join(sentences(found, "n3"))
    follower = one(cluster, "B")
    assert sentences(follower, "n3") == ["location constraint b-on-3 prefers this node"]


def test_a_wish_of_what_follows_it_counts_and_is_named() -> None:
    cluster = state(
        resources=primitive("A") + primitive("B"),
        constraints='<rsc_colocation id="b-with-a" rsc="B" with-rsc="A" score="INFINITY"/>'
        '<rsc_location id="b-on-3" rsc="B" node="n3" score="5"/>',
    )
    found = one(cluster)
    assert found.chosen == "n3"
    assert sentences(found, "n3") == ["B, which follows it, would rather be here"]


def test_failures_are_counted_and_the_cleanup_is_given() -> None:
    cluster = state(
        resources=primitive("A", meta=pair("migration-threshold", "2")),
        transient={"n1": pair("fail-count-A#monitor_10000", "2")},
    )
    found = one(cluster)
    assert sentences(found, "n1") == ["it failed here 2 times (monitor), and migration-threshold is 2"]
    assert verdict(found, "n1").change == "kubectl ha resource cleanup A --node n1"


def test_an_agent_that_cannot_run_there_is_quoted() -> None:
    probe = (
        '<lrm_resource id="A" class="ocf" provider="heartbeat" type="Dummy"><lrm_rsc_op id="A_last_0" operation_key="A_monitor_0"'
        ' operation="monitor" interval="0" call-id="2" rc-code="5" op-status="0" transition-key="1:1:7:x"'
        ' exit-reason="no such program"/></lrm_resource>'
    )
    cluster = state(resources=primitive("A"), histories={"n2": probe})
    (sentence,) = sentences(one(cluster), "n2")
    assert sentence == "its agent's monitor ended with 5 (not installed): no such program"


def test_a_member_of_a_group_says_whom_it_goes_with() -> None:
    cluster = state(
        resources=f'<group id="G">{primitive("A")}{primitive("B")}</group>',
        constraints='<rsc_location id="g-on-2" rsc="G" node="n2" score="7"/>',
    )
    first, second = explain(cluster, "G")
    assert (first.resource, second.resource) == ("A", "B")
    assert sentences(second, "n1") == [
        "it is a member of group G: it runs where A does, which is placed on n2"
    ]
    assert verdict(second, "n2").won == "it is the only node where it can run"
    text = "\n".join(why_not_lines((first, second), "n1"))
    assert "B: kept with the member before" in text


@pytest.mark.parametrize(
    ("options", "resources", "sentence"),
    [
        ("", primitive("A", meta=pair("target-role", "Stopped")), "it is disabled (target-role Stopped)"),
        (pair("stop-all-resources", "true"), primitive("A"), "stop-all-resources is set"),
        (
            pair("symmetric-cluster", "false"),
            primitive("A"),
            "the cluster is opt-in (symmetric-cluster=false)",
        ),
    ],
)
def test_what_runs_nowhere_says_why(options: str, resources: str, sentence: str) -> None:
    found = one(state(resources=resources, options=options))
    assert found.chosen is None
    assert sentence in found.headline


def test_nodes_that_cannot_be_used_say_so_and_what_brings_them_back() -> None:
    cluster = state(resources=primitive("A"), node_attributes={"n2": pair("standby", "on")}, offline=("n3",))
    found = one(cluster)
    assert verdict(found, "n2").obstacle == "it is in standby"
    assert verdict(found, "n2").change.startswith("kubectl ha node unstandby n2")
    assert verdict(found, "n3").obstacle == "it is offline"
    assert verdict(found, "n1").won == "it is the only node where it can run"


def test_a_missing_ticket_is_named() -> None:
    cluster = state(
        resources=primitive("A"), constraints='<rsc_ticket id="needs-west" rsc="A" ticket="west"/>'
    )
    assert "it needs the ticket west, which this site does not have" in one(cluster).headline


def test_equal_scores_are_said_to_be_equal() -> None:
    found = one(state(resources=primitive("A")))
    assert found.chosen == "n1"
    assert verdict(found, "n1").won.startswith("n2, n3 would do as well: of equals")
    assert verdict(found, "n2").change.startswith("any preference at all: it has the same score on n1")


def test_the_parts_of_every_score_add_up_to_it() -> None:
    cluster = state(
        resources=f'<group id="G">{primitive("A")}{primitive("B")}</group>' + primitive("C"),
        constraints='<rsc_location id="l1" rsc="G" node="n2" score="7"/><rsc_location id="l2" rsc="B" node="n3" score="9"/>'
        '<rsc_colocation id="c1" rsc="C" with-rsc="G" score="-20"/><rsc_location id="l3" rsc="C" node="n3" score="100"/>',
        defaults=pair("resource-stickiness", "3"),
        histories={"n1": running("A", "Dummy") + running("B", "Dummy")},
    )
    for name in ("G", "C"):
        for found in explain(cluster, name):
            for node in found.nodes:
                if abs(node.score) < INFINITY:
                    assert sum(part.score for part in node.parts) == node.score, (found.resource, node)


def test_an_unknown_resource_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(UnknownResource) as caught:
        explain(state(resources=primitive("A")), "B")
    assert caught.value.known == {"A"}


def test_actions_say_why_they_wait() -> None:
    cluster = state(
        resources=f'<group id="G">{primitive("A")}{primitive("B")}</group>{primitive("C")}',
        constraints='<rsc_order id="g-then-c" first="G" then="C"/>',
        histories={"n1": running("A", "Dummy") + running("B", "Dummy")},
        options=pair("enable-startup-probes", "false"),
        node_attributes={"n1": pair("standby", "on")},
    )
    reasons = {action.action: action for action in explain_actions(cluster).actions}
    assert reasons["stop A on n1"].after == ("stop B on n1: members of group G stop in reverse order",)
    assert "start A on n2: members of group G start in order" in reasons["start B on n2"].after
    assert "stop A on n1: it must have ended there before it begins: it never runs twice" in " ".join(
        reasons["start A on n2"].after
    )
    assert any("order constraint g-then-c puts G before C" in one for one in reasons["start C on n3"].after)
    assert reasons["stop A on n1"].because == "Move A (n1 -> n2)"
    places = list(reasons)
    assert places.index("stop A on n1") < places.index("start A on n2") < places.index("start C on n3")


def test_what_makes_way_for_what_it_must_not_meet_is_told_with_the_constraint() -> None:
    cluster = state(
        resources=primitive("A") + primitive("B"),
        constraints='<rsc_location id="a-n1" rsc="A" node="n1" score="INFINITY"/>'
        '<rsc_colocation id="never" rsc="B" with-rsc="A" score="-INFINITY"/>',
        histories={"n1": running("B", "Dummy"), "n2": running("A", "Dummy")},
        options=pair("enable-startup-probes", "false"),
    )
    start = next(one for one in explain_actions(cluster).actions if one.action == "start A on n1")
    assert any(
        one.startswith("stop B on n1: colocation constraint never keeps B away from A") for one in start.after
    )


def test_the_order_of_a_stop_names_the_constraint_the_other_way_round() -> None:
    cluster = state(
        resources=primitive("A") + primitive("B"),
        constraints='<rsc_order id="a-then-b" first="A" then="B"/>',
        histories={"n1": running("A", "Dummy") + running("B", "Dummy")},
        node_attributes={"n1": pair("standby", "on")},
        options=pair("enable-startup-probes", "false"),
    )
    stop = next(one for one in explain_actions(cluster).actions if one.action == "stop A on n1")
    assert stop.after == (
        "stop B on n1: order constraint a-then-b puts A before B, and the other way round when they stop",
    )


def test_a_start_elsewhere_waits_for_fencing_and_says_so() -> None:
    cluster = state(
        resources=primitive("A") + '<primitive id="F" class="stonith" type="fence_xvm"/>',
        histories={"n1": running("A", "Dummy")},
        options=pair("stonith-enabled", "true"),
    )
    lost = WhatIf(nodes_lost=("n1",)).apply(cluster)
    reasons = {action.action: action for action in explain_actions(lost).actions}
    assert reasons["fence n1 (reboot)"].because == "peer is no longer part of the cluster"
    start = next(action for name, action in reasons.items() if name.startswith("start A"))
    assert any("nothing may count on n1 being dead before it is" in one for one in start.after)
    assert "has to be fenced first" in verdict(one(lost), "n1").obstacle


def test_a_clone_has_one_explanation_for_each_instance_and_promotion_scores() -> None:
    cluster = state(
        resources=f'<clone id="S"><meta_attributes id="sm">{pair("promotable", "true")}</meta_attributes>{primitive("A")}</clone>',
        transient={"n2": pair("master-A", "10")},
    )
    found = explain(cluster, "S")
    assert len(found) == 3
    assert all(one.promotion is not None for one in found)


PROMOTABLE = f'<clone id="S"><meta_attributes id="sm">{pair("promotable", "true")}</meta_attributes>{primitive("A")}</clone>'


def test_who_is_promoted_is_told_with_what_the_score_is_made_of() -> None:
    cluster = state(
        resources=PROMOTABLE,
        constraints='<rsc_location id="rather-n1" rsc="S"><rule id="r" role="Promoted" score="30">'
        '<expression id="e" attribute="#uname" operation="eq" value="n1"/></rule></rsc_location>',
        transient={"n1": pair("master-A", "5"), "n2": pair("master-A", "10")},
    )
    found = {one.chosen: one for one in explain(cluster, "S")}
    assert found["n1"].promotion_outcome.startswith("promoted, with score 35 on n1; ")
    assert "on n2 has 10" in found["n1"].promotion_outcome
    parts = {part.reason: (part.score, part.source) for part in found["n1"].promotion_parts}
    assert parts["promotion"] == (5, "")
    assert parts["location"] == (30, "rather-n1")
    assert found["n2"].promotion_outcome.startswith("not promoted, with score 10 on n2; ")
    assert (
        found["n3"].promotion_outcome
        == "not promoted: its agent has not said on n3 that it could be (no promotion score)"
    )
    text = list(explanation_lines([found["n1"]]))
    assert any(line.startswith("  Promotion: promoted, with score 35") for line in text)
    assert any("location constraint rather-n1 is for it" in line for line in text)


def test_a_promotion_that_follows_another_resource_names_the_constraint() -> None:
    cluster = state(
        resources=PROMOTABLE + primitive("B"),
        constraints='<rsc_location id="b-n3" rsc="B" node="n3" score="INFINITY"/>'
        '<rsc_colocation id="with-b" rsc="S" rsc-role="Promoted" with-rsc="B" score="INFINITY"/>',
        transient={"n2": pair("master-A", "10"), "n3": pair("master-A", "1")},
    )
    found = {one.chosen: one for one in explain(cluster, "S")}
    assert found["n3"].promotion_outcome.startswith("promoted")
    assert any(part.source == "with-b" and part.score > 0 for part in found["n3"].promotion_parts)
    assert any(part.source == "with-b" and part.score < 0 for part in found["n2"].promotion_parts)


def test_everything_can_be_said_as_text_and_as_json() -> None:
    cluster = state(resources=primitive("A") + primitive("B"))
    found = explain(cluster, "A")
    lines = list(explanation_lines(found))
    assert lines[0] == "A does not run and shall be started on n1 (ocf:heartbeat:Dummy)."
    assert json.loads(json.dumps([asdict(one) for one in found]))[0]["chosen"] == "n1"
    assert list(why_not_lines(found, "n1")) == ["A shall run on n1; there is nothing against it."]
    transition = list(transition_lines(explain_actions(cluster)))
    assert transition[0] == "Start A (n1)"
    quiet = run(cluster).execution.state
    assert list(transition_lines(explain_actions(quiet))) == ["Nothing has to be done."]


def test_what_can_run_nowhere_is_found_though_everything_is_well() -> None:
    forbidden = "".join(
        f'<rsc_location id="no-{node}" rsc="G" node="{node}" score="-INFINITY"/>'
        for node in ("n1", "n2", "n3")
    )
    cluster = state(
        resources=f'<group id="G">{primitive("A")}{primitive("B")}</group>{primitive("C")}',
        constraints=forbidden,
        offline=("n1", "n2", "n3"),
    )
    assert [one.base_id for one in runs_nowhere(cluster)] == ["A"]  # B goes where A does
    assert "no-n1" in next(iter(runs_nowhere(cluster))).reason


def test_a_lost_ticket_or_a_disabled_resource_is_not_called_nowhere() -> None:
    cluster = state(
        resources=primitive("A") + primitive("B", meta=pair("target-role", "Stopped")),
        constraints='<rsc_ticket id="needs-west" rsc="A" ticket="west"/>',
    )
    assert list(runs_nowhere(cluster)) == []


def test_a_failure_in_thought_is_explained_too() -> None:
    cluster = state(resources=primitive("A"), histories={"n1": running("A", "Dummy")})
    failed = run(cluster, WhatIf(inject=(OpSpec.parse("A_start_0@n1=1"),)))
    assert "must not be tried again" in sentences(one(failed.before.state), "n1")[0]


def test_who_follows_the_follower_is_named_too() -> None:
    cluster = state(
        resources=f'<group id="G">{primitive("A")}{primitive("B")}</group>' + primitive("C"),
        constraints='<rsc_colocation id="c-apart" rsc="C" with-rsc="G" score="-100000"/>'
        '<rsc_location id="c-on-1" rsc="C" node="n1" score="50"/>',
    )
    first = explain(cluster, "G")[0]
    assert sentences(first, "n1") == [
        "B, which follows it, would rather not be here; with it count C (by c-apart)"
    ]
    assert verdict(first, "n1").change.startswith("its score must not be negative: weaken c-apart")


def test_what_waits_for_a_promotion_is_not_called_nowhere() -> None:
    cluster = state(
        resources=f'<clone id="S"><meta_attributes id="sm">{pair("promotable", "true")}</meta_attributes>{primitive("A")}</clone>'
        + primitive("B"),
        constraints='<rsc_colocation id="b-with-promoted" rsc="B" with-rsc="S" with-rsc-role="Promoted" score="INFINITY"/>',
    )
    assert one(cluster, "B").chosen is None
    assert list(runs_nowhere(cluster)) == []
