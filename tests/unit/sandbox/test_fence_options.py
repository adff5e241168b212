"""The sandbox's fence agent on the command line, as people try fence agents out."""

from __future__ import annotations

import pytest

from backstay_sandbox.fence_sandbox import from_options


@pytest.mark.parametrize("password", ["secret", "-secret", "--secret", "a=b"])
def test_value_may_begin_with_a_dash(password: str) -> None:
    for words in (["-p", password], ["--password", password], [f"--password={password}"]):
        given = from_options(["--ip", "10.0.0.2", *words, "-o", "status", "--plug=n2"])
        assert given["password"] == password
        assert (given["ip"], given["plug"], given["action"]) == ("10.0.0.2", "n2", "status")


def test_option_without_its_value_is_refused() -> None:
    with pytest.raises(SystemExit) as caught:
        from_options(["--ip", "10.0.0.2", "-p"])
    assert caught.value.code == 2
