"""A finding about a configuration as the scheduler sees it, before it is known which object or element it was written in."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """`kind` and `subject` say what it is about: a constraint or a resource by its id, or the cluster itself (empty subject).
    `field` is relative to that; `fix` is what to do. An error cannot work, a warning hardly works as meant."""

    kind: Literal["constraint", "resource", "cluster", "node"]
    subject: str
    code: str
    field: str
    message: str
    fix: str
    severity: Literal["error", "warning"] = "warning"

    def __str__(self) -> str:
        where = f"{self.kind} {self.subject}" if self.subject else self.kind
        field = f", {self.field}" if self.field else ""
        return f"{self.severity}: {where}{field}: {self.message}; {self.fix}"
