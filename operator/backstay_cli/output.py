"""Objects on stdout: as names, YAML (several separated by ---) or JSON (several as a List)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any


def dump(objects: Sequence[dict[str, Any]], form: str) -> str:
    """The objects in a form: name, yaml or json."""
    if form == "json":
        one: Any = (
            objects[0] if len(objects) == 1 else {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        )
        return json.dumps(one, indent=2)
    if form == "yaml":
        import yaml

        dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
        return "---\n".join(
            yaml.dump(obj, Dumper=dumper, sort_keys=False, default_flow_style=False, allow_unicode=True)
            for obj in objects
        ).rstrip()
    return "\n".join(f"{obj['kind'].lower()}.ha.backstay.io/{obj['metadata']['name']}" for obj in objects)
