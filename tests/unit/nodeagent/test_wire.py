"""Between the API's words and the agent's: nothing lost on the way in, nothing unknown on the way out, nothing too large."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from backstay.api.plan import HANodePlanStatus, PlanAction
from backstay_nodeagent import events as ev
from backstay_nodeagent.documents import BYTES_MAX, DOCUMENTS_MAX, DocumentShelf, document_of
from backstay_nodeagent.operation import Outcome
from backstay_nodeagent.orders import Order, Orders, SecretRef, Verb
from backstay_nodeagent.plan_reader import orders_of
from unit.nodeagent.brain_driver import BOOT, Driver, order


def plan(*actions: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "n1", "uid": "u", "generation": 3},
        "spec": {"cluster": "c", "epoch": 4, "bootId": "b", "actions": list(actions), **spec},
    }


def test_every_field_of_an_action_has_its_twin_with_the_same_default() -> None:
    ours = {field.name: field for field in dataclasses.fields(Order)}
    blank = orders_of(plan({"id": "1", "verb": "start"})).actions[0]
    for name in PlanAction.model_fields:
        if name != "namespace":  # goes into the references to secrets
            assert name in ours, name
    assert blank == Order(id="1", verb=Verb.START)


def test_every_verb_of_the_api_is_known() -> None:
    for verb in PlanAction.model_fields["verb"].annotation.__args__:  # type: ignore[union-attr]
        assert Verb(verb)


def test_secrets_are_looked_up_in_the_actions_namespace_unless_they_name_one() -> None:
    read = orders_of(
        plan(
            {
                "id": "1",
                "verb": "start",
                "namespace": "web",
                "paramsFrom": {
                    "a": {"secretKeyRef": {"name": "s", "key": "k"}},
                    "b": {"secretKeyRef": {"name": "s", "key": "k", "namespace": "other"}},
                },
            }
        )
    ).actions[0]
    assert read.params_from == {"a": SecretRef("web", "s", "k"), "b": SecretRef("other", "s", "k")}


def test_field_of_a_newer_dc_is_ignored() -> None:
    assert orders_of(plan({"id": "1", "verb": "start", "novelty": 1}, other={})).epoch == 4


@pytest.mark.parametrize(
    "action",
    [{"id": "1", "verb": "explode"}, {"verb": "start"}, {"id": "1", "verb": "start", "timeoutMs": "soon"}],
)
def test_plan_with_a_wrong_action_is_not_read_at_all(action: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"actions\.1"):
        orders_of(plan({"id": "0", "verb": "start"}, action))


def test_plan_with_an_id_twice_is_not_read() -> None:
    with pytest.raises(ValueError, match="twice"):
        orders_of(plan({"id": "1", "verb": "start"}, {"id": "1", "verb": "stop"}))


def test_order_survives_the_journal() -> None:
    full = order(
        "1-2-3",
        "monitor",
        "vip",
        group="g",
        interval_ms=5,
        params={"ip": "1"},
        params_from={"pw": SecretRef("a", "b", "c")},
        after=("1-2-2",),
        requires="nothing",
        cleanup_interval_ms=7,
    )
    assert Order.from_json(json.loads(json.dumps(full.to_json()))) == full


def test_status_is_what_the_api_expects() -> None:
    driver = Driver(script=lambda op: (0.1, 1 if op.order.resource == "b" else 0)).online()
    driver.plan(
        order("1-1-1", "start", "a"),
        order("1-1-2", "start", "b"),
        order("1-1-3", "start", "c", after=("1-1-2",)),
        order("1-1-4", "meta-data", ""),
    )
    driver.run(1.0)
    driver.plan(order("1-1-1", "start", "a"), order("1-2-1", "stop", "a"))
    parsed = HANodePlanStatus.model_validate(driver.status)
    assert [one.action_id for one in parsed.pending] == ["1-2-1"]
    assert [(one.id, one.state) for one in parsed.results] == [("1-1-1", "Done")]
    assert {one.resource for one in parsed.history} == {"a", "b"}
    assert [one.resource for one in parsed.failures] == ["b"]
    assert [one.agent for one in parsed.metadata] == ["ocf:heartbeat:Dummy"]


def test_status_of_a_thousand_talkative_resources_stays_far_below_the_limit() -> None:
    driver = Driver(slots=1000).online()
    driver.plan(*(order(f"1-1-{n}", "start", f"r{n}") for n in range(1000)))
    for call_id in list(driver.flights):
        del driver.flights[call_id]
        outcome = Outcome(rc=0, status=driver_done(), output="é" * 2048)
        driver.post(ev.OperationFinished(call_id, outcome))
    assert len(json.dumps(driver.status, ensure_ascii=False).encode()) < 700_000
    newest = max(driver.status["history"], key=lambda one: one["callId"])
    assert len(newest["output"].encode()) == 4096, "the newest keeps its output"


def probing(*, takes_absences: bool, resources: int = 3) -> Driver:
    """A node on which `r0` runs and nothing else was found."""
    driver = Driver(script=lambda op: (0.1, 0 if op.order.resource == "r0" else 7), slots=resources).online()
    probes = tuple(order(f"1-1-{n}", "monitor", f"r{n}", target_rc=7) for n in range(resources))
    driver.generation += 1
    driver.see(
        Orders(
            uid="u1",
            generation=driver.generation,
            cluster="c",
            epoch=1,
            boot_id=BOOT,
            actions=probes,
            takes_absences=takes_absences,
        )
    )
    driver.run(1.0)
    return driver


def test_probes_that_found_nothing_are_told_in_a_word_where_the_dc_reads_it() -> None:
    parsed = HANodePlanStatus.model_validate(probing(takes_absences=True).status)
    assert [one.resource for one in parsed.history] == ["r0"]
    assert [(one.agent, one.resources) for one in parsed.absences] == [("ocf:heartbeat:Dummy", ["r1", "r2"])]
    parsed = HANodePlanStatus.model_validate(probing(takes_absences=False).status)
    assert sorted(one.resource for one in parsed.history) == ["r0", "r1", "r2"]
    assert parsed.absences == []


def test_resource_that_was_started_since_is_no_absence() -> None:
    driver = probing(takes_absences=True)
    driver.script = lambda _operation: (0.1, 0)
    orders = driver.brain.book.orders
    assert orders is not None
    start = order("1-2-1", "start", "r1")
    driver.generation += 1
    driver.see(dataclasses.replace(orders, generation=driver.generation, actions=(start,)))
    driver.run(1.0)
    parsed = HANodePlanStatus.model_validate(driver.status)
    assert [one.resources for one in parsed.absences] == [["r2"]]
    assert {(one.resource, one.operation) for one in parsed.history} >= {("r1", "monitor"), ("r1", "start")}


def test_a_thousand_resources_that_are_elsewhere_take_a_few_bytes_each() -> None:
    absences = probing(takes_absences=True, resources=1000).status["absences"]
    assert len(json.dumps(absences)) < 12 * 1000


def driver_done() -> Any:
    from backstay.ocf.exitcode import OpStatus

    return OpStatus.DONE


def test_shelf_keeps_the_documents_asked_for_last_within_its_bounds() -> None:
    journal: dict[str, Any] = {}
    shelf = DocumentShelf(journal)
    for n in range(DOCUMENTS_MAX + 3):
        shelf.put(document_of(f"ocf:x:A{n}", 0, f"<resource-agent name='{n}'/>"))
    assert next(one.agent for one in shelf) == "ocf:x:A3"
    assert journal["document/ocf:x:A0"] is None
    import random

    noise = random.Random(1).randbytes(BYTES_MAX // 2).hex()
    shelf.put(document_of("ocf:x:Big", 0, noise))
    assert "ocf:x:Big" in [one.agent for one in shelf]
    assert sum(len(one.xml_gz) for one in shelf) <= BYTES_MAX or len(list(shelf)) == 1


def test_document_unpacks_to_what_was_packed() -> None:
    import base64
    import gzip

    document = document_of("a", 0, "<é/>")
    assert gzip.decompress(base64.b64decode(document.xml_gz)).decode() == "<é/>"
    assert document == document_of("a", 0, "<é/>"), "the same twice, or the status would change for nothing"
