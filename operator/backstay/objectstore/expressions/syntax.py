"""CEL's grammar: from text to a tree.

Assumes nothing about the text; refuses, with RuleFailure and the place, what is not CEL, and the few constructs
that rules on JSON values cannot need (bytes, message literals, optional syntax).
"""

import re
from dataclasses import dataclass

from backstay.objectstore.document import Json
from backstay.objectstore.schema import RuleFailure

EXPRESSION_LENGTH_MAX = 8192
DEPTH_MAX = 64


@dataclass(frozen=True, slots=True)
class Literal:
    value: Json


@dataclass(frozen=True, slots=True)
class Name:
    name: str


@dataclass(frozen=True, slots=True)
class Select:
    """`operand.member`; as the argument of has() only a question."""

    operand: "Node"
    member: str


@dataclass(frozen=True, slots=True)
class Index:
    operand: "Node"
    index: "Node"


@dataclass(frozen=True, slots=True)
class Call:
    """A function, a method (`target` set) or a macro."""

    function: str
    target: "Node | None"
    arguments: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """A unary or binary operator, by its symbol."""

    symbol: str
    operands: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Conditional:
    test: "Node"
    yes: "Node"
    no: "Node"


@dataclass(frozen=True, slots=True)
class ListOf:
    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class MapOf:
    entries: tuple[tuple["Node", "Node"], ...]


Node = Literal | Name | Select | Index | Call | Operation | Conditional | ListOf | MapOf


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    text: str
    at: int


_TOKEN = re.compile(
    r"""
      (?P<space>\s+|//[^\n]*)
    | (?P<float>\d+\.\d+(?:[eE][-+]?\d+)?|\d+[eE][-+]?\d+|\.\d+(?:[eE][-+]?\d+)?)
    | (?P<int>0[xX][0-9a-fA-F]+[uU]?|\d+[uU]?)
    | (?P<string>(?:[rR])?(?:\"\"\"(?:\\.|[^\\])*?\"\"\"|'''(?:\\.|[^\\])*?'''|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))
    | (?P<name>[_a-zA-Z][_a-zA-Z0-9]*)
    | (?P<symbol>&&|\|\||==|!=|<=|>=|[-+*/%<>!?:.,()\[\]{}])
    """,
    re.VERBOSE | re.DOTALL,
)

RESERVED = frozenset(
    (
        *("as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop"),
        *("package", "namespace", "return", "var", "void", "while"),
    )
)


def parse(text: str) -> Node:
    """The tree of an expression. Raises RuleFailure."""
    if len(text) > EXPRESSION_LENGTH_MAX:
        raise RuleFailure(f"expression is longer than {EXPRESSION_LENGTH_MAX} characters")
    parser = _Parser(_tokens(text))
    node = parser.expression()
    parser.expect_end()
    return node


def _tokens(text: str) -> list[Token]:
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise RuleFailure(f"Syntax error: unexpected {text[at]!r} at position {at + 1}")
        if found.lastgroup is not None and found.lastgroup != "space":
            tokens.append(Token(found.lastgroup, found.group(), at))
        at = found.end()
    tokens.append(Token("end", "", at))
    return tokens


_LEVELS: tuple[tuple[str, ...], ...] = (
    ("||",),
    ("&&",),
    ("==", "!=", "<", "<=", ">", ">=", "in"),
    ("+", "-"),
    ("*", "/", "%"),
)
"""Binary operators, loosest first; all are left-associative."""


