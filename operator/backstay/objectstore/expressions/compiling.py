"""From a CEL tree to a closure: every node becomes a function of the frame that holds the variables.

Assumes JSON values in `self` and `oldSelf`. Refuses, with RuleFailure, unknown names and functions when compiling,
and what the values do not allow when evaluating. As in CEL, `&&` and `||` forgive an error on one side when the
other side decides, and so do `all` and `exists` over their items.
"""

from collections.abc import Callable
from typing import assert_never

from backstay.objectstore.document import MISSING, Json
from backstay.objectstore.expressions import functions
from backstay.objectstore.expressions.checking import Kind, check
from backstay.objectstore.expressions.syntax import (
    Call,
    Conditional,
    Index,
    ListOf,
    Literal,
    MapOf,
    Name,
    Node,
    Operation,
    Select,
    parse,
    unescaped,
)
from backstay.objectstore.schema import RuleFailure, RuleResult, Schema

Frame = list[Json]
Code = Callable[[Frame], Json]

_SELF, _OLD_SELF = 0, 1


class CelProgram:
    """One compiled expression."""

    __slots__ = ("_code", "_slots", "uses_old_self")

    def __init__(self, tree: Node) -> None:
        compiler = _Compiler()
        self._code = compiler.code(tree, {"self": _SELF, "oldSelf": _OLD_SELF})
        self._slots = compiler.slots
        self.uses_old_self = compiler.uses_old_self

    def evaluate(self, value: Json, old: Json) -> Json:
        """The expression's value. Raises RuleFailure."""
        frame: Frame = [value, old]
        frame.extend([None] * (self._slots - 2))
        try:
            return self._code(frame)
        except RecursionError as deep:
            raise RuleFailure("the value is nested too deeply") from deep


class CelRules:
    """A RuleCompiler; keeps nothing, the store keeps what it compiled."""

    def compile(self, expression: str, schema: Schema, *, yields: RuleResult) -> CelProgram:
        """Raises RuleFailure."""
        tree = parse(expression)
        program = CelProgram(tree)
        check(tree, schema, wanted=Kind.BOOL if yields is RuleResult.VERDICT else Kind.STRING)
        return program


class _Compiler:
    def __init__(self) -> None:
        self.slots = 2
        self.uses_old_self = False

    def code(self, node: Node, scope: dict[str, int]) -> Code:
        match node:
            case Literal(value):
                return lambda frame: value
            case Name(name):
                return self._variable(name, scope)
            case Select(operand, name):
                inner, key = self.code(operand, scope), unescaped(name)
                return lambda frame: functions.member(inner(frame), key)
            case Index(operand, index):
                inner, at = self.code(operand, scope), self.code(index, scope)
                return lambda frame: functions.item(inner(frame), at(frame))
            case Operation(symbol, operands):
                return _operation(symbol, [self.code(operand, scope) for operand in operands])
            case Conditional(test, yes, no):
                return _conditional(self.code(test, scope), self.code(yes, scope), self.code(no, scope))
            case ListOf(items):
                codes = [self.code(item, scope) for item in items]
                return lambda frame: [code(frame) for code in codes]
            case MapOf(entries):
                pairs = [(self.code(key, scope), self.code(value, scope)) for key, value in entries]
                return lambda frame: {key(frame): value(frame) for key, value in pairs}
            case Call():
                return self._call(node, scope)
            case _:
                assert_never(node)

    def _variable(self, name: str, scope: dict[str, int]) -> Code:
        slot = scope.get(name)
        if slot is None:
            raise RuleFailure(f"undeclared reference to '{name}'")
        if slot == _OLD_SELF:
            self.uses_old_self = True
            return _old_self
        return lambda frame: frame[slot]

    def _call(self, node: Call, scope: dict[str, int]) -> Code:
        if node.target is None and node.function == "has":
            return self._has(node, scope)
        if node.target is not None and node.function in _MACRO_ARGUMENTS:
            return self._macro(node, node.target, scope)
        table = functions.FUNCTIONS if node.target is None else functions.METHODS
        function = table.get(node.function)
        if function is None:
            raise RuleFailure(f"undeclared reference to '{node.function}'")
        operands = (node.target, *node.arguments) if node.target is not None else node.arguments
        codes = [self.code(operand, scope) for operand in operands]
        self._check_pattern(node)
        return _function_call(node.function, function, codes)

    @staticmethod
    def _check_pattern(node: Call) -> None:
        """A constant pattern that is no regular expression fails when compiling, as it should."""
        if node.function == "matches" and node.arguments and isinstance(node.arguments[-1], Literal):
            functions.pattern_of(str(node.arguments[-1].value))

    def _has(self, node: Call, scope: dict[str, int]) -> Code:
        if len(node.arguments) != 1 or not isinstance(node.arguments[0], Select):
            raise RuleFailure("invalid argument to has() macro")
        select = node.arguments[0]
        inner, key = self.code(select.operand, scope), unescaped(select.member)

        def has(frame: Frame) -> bool:
            value = inner(frame)
            if not isinstance(value, dict):
                raise functions.no_overload("has")
            return key in value

        return has

    def _macro(self, node: Call, target: Node, scope: dict[str, int]) -> Code:
        counts = _MACRO_ARGUMENTS[node.function]
        if len(node.arguments) not in counts or not isinstance(node.arguments[0], Name):
            raise RuleFailure(f"invalid arguments to the macro {node.function}()")
        slot = self.slots
        self.slots += 1
        inner = {**scope, node.arguments[0].name: slot}
        steps = [self.code(argument, inner) for argument in node.arguments[1:]]
        each = _each(self.code(target, scope), slot, node.function)
        match node.function:
            case "all":
                return _quantifier(each, steps[0], decisive=False)
            case "exists":
                return _quantifier(each, steps[0], decisive=True)
            case "exists_one" | "existsOne":
                return lambda frame: sum(_truth(steps[0](frame)) for _ in each(frame)) == 1
            case "filter":
                return lambda frame: [value for value in each(frame) if _truth(steps[0](frame))]
        if len(steps) == 1:
            return lambda frame: [steps[0](frame) for _ in each(frame)]
        return lambda frame: [steps[1](frame) for _ in each(frame) if _truth(steps[0](frame))]


