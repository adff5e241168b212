"""pcs's words after `resource create ID AGENT`."""

from __future__ import annotations

import pytest

from backstay.api.resource import CloneSpec, Operation, ResourceMeta
from backstay_cli.build.words import CLONE, META, OPERATION_OPTIONS, parse_words
from backstay_cli.errors import UsageError


def test_parameters_operations_and_meta_are_told_apart() -> None:
    words = parse_words(
        [
            *("ip=10.0.0.3", "cidr_netmask=24"),
            *("op", "monitor", "interval=30s", "on-fail=standby", "op", "start", "timeout=1min"),
            *("meta", "migration-threshold=3", "target-role=stopped", "is-managed=no"),
            "resource-stickiness=-INFINITY",
        ]
    )
    assert words.params == {"ip": "10.0.0.3", "cidr_netmask": "24"}
    assert words.operations == (
        {"name": "monitor", "interval": "30s", "onFail": "standby"},
        {"name": "start", "timeout": "1min"},
    )
    assert words.meta == {
        "migrationThreshold": 3,
        "targetRole": "Stopped",
        "isManaged": False,
        "resourceStickiness": "-INFINITY",
    }
    assert words.clone is None


def test_one_op_may_hold_several_operations() -> None:
    words = parse_words(["op", "start", "timeout=30s", "monitor", "interval=10s", "role=Master"])
    assert words.operations == (
        {"name": "start", "timeout": "30s"},
        {"name": "monitor", "interval": "10s", "role": "Promoted"},
    )


def test_a_value_may_hold_an_equals_sign_and_be_empty() -> None:
    assert parse_words(["options=rw,gid=5", "extra="]).params == {"options": "rw,gid=5", "extra": ""}


def test_promotable_is_a_clone_and_takes_clone_words_from_meta() -> None:
    words = parse_words(["promotable", "promoted-max=1", "meta", "interleave=true", "priority=5"])
    assert words.clone == {"promotable": True, "promotedMax": 1, "interleave": True}
    assert words.meta == {"priority": 5}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("meta migration-treshold=3", "migration-threshold"),
        ("meta migrationTreshold=3", "migration-threshold"),
        ("op monitr interval=3", "monitor"),
        ("op monitor intervall=3", "interval"),
        ("op interval=3", "name comes first"),
        ("op", "missing"),
        ("meta is-managed=maybe", "boolean"),
        ("clone clone-max=two", "integer"),
        ("meta clone-max=2", "clone"),
        ("ip", "neither a parameter"),
        ("a=1 a=2", "twice"),
        ("meta priority", "name=value"),
    ],
)
def test_a_wrong_word_is_named_with_the_right_one(line: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_words(line.split())
    assert said in f"{caught.value} {caught.value.hint}"
    assert caught.value.code == 2


def test_the_tables_know_every_field_of_the_models() -> None:
    def fields(model: type) -> set[str]:
        return {field.alias for field in model.model_fields.values()}  # type: ignore[attr-defined]

    assert set(META.values()) == fields(ResourceMeta)
    no_words = {"id", "meta", "conditionalMeta"}  # for manifests, above all for imported ones
    assert set(CLONE.values()) == fields(CloneSpec) - no_words
    assert set(OPERATION_OPTIONS.values()) == fields(Operation) - {"name", "params"}


def test_check_level_of_a_monitor_is_its_own_parameter() -> None:
    words = parse_words(["ip=1.2.3.4", "op", "monitor", "interval=60s", "OCF_CHECK_LEVEL=20"])
    (monitor,) = words.operations
    assert monitor == {"name": "monitor", "interval": "60s", "params": {"OCF_CHECK_LEVEL": "20"}}