class _Parser:
    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._next
        self._at += 1
        return token

    def _takes(self, text: str) -> bool:
        token = self._next
        if token.text == text and token.kind in ("symbol", "name"):
            self._at += 1
            return True
        return False

    def _fail(self, token: Token) -> RuleFailure:
        shown = token.text or "<EOF>"
        return RuleFailure(f"Syntax error: unexpected {shown!r} at position {token.at + 1}")

    def _expect(self, text: str) -> None:
        if not self._takes(text):
            raise self._fail(self._next)

    def expect_end(self) -> None:
        if self._next.kind != "end":
            raise self._fail(self._next)

    def expression(self) -> Node:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise RuleFailure(f"expression is nested deeper than {DEPTH_MAX} levels")
        test = self._binary(0)
        if self._takes("?"):
            yes = self._binary(0)
            self._expect(":")
            test = Conditional(test, yes, self.expression())
        self._depth -= 1
        return test

    def _binary(self, level: int) -> Node:
        if level == len(_LEVELS):
            return self._unary()
        left = self._binary(level + 1)
        while self._next.text in _LEVELS[level] and self._next.kind in ("symbol", "name"):
            symbol = self._take().text
            left = Operation(symbol, (left, self._binary(level + 1)))
        return left

    def _unary(self) -> Node:
        marks = 0
        symbol = self._next.text if self._next.kind == "symbol" else ""
        if symbol not in ("!", "-"):
            return self._member()
        while self._takes(symbol):
            marks += 1
        operand = self._member()
        if symbol == "-" and isinstance(operand, Literal) and isinstance(operand.value, int | float):
            return Literal(operand.value if marks % 2 == 0 else -operand.value)
        for _ in range(marks % 2 or (2 if symbol == "!" else 0)):
            operand = Operation("not" if symbol == "!" else "negate", (operand,))
        return operand

    def _member(self) -> Node:
        node = self._primary()
        while True:
            if self._takes("."):
                if self._next.text == "?":
                    raise RuleFailure("optional field selection is not supported")
                token = self._take()
                if token.kind != "name":
                    raise self._fail(token)
                is_method = self._takes("(")
                node = (
                    Call(token.text, node, self._list_until(")")) if is_method else Select(node, token.text)
                )
            elif self._takes("["):
                node = Index(node, self.expression())
                self._expect("]")
            else:
                return node

    def _primary(self) -> Node:
        token = self._take()
        match token.kind:
            case "int":
                return Literal(int(token.text.rstrip("uU"), 0))
            case "float":
                return Literal(float(token.text))
            case "string":
                return Literal(_string_value(token))
            case "name":
                return self._named(token)
        match token.text:
            case "(":
                node = self.expression()
                self._expect(")")
                return node
            case "[":
                return ListOf(self._list_until("]"))
            case "{":
                return MapOf(self._entries())
            case ".":
                return self._primary()  # a leading dot names the same variable: there are no containers here
        raise self._fail(token)

    def _named(self, token: Token) -> Node:
        match token.text:
            case "true" | "false":
                return Literal(token.text == "true")
            case "null":
                return Literal(None)
            case "in":
                raise self._fail(token)
        if token.text in RESERVED:
            raise RuleFailure(f"Syntax error: reserved identifier: {token.text}")
        if self._takes("("):
            return Call(token.text, None, self._list_until(")"))
        if self._next.text == "{":
            raise RuleFailure("message literals are not supported")
        return Name(token.text)

    def _list_until(self, end: str) -> tuple[Node, ...]:
        items: list[Node] = []
        while not self._takes(end):
            items.append(self.expression())
            if not self._takes(","):
                self._expect(end)
                break
        return tuple(items)

    def _entries(self) -> tuple[tuple[Node, Node], ...]:
        entries: list[tuple[Node, Node]] = []
        while not self._takes("}"):
            key = self.expression()
            self._expect(":")
            entries.append((key, self.expression()))
            if not self._takes(","):
                self._expect("}")
                break
        return tuple(entries)


_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-3][0-7]{2}|.)", re.DOTALL)
_SIMPLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def _string_value(token: Token) -> str:
    text = token.text
    is_raw = text[0] in "rR"
    text = text[1:] if is_raw else text
    quote = 3 if text.startswith(('"""', "'''")) else 1
    body = text[quote:-quote]
    return body if is_raw else _ESCAPE.sub(_unescaped, body)


def _unescaped(found: re.Match[str]) -> str:
    code = found[1]
    if code[0] in "xuU" and len(code) > 1:
        return chr(int(code[1:], 16))
    if len(code) == 3:
        return chr(int(code, 8))
    if code in _SIMPLE:
        return _SIMPLE[code]
    if code in "\\?\"'`":
        return code
    raise RuleFailure(f"Syntax error: bad escape \\{code}")


# Property names that are no CEL identifiers are written escaped, as Kubernetes documents it.
_ESCAPES = (("__underscores__", "__"), ("__dot__", "."), ("__dash__", "-"), ("__slash__", "/"))
_KEYWORDS = RESERVED | {"true", "false", "null", "in"}


def unescaped(name: str) -> str:
    """The property a selected name means."""
    if "__" not in name:
        return name
    inner = name[2:-2]
    if name.startswith("__") and name.endswith("__") and inner in _KEYWORDS:
        return inner
    for mark, letter in _ESCAPES:
        name = name.replace(mark, letter)
    return name
