"""What is built from is known by its hash: uv, and the base of the images."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
DIGEST = "sha256:" + "0123456789abcdef" * 4
DOCKERFILES = ("operator/Dockerfile", "nodeagent/Dockerfile")


def test_uv_is_one_version_with_a_hash_of_each_file() -> None:
    text = (ROOT / "tools/uv.txt").read_text()
    assert len(re.findall(r"^uv==\d+\.\d+\.\d+ \\$", text, re.MULTILINE)) == 1
    assert re.findall(r"--hash=sha256:[0-9a-f]{64}\b", text)


@pytest.mark.parametrize("name", [*DOCKERFILES, "tools/bootstrap.sh"])
def test_nothing_is_installed_by_pip_without_hashes(name: str) -> None:
    lines = [
        line
        for line in (ROOT / name).read_text().splitlines()
        if "pip install" in line or '/pip" install' in line
    ]
    assert lines
    assert all("--require-hashes" in line and re.search(r"-r \S*uv\.txt", line) for line in lines)


@pytest.mark.parametrize("name", DOCKERFILES)
def test_every_stage_stands_on_the_base_that_was_given(name: str) -> None:
    text = (ROOT / name).read_text()
    assert re.findall(r"^FROM (\S+)", text, re.MULTILINE) == ["${BASE}", "${BASE}"]
    assert re.findall(r"^ARG (.*)", text, re.MULTILINE) == ["BASE", "BASE"]


@pytest.mark.parametrize("name", DOCKERFILES)
@pytest.mark.parametrize(
    ("base", "status"),
    [
        (f"python:3.11-slim@{DIGEST}", 0),
        (f"registry.example.com:5000/python@{DIGEST}", 0),
        ("localhost/backstay-base:bookworm", 0),
        ("python:3.11-slim-bookworm", 1),
        ("python@sha256:123", 1),
        ("localhost:5000/python:3.11", 1),
        ("", 1),
    ],
)
def test_build_ends_where_its_base_has_no_digest(name: str, base: str, status: int) -> None:
    check = re.search(r"^RUN (case .*?esac)$", (ROOT / name).read_text(), re.MULTILINE | re.DOTALL)
    assert check is not None
    done = subprocess.run(["sh", "-c", check[1]], env={"BASE": base}, check=False, capture_output=True)
    assert done.returncode == status


@pytest.mark.parametrize(
    "given",
    [
        {"RELEASE": "1"},
        {"RELEASE": "1", "BASE": "localhost/backstay-base:bookworm"},
        {"RELEASE": "1", "BASE": "python:3.11-slim-bookworm"},
        {"BASE": "python:3.11-slim-bookworm"},
        {"BASE": "python@sha256:" + "0" * 63 + "x"},
    ],
    ids=str,
)
def test_images_are_built_for_nobody_on_a_base_without_digest(given: dict[str, str]) -> None:
    done = run_images(given)
    assert done.returncode == 1
    assert "name the base by its digest" in done.stderr


@pytest.mark.parametrize("given", [{}, {"BASE": f"python@{DIGEST}", "RELEASE": "1"}], ids=str)
def test_other_bases_are_taken(given: dict[str, str], tmp_path: Path) -> None:
    # Without any tool in PATH but those that the script begins with, it ends where it would begin to build.
    for tool in ("sed", "dirname"):
        (tmp_path / tool).symlink_to(f"/bin/{tool}" if os.path.exists(f"/bin/{tool}") else f"/usr/bin/{tool}")
    done = run_images({**given, "PATH": str(tmp_path)})
    assert "missing: buildah" in done.stderr


def run_images(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """tools/images.sh."""
    return subprocess.run(
        ["/bin/sh", str(ROOT / "tools/images.sh")],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
