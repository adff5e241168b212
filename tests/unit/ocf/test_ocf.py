"""The interface to agents, as the OCF API and its neighbours describe it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.ocf import (
    AgentSpec,
    AgentSpecError,
    BoundedText,
    ExitCode,
    FenceRequest,
    OperationContext,
    OpStatus,
    OutputCollector,
    Severity,
    Standard,
    environment_of,
    exit_code_text,
    fence_stdin,
    lvm_activate_params,
    meets_target,
    plug_of,
    severity_of,
    status_of,
)
from backstay.ocf.hostmap import HostMap, host_map_text, parse_host_map
from backstay.ocf.metadata import MetadataError, parse_metadata
from backstay.ocf.service import UnitState, unit_properties, unit_report


@pytest.mark.parametrize(
    "text",
    ["ocf:heartbeat:IPaddr2", "systemd:foo@bar.service", "lsb:x", "service:nginx", "stonith:fence_xvm"],
)
def test_agent_name_reads_and_writes_itself(text: str) -> None:
    assert str(AgentSpec.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "IPaddr2", "ocf:IPaddr2", "ocf:heartbeat:", "ocf::IPaddr2", "ocf:a:b:c", "foo:bar", "systemd:"),
        *("ocf:..:sh", "lsb:../../bin/sh", "lsb:a/b", "systemd:--force", "ocf:a:b\n", "ocf:a: b"),
        *("stonith:reboot", "stonith:sh", "stonith:fence_", "stonith:external/ssh", "stonith:xfence_xvm"),
    ],
)
def test_what_names_no_agent_is_refused(text: str) -> None:
    with pytest.raises(AgentSpecError):
        AgentSpec.parse(text)


@given(st.text(max_size=40))
def test_parsed_agent_name_never_leads_out_of_its_directory(text: str) -> None:
    try:
        spec = AgentSpec.parse("ocf:" + text)
    except AgentSpecError:
        return
    for word in (spec.provider, spec.type):
        assert "/" not in word
        assert not word.startswith((".", "-"))


def test_degraded_serves_for_running_and_for_nothing_else() -> None:
    assert meets_target(ExitCode.DEGRADED, 0)
    assert meets_target(ExitCode.DEGRADED_PROMOTED, 8)
    assert not meets_target(ExitCode.DEGRADED, 7)
    assert not meets_target(ExitCode.DEGRADED_PROMOTED, 0)


def test_unknown_exit_code_is_a_soft_error() -> None:
    assert (severity_of(77), exit_code_text(77)) == (Severity.SOFT, "error")
    assert status_of(77, operation="start") is OpStatus.ERROR


def test_severities_are_those_of_pacemaker_explained() -> None:
    assert [severity_of(rc) for rc in (1, 2, 3, 4, 5, 6, 9)] == [
        Severity.SOFT,
        *(Severity.HARD,) * 4,
        Severity.FATAL,
        Severity.SOFT,
    ]


def context(**more: object) -> OperationContext:
    spec = AgentSpec(Standard.OCF, "IPaddr2", "heartbeat")
    return OperationContext(spec=spec, instance="vip", operation="start", node="n1", **more)  # type: ignore[arg-type]


def test_parameter_cannot_overwrite_what_the_agent_relies_on() -> None:
    env = environment_of(context(params={"ip": "1", "OCF_ROOT": "/evil"}))
    assert env["OCF_ROOT"] == "/usr/lib/ocf"
    assert env["OCF_RESKEY_OCF_ROOT"] == "/evil"


@pytest.mark.parametrize("params", [{"a b": "1"}, {"a=b": "1"}, {"a": "x\0y"}, {"": "1"}])
def test_parameter_that_no_environment_can_hold_is_refused(params: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="can't be handed"):
        environment_of(context(params=params))


def test_service_gets_no_ocf_variables() -> None:
    spec = AgentSpec(Standard.LSB, "x")
    env = environment_of(
        OperationContext(spec=spec, instance="x", operation="start", node="n1", params={"a": "b"})
    )
    assert not [name for name in env if name.startswith("OCF")]


@given(st.lists(st.binary(max_size=300), max_size=40), st.integers(min_value=256, max_value=600))
def test_bounded_text_never_exceeds_its_limit_and_keeps_both_ends(chunks: list[bytes], limit: int) -> None:
    text = BoundedText(limit)
    for chunk in chunks:
        text.feed(chunk)
    whole = b"".join(chunks)
    assert len(text.text().encode()) <= limit
    if whole.isascii() and whole.decode().isprintable():
        if len(whole) <= limit:
            assert text.text() == whole.decode()
        else:
            assert text.text().startswith(whole[: limit // 4].decode())
            assert text.text().endswith(whole[-50:].decode())


@given(st.binary(max_size=200).filter(lambda data: b"ocf-exit-reason" not in data), st.integers(1, 20))
def test_exit_reason_is_found_however_the_stream_is_cut(noise: bytes, size: int) -> None:
    stream = noise + b"\nocf-exit-reason:broken\n" + noise + b"\n"
    collector = OutputCollector()
    for at in range(0, len(stream), size):
        collector.feed_stderr(stream[at : at + size])
    collector.finish()
    assert collector.reason == "broken"


def test_endless_line_costs_no_memory_and_hides_no_reason() -> None:
    collector = OutputCollector()
    for _ in range(100):
        collector.feed_stderr(b"x" * 10_000)
    collector.feed_stderr(b"\nocf-exit-reason:late\n")
    assert collector.reason == "late"


METADATA = """warning: something is missing
<?xml version="1.0"?>
<!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd">
<resource-agent name="Thing" version="2.1">
<version>1.1</version>
<longdesc lang="en">
 First   line
 second
