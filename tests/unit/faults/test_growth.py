"""What counts as growth."""

from __future__ import annotations

from faults.growth import MIB_MAX, SAMPLES_MIN, Growth, Sample, Use
from harness.cluster_view import Volume


def growth(
    *, mib: list[float] | None = None, descriptors: list[int] | None = None, objects: list[int] | None = None
) -> Growth:
    length = len(mib or descriptors or objects or [])
    return Growth(
        [
            Sample(
                {"agent": Use((mib or [50.0] * length)[at], (descriptors or [20] * length)[at])},
                Volume({"leases": (objects or [9] * length)[at], "events": 100 * at}, {}),
            )
            for at in range(length)
        ]
    )


def test_a_daemon_at_rest_has_grown_by_nothing() -> None:
    assert growth(mib=[50.0, 55.0] * SAMPLES_MIN).problems() == []


def test_a_leak_of_memory_descriptors_or_objects_is_told() -> None:
    rising = range(2 * SAMPLES_MIN)
    assert "memory from" in growth(mib=[50.0 + 3 * at for at in rising]).problems()[0]
    assert "descriptors from 39 to 59" in growth(descriptors=[20 + at for at in rising]).problems()[0]
    assert "leases: objects from 66 to 126" in growth(objects=[9 + 3 * at for at in rising]).problems()[0]


def test_events_which_an_api_server_drops_by_itself_are_only_counted() -> None:
    found = growth(mib=[50.0] * 2 * SAMPLES_MIN)
    assert found.problems() == []
    assert found.summary()["objects"] == {"events": [1900, 3900], "leases": [9, 9]}


def test_even_a_short_run_fails_for_a_daemon_that_is_far_too_large() -> None:
    assert growth(mib=[50.0, MIB_MAX + 1]).problems()
