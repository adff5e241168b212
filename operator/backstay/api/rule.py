"""Rules in manifests: conditions on node attributes, the date, an agent, an action.

A rule holds expressions and rules; a rule inside a rule holds expressions only, because a CRD's schema cannot refer to itself.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from backstay.api.base import Model
from backstay.api.quantities import Duration


class AgentExpression(Model):
    """Matches resources by their agent; what is left out matches any."""

    standard: str | None = None
    provider: str | None = None
    type: str | None = None


class ActionExpression(Model):
    """Matches operations, in defaults of operations."""

    name: str
    interval: Duration | None = None


class AttributeExpression(Model):
    """A test of a node attribute, of the date, or (in defaults) of an agent or an action."""

    attribute: str | None = None
    operation: (
        Literal["lt", "gt", "lte", "gte", "eq", "ne", "defined", "not_defined", "in_range", "date_spec"]
        | None
    ) = Field(default=None, description="in_range and date_spec are for dates, which know lt and gt too.")
    value: str | None = None
    type: Literal["string", "integer", "number", "version"] | None = None
    value_source: Literal["literal", "param", "meta"] | None = None
    start: str | None = Field(default=None, description="For dates: not before (ISO 8601).")
    end: str | None = Field(default=None, description="For dates: not after (ISO 8601).")
    duration: dict[str, str] | None = Field(
        default=None, max_length=16, description="For dates: instead of end."
    )
    date_spec: dict[str, str] | None = Field(
        default=None, max_length=16, description="For dates: hours: '9-16', weekdays: '1-5'..."
    )
    agent: AgentExpression | None = Field(default=None, description="Only this agent's resources.")
    action: ActionExpression | None = Field(default=None, description="Only this action.")


class InnerRule(Model):
    """A rule inside a rule."""

    boolean_op: Literal["and", "or"] = "and"
    expressions: list[AttributeExpression] = Field(default_factory=list, max_length=32)


class Rule(Model):
    """Holds when all of it holds; with booleanOp or, when any of it does."""

    boolean_op: Literal["and", "or"] = "and"
    expressions: list[AttributeExpression] = Field(default_factory=list, max_length=32)
    rules: list[InnerRule] = Field(default_factory=list, max_length=16)
