"""A report item about the configuration: which object, what is wrong, what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One finding. `code` is a CamelCase word fit for a condition's reason; `field` a path such as spec.members[1]."""

    kind: str
    namespace: str
    name: str
    code: str
    message: str
    field: str = ""
    severity: Literal["error", "warning"] = "error"
