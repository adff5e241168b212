"""Why: for each resource and node the score and what it is made of, what would have to change, and why actions wait for others."""

from backstay.explain.model import ActionReason, Explanation, NodeVerdict, Part, TransitionReasons
from backstay.explain.nowhere import Nowhere, runs_nowhere
from backstay.explain.ordering import explain_actions
from backstay.explain.placement import UnknownResource, explain
from backstay.explain.reasons import short_reason
from backstay.explain.text import explanation_lines, transition_lines, why_not_lines

__all__ = [
    "ActionReason",
    "Explanation",
    "NodeVerdict",
    "Nowhere",
    "Part",
    "TransitionReasons",
    "UnknownResource",
    "explain",
    "explain_actions",
    "explanation_lines",
    "runs_nowhere",
    "short_reason",
    "transition_lines",
    "why_not_lines",
]
