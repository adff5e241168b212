"""Judges a configuration before anything of it is started: agents, parameters, operations, addresses, places.

Pure: objects and what nodes know of their agents go in, problems that name the field and the fix come out.
"""

from backstay.verify.agents import AgentBook, Broken
from backstay.verify.as_problems import problems_of
from backstay.verify.constraints import check_constraints
from backstay.verify.fault import Fault
from backstay.verify.nearest import listed, nearest, suggestion
from backstay.verify.safety import check_safety
from backstay.verify.verdict import Findings, Verification, verify, wanted_agents
from backstay.verify.withhold import withhold
from backstay.verify.written import Written, written_resources

__all__ = [
    "AgentBook",
    "Broken",
    "Fault",
    "Findings",
    "Verification",
    "Written",
    "check_constraints",
    "check_safety",
    "listed",
    "nearest",
    "problems_of",
    "suggestion",
    "verify",
    "wanted_agents",
    "withhold",
    "written_resources",
]
