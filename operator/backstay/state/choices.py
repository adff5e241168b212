"""The finite choices of a cluster's configuration and status, under Pacemaker's own words.

The value of each member is the word used in a CIB, so that a reader can say `OnFail(word)` and a writer
`.value`. Renamed words (Master, Slave, suicide) are the reader's business, not listed here.
"""

from enum import Enum


class Role(Enum):
    """What an instance of a resource is, or shall be, doing on a node."""

    UNKNOWN = "Unknown"
    STOPPED = "Stopped"
    STARTED = "Started"
    UNPROMOTED = "Unpromoted"
    PROMOTED = "Promoted"


class NodeKind(Enum):
    MEMBER = "member"
    REMOTE = "remote"
    PING = "ping"


class OnFail(Enum):
    """What a failed operation calls for."""

    IGNORE = "ignore"
    BLOCK = "block"
    STOP = "stop"
    DEMOTE = "demote"
    RESTART = "restart"
    STANDBY = "standby"
    FENCE = "fence"
    RESTART_CONTAINER = "restart-container"


class Requires(Enum):
    """What must hold before a resource may be started."""

    NOTHING = "nothing"
    QUORUM = "quorum"
    FENCING = "fencing"
    UNFENCING = "unfencing"


WITHOUT_FENCING = (Requires.NOTHING, Requires.QUORUM)
"""Such a resource has been stopped by the time the lease of a node that was cut off runs out."""


class MultipleActive(Enum):
    """What to do when a resource that may be active once is found active on several nodes."""

    BLOCK = "block"
    STOP_ONLY = "stop_only"
    STOP_START = "stop_start"
    STOP_UNEXPECTED = "stop_unexpected"


class NoQuorumPolicy(Enum):
    IGNORE = "ignore"
    FREEZE = "freeze"
    STOP = "stop"
    DEMOTE = "demote"
    FENCE = "fence"


class OrderKind(Enum):
    MANDATORY = "Mandatory"
    OPTIONAL = "Optional"
    SERIALIZE = "Serialize"


class OrderAction(Enum):
    START = "start"
    STOP = "stop"
    PROMOTE = "promote"
    DEMOTE = "demote"


class Discovery(Enum):
    """Whether a node is probed for a resource that a location constraint names (`resource-discovery`)."""

    ALWAYS = "always"
    NEVER = "never"
    EXCLUSIVE = "exclusive"


class LossPolicy(Enum):
    """What happens to a resource whose ticket is revoked."""

    STOP = "stop"
    DEMOTE = "demote"
    FENCE = "fence"
    FREEZE = "freeze"


class HealthStrategy(Enum):
    NONE = "none"
    MIGRATE_ON_RED = "migrate-on-red"
    ONLY_GREEN = "only-green"
    PROGRESSIVE = "progressive"
    CUSTOM = "custom"


class PlacementStrategy(Enum):
    DEFAULT = "default"
    UTILIZATION = "utilization"
    MINIMAL = "minimal"
    BALANCED = "balanced"


class OpStatus(Enum):
    """How an operation ended, as its executor saw it (Pacemaker's op-status)."""

    PENDING = -1
    DONE = 0
    CANCELLED = 1
    TIMEOUT = 2
    NOT_SUPPORTED = 3
    ERROR = 4
    ERROR_HARD = 5
    ERROR_FATAL = 6
    NOT_INSTALLED = 7
    NOT_CONNECTED = 8
    INVALID = 9
    NO_FENCE_DEVICE = 12
    NO_SECRETS = 13
    UNKNOWN = -2


class ValueType(Enum):
    """How a rule compares two values."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    VERSION = "version"


class Comparison(Enum):
    LT = "lt"
    LTE = "lte"
    GT = "gt"
    GTE = "gte"
    EQ = "eq"
    NE = "ne"
    DEFINED = "defined"
    NOT_DEFINED = "not_defined"


class ValueSource(Enum):
    """Where the right side of an attribute expression comes from."""

    LITERAL = "literal"
    PARAM = "param"
    META = "meta"


class DateOperation(Enum):
    LT = "lt"
    GT = "gt"
    IN_RANGE = "in_range"
    DATE_SPEC = "date_spec"
