"""What own-kernel hosts are made of, as far as no kernel is needed to tell."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from backstay_sandbox.hosts import HostError
from backstay_sandbox.options import HostKind, SandboxOptions, VolumeOwnership
from backstay_sandbox.uml import bed, machine
from backstay_sandbox.uml.lvm import lvm_conf
from backstay_sandbox.uml.machine import python_trees


def test_without_a_cached_bed_the_user_is_told_how_to_get_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert bed.cached_bed() is None
    with pytest.raises(bed.BedError, match=r"python -m backstay_sandbox\.uml --prepare"):
        bed.existing_bed()


def test_an_unfinished_bed_is_no_bed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (bed.cache_directory() / "building-x" / "bed").mkdir(parents=True)
    assert bed.cached_bed() is None
    (bed.cache_directory() / bed.bed_digest()).mkdir()
    assert bed.cached_bed() is not None


def test_forgetting_removes_every_bed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in (bed.bed_digest(), "0123456789ab"):
        (bed.cache_directory() / name).mkdir(parents=True)
    assert bed.forget() == sorted([bed.bed_digest(), "0123456789ab"])
    assert bed.cached_bed() is None


def test_tags_and_system_ids_exclude_each_other() -> None:
    by_tags = lvm_conf(VolumeOwnership.TAGS, disk="/dev/ubdb")
    by_id = lvm_conf(VolumeOwnership.SYSTEM_ID, disk="/dev/ubdb")
    assert "volume_list" in by_tags
    assert 'system_id_source = "none"' in by_tags
    assert "volume_list" not in by_id
    assert 'system_id_source = "uname"' in by_id
    assert "volume_list" not in lvm_conf(VolumeOwnership.TAGS, disk="/dev/ubdb", restricted=False)


def test_guests_see_the_interpreter_and_the_code_but_keep_their_own_usr() -> None:
    trees = python_trees()
    package_root = str(Path(machine.__file__).resolve().parents[2])
    assert any(package_root == tree or package_root.startswith(f"{tree}/") for tree in trees)
    if not sys.prefix.startswith("/usr/"):
        assert any(sys.prefix == tree or sys.prefix.startswith(f"{tree}/") for tree in trees)
    assert "/usr" not in trees
    assert "/" not in trees


def test_no_tree_is_mounted_over_a_part_of_another() -> None:
    trees = python_trees()
    assert not [(one, other) for one in trees for other in trees if one.startswith(f"{other}/")]


def test_a_path_that_cannot_be_mounted_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    awkward = tmp_path / "a, b"
    awkward.mkdir()
    monkeypatch.setattr(sys, "path", [*sys.path, str(awkward)])
    with pytest.raises(HostError, match="a, b"):
        python_trees()


def test_options_survive_the_way_to_the_daemon() -> None:
    options = SandboxOptions(name="one", hosts=HostKind.UML, ownership=VolumeOwnership.SYSTEM_ID)
    assert SandboxOptions.from_json(options.to_json()) == options
