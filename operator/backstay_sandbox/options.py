"""What the user asked of `backstay-sandbox up`, handed to the daemon as JSON."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass

from backstay_sandbox.layout import Layout, layout_of

EMBEDDED, NO_API = "embedded", "none"
DAEMONS = ("agent", "operator")


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """All choices of one sandbox; the defaults are the tutorial's."""

    name: str = "default"
    nodes: int = 3
    api: str = EMBEDDED
    """EMBEDDED, NO_API (hosts alone), a kubeconfig's path, or a URL."""
    daemons: tuple[str, ...] = DAEMONS
    """Which of Backstay's daemons run on the hosts."""
    cluster: bool = True
    """Whether `up` makes the HACluster and the FenceDevice."""

    @property
    def layout(self) -> Layout:
        return layout_of(self.name, self.nodes)

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> SandboxOptions:
        fields = json.loads(text)
        return cls(**{**fields, "daemons": tuple(fields["daemons"])})
