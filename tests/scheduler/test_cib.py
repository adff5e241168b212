"""Reading a CIB: what comes out, and that garbage gives our error and nothing else."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backstay.cib import CibError, parse_cib
from backstay.simulate import OpSpec, WhatIf, run, simulate
from backstay.state import INFINITY, Colocation, NoQuorumPolicy, Primitive, Role

CIB = """
<cib have-quorum="1" execution-date="1700000000">
  <configuration>
    <crm_config><cluster_property_set id="o">
      <nvpair id="a" name="stonith-enabled" value="false"/>
      <nvpair id="b" name="no-quorum-policy" value="suicide"/>
    </cluster_property_set></crm_config>
    <nodes><node id="1" uname="n1"/><node id="2" uname="n2"/></nodes>
    <resources>
      <primitive id="ip" class="ocf" provider="heartbeat" type="IPaddr2">
        <instance_attributes id="p"><nvpair id="q" name="ip" value="10.0.0.1"/></instance_attributes>
        <meta_attributes id="m"><nvpair id="r" name="target-role" value="Master"/></meta_attributes>
        <operations><op id="mon" name="monitor" interval="1min" timeout="20s"/></operations>
      </primitive>
      <primitive id="web" class="systemd" type="nginx"/>
    </resources>
    <constraints><rsc_colocation id="c" rsc="web" with-rsc="ip" score="INFINITY"/></constraints>
  </configuration>
  <status>
    <node_state id="1" uname="n1" in_ccm="true" crmd="online" join="member" expected="member">
      <lrm id="1"><lrm_resources>
        <lrm_resource id="ip" class="ocf" provider="heartbeat" type="IPaddr2">
          <lrm_rsc_op id="ip_last_0" operation="start" call-id="2" rc-code="0" op-status="0" interval="0"
                      transition-key="1:1:0:x"/>
        </lrm_resource>
      </lrm_resources></lrm>
    </node_state>
    <node_state id="2" uname="n2" in_ccm="true" crmd="online" join="member" expected="member"/>
  </status>
</cib>
"""


def test_old_and_new_words_are_understood() -> None:
    state = parse_cib(CIB)
    assert not state.properties.fencing_enabled
    assert state.properties.no_quorum_policy is NoQuorumPolicy.FENCE
    first = state.resources[0]
    assert isinstance(first, Primitive)
    assert first.meta.target_role is Role.PROMOTED
    assert first.operations[0].interval_ms == 60_000
    assert state.constraints == (Colocation(id="c", dependent="web", primary="ip", score=INFINITY),)


def test_entities_are_refused() -> None:
    bomb = '<!DOCTYPE cib [<!ENTITY a "aaaa">]><cib>&a;</cib>'
    with pytest.raises(CibError, match="refused"):
        parse_cib(bomb)


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        (
            'class="ocf" provider="heartbeat" type="IPaddr2">\n        <inst',
            'type="x">\n        <inst',
            "class",
        ),
        ('score="INFINITY"', 'score="much"', "score"),
        ('call-id="2"', 'call-id="two"', "call-id"),
        ('id="web"', 'id="ip"', "id"),
    ],
)
def test_an_error_names_the_attribute_at_fault(old: str, new: str, place: str) -> None:
    assert old in CIB
    with pytest.raises(CibError) as caught:
        parse_cib(CIB.replace(old, new))
    assert caught.value.attribute == place
    assert caught.value.element


def test_without_any_time_nothing_is_read() -> None:
    with pytest.raises(CibError, match="execution-date"):
        parse_cib(CIB.replace('execution-date="1700000000"', ""))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_mangled_cib_is_read_or_refused_and_nothing_else(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(CIB)))
    width = data.draw(st.integers(0, 12))
    junk = data.draw(st.text(alphabet='<>"/ =1xINFINITY&;', max_size=8))
    with contextlib.suppress(CibError):
        simulate(parse_cib(CIB[:at] + junk + CIB[at + width :]))


def test_what_if_a_node_is_lost_its_resources_start_on_the_other() -> None:
    outcome = run(parse_cib(CIB), WhatIf(nodes_lost=("n1",)))
    started = {(one.resource, one.node) for one in outcome.execution.actions if one.operation == "start"}
    assert ("ip", "n2") in started


def test_what_if_an_operation_fails_nothing_behind_it_is_done() -> None:
    outcome = run(parse_cib(CIB), WhatIf(fail=(OpSpec.parse("web_start_0@n1=1"),)))
    assert [one.resource for one in outcome.execution.failed] == ["web"]
    assert outcome.execution.actions[-1].resource == "web"
