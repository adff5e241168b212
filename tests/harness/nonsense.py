"""Schema-valid nonsense: objects drawn from the CRDs' own schemas, with the oddest values that these allow.

Only what the structural schema demands is kept: types, enums, patterns, required fields and maxima. References often name what is
there, so that the nonsense gets far into the scheduler.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from backstay.api import Resource
from backstay.api.crd import custom_resource_definition

Schema = dict[str, Any]
Obj = dict[str, Any]

NUMBERS = (
    "²",
    "٣",
    "9" * 19,
    "9" * 310,
    "1e999",
    "-1e999",
    "nan",
    "0x10",
    "-0",
    "1_0",
    "1.²",
    "00",
    "-",
    "+",
)
TIMES = ("tomorrow", "0001-01-01", "9999-12-31T23:59:59Z", "2026-02-30", "2026-01-01T00:00:00+23:59", "1")
TEXTS = (
    "",
    " ",
    "\x00",
    "\x1b[31m",
    "\u202e",
    "é" * 30,
    "'\"`$(reboot)",
    "{{ x }}",
    "a\nb",
    "%0%9%",
    "%",
    "null",
    "!",
    "*",
)
PATTERNS = (".*" * 40 + "x", "(a+)+$", "(", "[", "!.*", "(.)(.)(.)", "a{1000}", "^$", "\\p{Greek}", "(?i)R")
IDS = (
    "r0",
    "r1",
    "r2",
    "r3",
    "g0",
    "c0",
    "n1",
    "n2",
    "n3",
    "a",
    "r0-clone",
    "ocf:heartbeat:Dummy",
    "default",
)
SPELLED = (
    *("30s", "0", "0s", "1ms", "99999999999d", "P9999999999D", "PT1M", "INFINITY", "-INFINITY", "+1", "-1"),
    *("ocf:heartbeat:Dummy", "systemd:x", "stonith:fence_x", "service:a", "lsb:b", "/dev/watchdog", "*"),
)
DATES = (
    "2026-01-01T00:00:00Z",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:60Z",
    "2026-01-01t00:00:00.123456789+14:00",
)
POOL = (*NUMBERS, *TIMES, *TEXTS, *PATTERNS, *IDS, *SPELLED)


@lru_cache
def fitting(pattern: str, least: int, most: int) -> list[str]:
    """What of the pool a schema accepts."""
    return [one for one in POOL if least <= len(one) <= most and re.search(pattern, one)]


@lru_cache
def schema_of(kind: type[Resource]) -> Schema:
    """The structural schema of a kind."""
    version = custom_resource_definition(kind)["spec"]["versions"][0]
    schema: Schema = version["schema"]["openAPIV3Schema"]
    return schema


class Nonsense:
    """Draws objects. The same dice, the same objects."""

    def __init__(self, dice: random.Random, *, dense: float = 0.35) -> None:
        self._dice = dice
        self._dense = dense

    def thing(self, kind: type[Resource], name: str, *, parts: Sequence[str] = ("spec",)) -> Obj:
        """One object; `parts` says whether it has a status, too."""
        properties = schema_of(kind)["properties"]
        metadata: Obj = {
            "name": name,
            "uid": f"{kind.info.kind}-{name}",
            "resourceVersion": "1",
            "generation": 1,
        }
        if kind.info.namespaced:
            metadata["namespace"] = "default"
        if self._dice.random() < 0.3:
            metadata["annotations"] = {"ha.backstay.io/position": self._dice.choice(NUMBERS)}
        return {"metadata": metadata, **{part: self.value(properties[part]) for part in parts}}

    def value(self, schema: Schema, depth: int = 0) -> Any:
        """A value that the schema accepts."""
        dice = self._dice
        if "enum" in schema:
            return dice.choice(schema["enum"])
        if schema.get("x-kubernetes-int-or-string"):
            return self._whole(schema) if dice.random() < 0.3 else self._text(schema)
        match schema.get("type"):
            case "object" if "properties" in schema:
                return self._object(schema, depth)
            case "object":
                return self._map(schema, depth)
            case "array":
                length = self._count(schema.get("minItems", 0), schema["maxItems"])
                return [self.value(schema["items"], depth + 1) for _ in range(length)]
            case "boolean":
                return dice.random() < 0.5
            case "integer":
                return self._whole(schema)
            case "number":
                return float(self._whole(schema)) + dice.choice([0.0, 0.5])
            case _:
                return self._text(schema)

    def _count(self, low: int, high: int) -> int:
        return max(low, min(high, self._dice.choice([0, 1, 1, 2, 3])))

    def _object(self, schema: Schema, depth: int) -> Obj:
        required = schema.get("required", ())
        dense = self._dense if depth < 4 else self._dense / 2
        return {
            name: self.value(child, depth + 1)
            for name, child in schema["properties"].items()
            if name in required or self._dice.random() < dense
        }

    def _map(self, schema: Schema, depth: int) -> Obj:
        inside = schema["additionalProperties"]
        keys = [*IDS, "hours", "years", "months", "weekdays", "#health-x", "master-r0", *TEXTS]
        count = self._count(0, schema["maxProperties"])
        return {self._dice.choice(keys): self.value(inside, depth + 1) for _ in range(count)}

    def _whole(self, schema: Schema) -> int:
        low, high = schema["minimum"], schema["maximum"]
        return int(min(high, max(low, self._dice.choice([low, high, 0, 1, 2, 3, 1000, high // 2]))))

    def _text(self, schema: Schema) -> str:
        if schema.get("format") == "date-time":
            return self._dice.choice(DATES)
        least, most = schema.get("minLength", 0), schema["maxLength"]
        fits = fitting(schema.get("pattern", ""), least, most)
        if self._dice.random() < 0.05 and not schema.get("pattern"):
            return self._dice.choice("9x²é") * most
        return self._dice.choice(fits) if fits else "a" * max(1, least)


def with_one_kind(spec: Obj, names: Sequence[str], dice: random.Random) -> Obj:
    """The spec with exactly one of these fields, as CEL rules demand it."""
    present = [name for name in names if name in spec]
    chosen = dice.choice(present) if present else None
    return {name: value for name, value in spec.items() if name not in names or name == chosen}
