"""What the machine lacks is said by name, with the way to get it."""

from __future__ import annotations

from pathlib import Path

from backstay_sandbox.requirements import ALL, Requirement, explain, missing, packages_of


def test_a_missing_command_and_a_missing_file_are_found(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.touch()
    command = Requirement("no-such-command-anywhere", "some-package", "a purpose")
    file = Requirement(str(tmp_path / "absent"), "", "another purpose")
    assert missing([command, Requirement(str(there), "", ""), Requirement("sh", "dash", ""), file]) == [
        command,
        file,
    ]


def test_explanation_names_thing_purpose_and_command() -> None:
    text = explain(
        [Requirement("mkfs.none", "nonefs", "the disk"), Requirement("/dev/none", "", "the kernel")]
    )
    for part in ("mkfs.none", "for the disk", "/dev/none", "apt-get install --no-install-recommends nonefs"):
        assert part in text


def test_packages_are_listed_once_and_in_order() -> None:
    packages = packages_of(ALL)
    assert packages == sorted(set(packages))
    assert {"apache2", "iproute2", "resource-agents", "xfsprogs"} <= set(packages)