_MACRO_ARGUMENTS = {
    "all": (2,),
    "exists": (2,),
    "exists_one": (2,),
    "existsOne": (2,),
    "filter": (2,),
    "map": (2, 3),
}


def _old_self(frame: Frame) -> Json:
    if frame[_OLD_SELF] is MISSING:
        raise RuleFailure("oldSelf is not set")
    return frame[_OLD_SELF]


def _truth(value: Json) -> bool:
    if not isinstance(value, bool):
        raise functions.no_overload("bool")
    return value


def _each(source: Code, slot: int, name: str) -> Callable[[Frame], "_Items"]:
    def items(frame: Frame) -> _Items:
        values = source(frame)
        if not isinstance(values, list | dict):
            raise functions.no_overload(name)
        return _Items(list(values), slot, frame)

    return items


class _Items:
    """Iterates a list (or a map's keys), putting each item into its variable's slot."""

    __slots__ = ("_at", "_frame", "_slot", "_values")

    def __init__(self, values: list[Json], slot: int, frame: Frame) -> None:
        self._values = values
        self._slot = slot
        self._frame = frame
        self._at = 0

    def __iter__(self) -> "_Items":
        return self

    def __next__(self) -> Json:
        if self._at >= len(self._values):
            raise StopIteration
        value = self._values[self._at]
        self._at += 1
        self._frame[self._slot] = value
        return value


def _quantifier(each: Callable[[Frame], _Items], test: Code, *, decisive: bool) -> Code:
    """all (decided by the first false) or exists (decided by the first true)."""

    def quantified(frame: Frame) -> bool:
        failure: RuleFailure | None = None
        for _ in each(frame):
            try:
                if _truth(test(frame)) is decisive:
                    return decisive
            except RuleFailure as failed:
                failure = failure or failed
        if failure is not None:
            raise failure
        return not decisive

    return quantified


def _junction(left: Code, right: Code, *, decisive: bool) -> Code:
    """`||` (decided by true) or `&&` (decided by false)."""

    def joined(frame: Frame) -> bool:
        try:
            if _truth(left(frame)) is decisive:
                return decisive
        except RuleFailure:
            if _truth(right(frame)) is decisive:
                return decisive
            raise
        return _truth(right(frame))

    return joined


def _conditional(test: Code, yes: Code, no: Code) -> Code:
    return lambda frame: yes(frame) if _truth(test(frame)) else no(frame)


def _function_call(name: str, function: functions.Function, codes: list[Code]) -> Code:
    def call(frame: Frame) -> Json:
        values = [code(frame) for code in codes]
        try:
            return function(*values)
        except (TypeError, AttributeError) as misfit:
            # The wrong number or kind of arguments: CEL knows no such overload either.
            raise functions.no_overload(name) from misfit

    return call


def _operation(symbol: str, codes: list[Code]) -> Code:
    if len(codes) == 1:
        inner = codes[0]
        if symbol == "not":
            return lambda frame: not _truth(inner(frame))
        return lambda frame: functions.negate(inner(frame))
    left, right = codes
    match symbol:
        case "||":
            return _junction(left, right, decisive=True)
        case "&&":
            return _junction(left, right, decisive=False)
        case "==":
            return lambda frame: functions.equal(left(frame), right(frame))
        case "!=":
            return lambda frame: not functions.equal(left(frame), right(frame))
        case "<":
            return lambda frame: functions.compare(left(frame), right(frame), "<") < 0
        case "<=":
            return lambda frame: functions.compare(left(frame), right(frame), "<=") <= 0
        case ">":
            return lambda frame: functions.compare(left(frame), right(frame), ">") > 0
        case ">=":
            return lambda frame: functions.compare(left(frame), right(frame), ">=") >= 0
        case "in":
            return lambda frame: functions.contains(left(frame), right(frame))
    arithmetic = _ARITHMETIC[symbol]
    return lambda frame: arithmetic(left(frame), right(frame))


_ARITHMETIC: dict[str, Callable[[Json, Json], Json]] = {
    "+": functions.add,
    "-": functions.subtract,
    "*": functions.multiply,
    "/": functions.divide,
    "%": functions.modulo,
}