</longdesc>
<shortdesc lang="en">A thing</shortdesc>
<parameters>
<parameter name="ip" unique="1" required="1"><shortdesc lang="en">Address</shortdesc><content type="string" default=""/></parameter>
<parameter name="mode" unique-group="x" reloadable="1">
<content type="select" default="a"><option value="a"/><option value="b"/></content></parameter>
<parameter name="secret" private="1"><deprecated/></parameter>
</parameters>
<actions>
<action name="start" timeout="20s"/>
<action name="monitor" depth="0" timeout="20" interval="10s" start-delay="500ms" role="Promoted"/>
<action name="promote" timeout="1m"/>
<action name="reload-agent" timeout="soon"/>
<action name="on" automatic="1"/>
</actions>
</resource-agent>"""


def test_metadata_is_read_in_both_dialects() -> None:
    data = parse_metadata(METADATA)
    assert (data.name, data.version, data.ocf_version, data.short_description) == (
        "Thing",
        "2.1",
        "1.1",
        "A thing",
    )
    assert data.long_description == "First line\nsecond"
    ip, mode, secret = data.parameters
    assert (ip.required, ip.unique_group, ip.default, ip.reloadable) == (True, "ip", "", False)
    assert (mode.unique_group, mode.reloadable, mode.choices, mode.default) == ("x", True, ("a", "b"), "a")
    assert (secret.private, secret.deprecated, secret.default) == (True, True, None)
    monitor = data.action("monitor")
    assert monitor is not None
    assert (monitor.timeout_ms, monitor.interval_ms, monitor.start_delay_ms) == (20_000, 10_000, 500)
    assert data.promotable
    assert data.reload_action == "reload-agent"
    assert data.restart_parameters == ("ip", "secret")
    assert data.special == {"on.automatic": "1"}
    assert data.action("reload-agent").timeout_ms is None  # type: ignore[union-attr]


def test_agent_that_cannot_reload_restarts_for_every_parameter() -> None:
    data = parse_metadata(METADATA.replace("reload-agent", "reload"))
    assert data.restart_parameters == ("ip", "mode", "secret")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "usage: me",
        "<resource-agent",
        "<?xml version='1.0'?><other/>",
        "<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'b'>]><resource-agent/>",
        "<resource-agent>" + "x" * (1 << 20),
    ],
)
def test_garbage_is_refused_as_metadata(text: str) -> None:
    with pytest.raises(MetadataError):
        parse_metadata(text)


@given(st.text(max_size=200), st.integers(0, len(METADATA)))
def test_mutilated_metadata_either_parses_or_is_refused(garbage: str, at: int) -> None:
    try:
        parse_metadata(METADATA[:at] + garbage + METADATA[at:])
    except MetadataError:
        return


def test_lvm_maps_to_tags_or_to_the_system_id_by_what_the_host_uses() -> None:
    params = {"volgrpname": "vg", "exclusive": "true", "tag": "mine"}
    tagged = lvm_activate_params(params)
    assert tagged.params == {"vgname": "vg", "vg_access_mode": "tagging", "tag": "mine"}
    assert "volume_list" in tagged.note
    by_id = lvm_activate_params(params, system_id_source="uname")
    assert by_id.params == {"vgname": "vg", "vg_access_mode": "system_id"}
    assert "exclusive=false" not in by_id.note
    assert "exclusive=false" in lvm_activate_params({"volgrpname": "vg"}).note


def test_fence_agent_is_told_plug_and_action_and_nothing_of_the_cluster() -> None:
    request = FenceRequest("reboot", "n2", {"ip": "1", "pcmk_host_map": "n2:7", "pcmk_delay_max": "5"})
    assert fence_stdin(request) == "action=reboot\nip=1\nnodename=n2\nplug=7\n"
    own = FenceRequest("off", "n2", {"pcmk_host_argument": "port", "port": "outlet-9"})
    assert fence_stdin(own) == "action=off\nnodename=n2\nport=outlet-9\n"


def test_fence_parameter_cannot_smuggle_in_another_line() -> None:
    with pytest.raises(ValueError, match="can't be handed"):
        fence_stdin(FenceRequest("off", "n2", {"ip": "1\naction=on"}))


@pytest.mark.parametrize(
    ("host_map", "plug"),
    [
        ("n1:1;n2:2", "2"),
        ("n1:1 n2:2,3", "2,3"),
        ("n1:1", "n2"),
        ("", "n2"),
        (";;n2:x", "x"),
        ("n1=1 n2=2", "2"),
        ("n1:1\tn2:2\n", "2"),
        (r"n1:My\ VM\;1;n2:3,5", "3,5"),
        (r"n1:1;n2:My\ VM\;1", "My VM;1"),
        (r"n2:00\:16\=3e", "00:16=3e"),
        (r"n2:C\:\\x", "C:\\x"),
    ],
)
def test_plug_is_found_in_the_host_map(host_map: str, plug: str) -> None:
    assert plug_of("n2", host_map) == plug


@pytest.mark.parametrize("text", ["n1", "n1:", ":1", "n1:00:16:3e", "n1:1=2", "n1\\:1"])
def test_host_map_entry_that_is_no_pair_is_returned_as_unreadable(text: str) -> None:
    assert parse_host_map(f"a:1 {text};b:2") == HostMap((("a", "1"), ("b", "2")), (text,))


@pytest.mark.parametrize("plug", ["My VM;1", "a:b=c", "back\\slash", "\\;", "tab\tand\nline", "3,5"])
def test_host_map_that_is_written_is_read_as_the_same(plug: str) -> None:
    entries = (("n1", plug), ("n2", "2"))
    assert parse_host_map(host_map_text(entries)) == HostMap(entries, ())


@pytest.mark.parametrize(
    ("active", "load", "state"),
    [
        ("active", "loaded", UnitState.RUNNING),
        ("reloading", "loaded", UnitState.RUNNING),
        ("inactive", "loaded", UnitState.STOPPED),
        ("failed", "loaded", UnitState.FAILED),
        ("activating", "loaded", UnitState.CHANGING),
        ("deactivating", "loaded", UnitState.CHANGING),
        ("inactive", "not-found", UnitState.MISSING),
        ("active", "not-found", UnitState.RUNNING),
        ("", "", UnitState.STOPPED),
    ],
)
def test_unit_states_are_read(active: str, load: str, state: UnitState) -> None:
    assert unit_report(unit_properties(f"LoadState={load}\nActiveState={active}\n")).state is state
