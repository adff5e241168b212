"""Names, addresses, options: what keeps two sandboxes, and two hosts, apart."""

from __future__ import annotations

import pytest

from backstay_sandbox.layout import NODES_MAX, LayoutError, layout_of
from backstay_sandbox.options import SandboxOptions


def test_every_host_has_addresses_and_a_card_of_its_own() -> None:
    layout = layout_of("x", NODES_MAX)
    plugs = [layout.addresses(node) for node in layout.nodes]
    for column in ("cluster", "service", "mac"):
        assert len({getattr(plug, column) for plug in plugs}) == NODES_MAX
    taken = {plug.cluster for plug in plugs} | {plug.service for plug in plugs}
    assert taken.isdisjoint({"10.0.0.2", "10.0.0.3", "10.0.1.100", "10.0.0.200", "10.0.1.200"})


def test_no_sandbox_takes_anothers_namespaces_for_its_own() -> None:
    longer = layout_of("demo-2", 1)
    assert not longer.netns("n1").startswith(layout_of("demo", 1).netns_prefix)


@pytest.mark.parametrize("name", ["", "Demo", "a.b", "a/b", "..", "-a", "x" * 33])
def test_a_name_that_could_leave_its_directory_is_refused(name: str) -> None:
    with pytest.raises(LayoutError):
        layout_of(name, 1)


@pytest.mark.parametrize("count", [0, -1, NODES_MAX + 1])
def test_impossible_numbers_of_hosts_are_refused(count: int) -> None:
    with pytest.raises(LayoutError):
        layout_of("x", count)


def test_options_survive_the_way_to_the_daemon() -> None:
    options = SandboxOptions(name="x", nodes=5, api="none", daemons=("agent",), cluster=False)
    assert SandboxOptions.from_json(options.to_json()) == options
