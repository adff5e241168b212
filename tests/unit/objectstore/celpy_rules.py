"""CEL by cel-python: a second opinion on the store's own.

Complete, and slow: it converts the whole value before it looks at it. Refuses, with RuleFailure, what cel-python
cannot compile or evaluate.
"""

import re

import celpy
from celpy import celtypes
from celpy.adapter import json_to_cel

from backstay.objectstore import Json, RuleFailure
from backstay.objectstore.document import MISSING
from backstay.objectstore.schema import RuleResult, Schema

_OLD_SELF = re.compile(r"\boldSelf\b")


class CelpyProgram:
    """One compiled expression."""

    def __init__(self, environment: celpy.Environment, expression: str) -> None:
        self.uses_old_self = _OLD_SELF.search(expression) is not None
        try:
            self._runner = environment.program(environment.compile(expression))
        except (celpy.CELParseError, celpy.CELEvalError, ValueError) as broken:
            raise RuleFailure(str(broken)) from broken

    def evaluate(self, value: Json, old: Json) -> Json:
        activation = {"self": json_to_cel(value)}
        if old is not MISSING:
            activation["oldSelf"] = json_to_cel(old)
        try:
            result = self._runner.evaluate(activation)
        except celpy.CELEvalError as failed:
            raise RuleFailure(str(failed.args[0] if failed.args else failed)) from failed
        if isinstance(result, celtypes.BoolType):
            return bool(result)
        return str(result) if isinstance(result, celtypes.StringType) else result


class CelpyRules:
    """A RuleCompiler on cel-python."""

    def __init__(self) -> None:
        self._environment = celpy.Environment()

    def compile(self, expression: str, schema: Schema, *, yields: RuleResult) -> CelpyProgram:
        return CelpyProgram(self._environment, expression)
