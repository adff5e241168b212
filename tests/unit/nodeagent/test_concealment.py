"""Values of Secrets stay out of what an agent's output becomes."""

from __future__ import annotations

from pathlib import Path

import pytest

from backstay_nodeagent.concealment import conceal
from backstay_nodeagent.orders import SecretRef
from unit.nodeagent.little_agents import Host

REF = SecretRef(namespace="default", name="s", key="k")


async def test_what_a_talkative_agent_prints_of_its_secret_is_blackened(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.agent(
        'echo "login --password $OCF_RESKEY_password"; '
        'echo "ocf-exit-reason:no login with $OCF_RESKEY_password as $OCF_RESKEY_user" >&2; exit 1'
    )
    params = {"password": "open-sesame", "user": "carol"}
    outcome = await host.run(params=params, params_from={"password": REF})
    assert outcome.rc == 1
    assert outcome.reason == "no login with (secret) as carol"
    assert "login --password (secret)" in outcome.output
    assert "open-sesame" not in repr(outcome)


async def test_the_agent_itself_gets_the_value(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.agent('test "$OCF_RESKEY_password" = open-sesame')
    outcome = await host.run(params={"password": "open-sesame"}, params_from={"password": REF})
    assert outcome.rc == 0


@pytest.mark.parametrize(
    ("text", "values", "shown"),
    [
        ("a long-secret b", {"long-secret", "long"}, "a (secret) b"),
        ("-----BEGIN\nabcdef\n-----END", {"abcdef\nghijkl"}, "-----BEGIN\n(secret)\n-----END"),
        ("it is 1 of 1", {"1"}, "it is 1 of 1"),
        ("nothing here", set(), "nothing here"),
        ("trailing word", {"word\n"}, "trailing (secret)"),
    ],
    ids=["longest first", "a line of many", "too short to tell", "none", "line end"],
)
def test_values_are_found_as_they_are_printed(text: str, values: set[str], shown: str) -> None:
    assert conceal(text, values) == shown
