"""What a host says it can run, and that it notices when that changes."""

from __future__ import annotations

import os
from pathlib import Path

from backstay_nodeagent.capabilities import capabilities, stamp
from backstay_nodeagent.invocation import HostPaths


def install(root: Path, name: str, *, mode: int = 0o755) -> None:
    path = root / "resource.d" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(mode)


def paths(root: Path) -> HostPaths:
    return HostPaths(ocf_root=str(root), path=str(root / "sbin"), init_directory=str(root / "init.d"))


def test_only_what_can_be_executed_is_an_agent(tmp_path: Path) -> None:
    install(tmp_path, "acme/good")
    install(tmp_path, "acme/notes.sh")
    install(tmp_path, "acme/data", mode=0o644)
    assert capabilities(paths(tmp_path))["agents"] == ["ocf:acme:good"]


def test_stamp_changes_with_an_agent_in_a_known_or_a_new_provider(tmp_path: Path) -> None:
    install(tmp_path, "acme/one")
    os.utime(tmp_path / "resource.d/acme", (1, 1))
    os.utime(tmp_path / "resource.d", (1, 1))
    first = stamp(paths(tmp_path))
    assert stamp(paths(tmp_path)) == first
    install(tmp_path, "acme/two")
    second = stamp(paths(tmp_path))
    assert second != first
    os.utime(tmp_path / "resource.d", (1, 1))
    install(tmp_path, "other/three")
    assert stamp(paths(tmp_path)) != second


def test_host_without_any_of_the_directories_has_a_stamp(tmp_path: Path) -> None:
    assert stamp(paths(tmp_path)) == ()
