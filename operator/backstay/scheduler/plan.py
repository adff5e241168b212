"""What the planning of actions has to go on: the situation, the placement, and the set it fills."""

from dataclasses import dataclass, field

from backstay.scheduler.actions import Act, ActionSet
from backstay.scheduler.failures import FailureLedger
from backstay.scheduler.situation import NodeView, Resource, Situation
from backstay.state.choices import NoQuorumPolicy, Role


@dataclass(frozen=True, slots=True)
class Placement:
    """Where every primitive shall be, and in which role. None: nowhere."""

    node: dict[Resource, NodeView | None]
    role: dict[Resource, Role]


@dataclass(slots=True)
class Plan:
    """Filled by the planning functions, in the order of `schedule`."""

    situation: Situation
    placement: Placement
    ledger: FailureLedger
    actions: ActionSet = field(default_factory=ActionSet)
    fencing: dict[str, Act] = field(default_factory=dict)  # by node name
    unfencing: list[Act] = field(default_factory=list)
    after_stop_of: dict[Resource, list[Act]] = field(
        default_factory=dict
    )  # if there were one: it is not known to run

    @property
    def quorate(self) -> bool:
        return self.situation.state.have_quorum

    @property
    def quorum_lost(self) -> NoQuorumPolicy | None:
        """The policy that is in force because quorum is lost; None if nothing is."""
        policy = self.situation.properties.no_quorum_policy
        if self.quorate or policy is NoQuorumPolicy.IGNORE:
            return None
        return policy

    @property
    def stops_for_quorum(self) -> bool:
        """Whether the lack of quorum stops what runs, and starts nothing."""
        return self.quorum_lost in (NoQuorumPolicy.STOP, NoQuorumPolicy.DEMOTE, NoQuorumPolicy.FENCE)

    def target(self, resource: Resource) -> NodeView | None:
        return self.placement.node.get(resource)
