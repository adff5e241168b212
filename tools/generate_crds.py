"""Write crds/*.yaml from the models; `--check` only compares and fails on a difference."""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

from backstay.api import KINDS
from backstay.api.crd import custom_resource_definition

FOLDER = Path(__file__).resolve().parent.parent / "crds"
HEADER = "# Generated from backstay.api by `make crds`; do not edit.\n"


def rendered() -> dict[str, str]:
    """File name -> text."""
    files = {}
    for kind in KINDS:
        crd = custom_resource_definition(kind)
        text = yaml.safe_dump(crd, sort_keys=False, width=110)
        files[f"{crd['metadata']['name']}.yaml"] = HEADER + text
    return files


def main() -> int:
    """0 when crds/ is as generated."""
    files = rendered()
    if "--check" in sys.argv[1:]:
        present = {path.name: path.read_text() for path in sorted(FOLDER.glob("*.yaml"))}
        stale = sorted(name for name in files.keys() | present.keys() if files.get(name) != present.get(name))
        for name in stale:
            print(f"crds/{name} is not what the models say; run `make crds` and commit", file=sys.stderr)
        return 1 if stale else 0
    FOLDER.mkdir(exist_ok=True)
    for path in FOLDER.glob("*.yaml"):
        if path.name not in files:
            path.unlink()
    for name, text in files.items():
        (FOLDER / name).write_text(text)
    print(f"wrote {len(files)} CRDs to crds/")
    return 0


if __name__ == "__main__":
    sys.exit(main())
