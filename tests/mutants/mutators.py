"""What is changed: for each kind of node, the small mistakes that somebody could make there.

What no test should hold to the letter is left alone: annotations, docstrings, what is logged, and sentences.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from itertools import pairwise

from tests.mutants.mutation import Mutation
from tests.mutants.source import Source

Change = tuple[int, int, str, str]
"""The first byte, the byte after the last, what stands there instead, and the kind of mistake."""

_COMPARISONS: dict[type[ast.cmpop], tuple[str, ...]] = {
    ast.Lt: ("<=", ">="),
    ast.LtE: ("<", ">"),
    ast.Gt: (">=", "<="),
    ast.GtE: (">", "<"),
    ast.Eq: ("!=",),
    ast.NotEq: ("==",),
    ast.Is: ("is not",),
    ast.IsNot: ("is",),
    ast.In: ("not in",),
    ast.NotIn: ("in",),
}
_ARITHMETIC: dict[type[ast.operator], str] = {
    ast.Add: "-",
    ast.Sub: "+",
    ast.Mult: "/",
    ast.Div: "*",
    ast.FloorDiv: "*",
    ast.Mod: "*",
    ast.BitAnd: "|",
    ast.BitOr: "&",
}
_TWINS = {"min": "max", "max": "min", "any": "all", "all": "any", "startswith": "endswith", "endswith": "startswith"}
# The lesser of two is the same one the other way round.
_IN_ANY_ORDER = frozenset({"min", "max"})
_PROSE = frozenset({"description", "title", "help", "prog", "examples"})
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def mutations_of(path: str, content: bytes) -> list[Mutation]:
    """Every mutation of a file, in the order of the file; few of them are no Python any more."""
    return sorted(set(_Walk(Source(path, content)).mutations()))


class _Walk:
    """Goes down a tree, knowing the statement and the function that it is in."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def mutations(self) -> Iterator[Mutation]:
        yield from self._below(self._source.tree, None, in_function=False)

    def _below(self, node: ast.AST, statement: ast.stmt | None, *, in_function: bool) -> Iterator[Mutation]:
        for child in _worth_a_look(node):
            inner = child if isinstance(child, ast.stmt) else statement
            inside = (
                in_function or (isinstance(node, _FUNCTIONS) and child in node.body) or isinstance(node, ast.Lambda)
            )
            if inner is not None:
                for change in _changes(child, self._source):
                    yield self._mutation(change, inner, at_import=not inside)
            yield from self._below(child, inner, in_function=inside)

    def _mutation(self, change: Change, statement: ast.stmt, *, at_import: bool) -> Mutation:
        start, end, new, kind = change
        line = self._source.content[:start].count(b"\n") + 1
        first, last = _own_lines(statement)
        return Mutation(self._source.path, line, start, end, new, kind, first, last, at_import)


def _own_lines(statement: ast.stmt) -> tuple[int, int]:
    """The lines of a statement without the block under it."""
    last = statement.end_lineno or statement.lineno
    body = [child.lineno for child in ast.iter_child_nodes(statement) if isinstance(child, ast.stmt)]
    return statement.lineno, max(statement.lineno, min(body) - 1) if body else last


def _worth_a_look(node: ast.AST) -> Iterator[ast.AST]:
    """The children of a node that a test should hold."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns") or (isinstance(node, ast.Raise) and name == "cause"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not _is_left_alone(child, node):
                yield child


def _is_left_alone(node: ast.AST, parent: ast.AST) -> bool:
    match node:
        case ast.Expr(value=ast.Constant()) | ast.Import() | ast.ImportFrom() | ast.JoinedStr():
            return True
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id="log")))):
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.keyword(arg=name) if name in _PROSE:
            return True
        case ast.Constant(value=str() as text):
            return text.count(" ") > 1  # a sentence
        case ast.Call(func=ast.Name(id="dataclass")):
            return True
        case ast.Subscript() if isinstance(parent, ast.Assign) and _is_a_type(parent):
            return True
        case ast.BinOp(op=ast.BitOr()) if isinstance(parent, ast.Assign) and _is_a_type(parent):
            return True
        case ast.Call(func=ast.Name(id=name)) if isinstance(parent, ast.Raise) and name.endswith("Error"):
            return True
        case _:
            return False


def _is_a_type(assignment: ast.Assign) -> bool:
    """Whether a type is given a name: `Remedy = Literal[...]`, `Fact = Requested | Rejected`."""
    target = assignment.targets[0]
    return isinstance(target, ast.Name) and target.id[:1].isupper() and not target.id.isupper()


def _changes(node: ast.AST, source: Source) -> Iterator[Change]:
    """The mistakes that could be made in one node, apart from those in the nodes below it."""
    find = _BY_NODE.get(type(node))
    if find is not None:
        yield from find(node, source)


def _compare(node: ast.Compare, source: Source) -> Iterator[Change]:
    operands = (node.left, *node.comparators)
    for (left, right), operator in zip(pairwise(operands), node.ops, strict=True):
        tokens = [item for item in source.between(source.end(left), source.start(right)) if item.text not in "()"]
        for new in _COMPARISONS[type(operator)]:
            yield tokens[0].start, tokens[-1].end, new, "comparison"


def _arithmetic(node: ast.BinOp, source: Source) -> Iterator[Change]:
    joins_text = any(isinstance(item, ast.JoinedStr) or _is_text(item) for item in (node.left, node.right))
    new = _ARITHMETIC.get(type(node.op))
    if new is None or joins_text:
        return
    tokens = [item for item in source.between(source.end(node.left), source.start(node.right)) if item.text not in "()"]
    yield tokens[0].start, tokens[0].end, new, "arithmetic"


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)


def _and_or(node: ast.BoolOp, source: Source) -> Iterator[Change]:
    word, other, neutral = ("and", "or", "True") if isinstance(node.op, ast.And) else ("or", "and", "False")
    left, right = node.values[0], node.values[1]
    token = next(item for item in source.between(source.end(left), source.start(right)) if item.text == word)
    if len(node.values) == 2:
        yield token.start, token.end, other, "logic"
    for value in node.values:
        if not (word == "or" and _is_zero(value)):
            yield source.start(value), source.end(value), neutral, "operand dropped"


def _is_zero(node: ast.expr) -> bool:
    """Whether `False`, which counts as 0, would stand there for the same."""
    return isinstance(node, ast.Constant) and node.value == 0


def _unary(node: ast.UnaryOp, source: Source) -> Iterator[Change]:
    if isinstance(node.op, ast.Not | ast.USub):
        word = 3 if isinstance(node.op, ast.Not) else 1
        yield source.start(node), source.start(node) + word, "", "negation"


def _constant(node: ast.Constant, source: Source) -> Iterator[Change]:
    match node.value:
        case bool() as value:
            new = repr(not value)
        case int() | float() as value:
            new = repr(value + 1)
        case str() as value:
            new = repr(f"XX{value}")
        case _:
            return
    yield source.start(node), source.end(node), new, "text" if isinstance(node.value, str) else "constant"


def _return(node: ast.Return, source: Source) -> Iterator[Change]:
    if node.value is not None and not (isinstance(node.value, ast.Constant) and node.value.value is None):
        yield source.start(node.value), source.end(node.value), "None", "returned value"


def _statement(node: ast.stmt, source: Source) -> Iterator[Change]:
    yield source.start(node), source.end(node), "pass", "statement removed"


def _added_up(node: ast.AugAssign, source: Source) -> Iterator[Change]:
    yield from _statement(node, source)
    new = _ARITHMETIC.get(type(node.op))
    if new is not None and not (isinstance(node.value, ast.JoinedStr | ast.List | ast.Tuple) or _is_text(node.value)):
        token = source.between(source.end(node.target), source.start(node.value))[0]
        yield token.start, token.end, f"{new}=", "arithmetic"


def _assignment(node: ast.Assign, source: Source) -> Iterator[Change]:
    if not all(isinstance(target, ast.Name | ast.Tuple) for target in node.targets):
        yield from _statement(node, source)


def _branch(node: ast.If | ast.While | ast.IfExp, source: Source) -> Iterator[Change]:
    start, end = source.start(node.test), source.end(node.test)
    for new in ("False",) if isinstance(node, ast.While) else ("True", "False"):
        yield start, end, new, "condition"


def _leap(node: ast.Break | ast.Continue, source: Source) -> Iterator[Change]:
    yield source.start(node), source.end(node), "break" if isinstance(node, ast.Continue) else "continue", "leap"


def _filter(node: ast.comprehension, source: Source) -> Iterator[Change]:
    for condition in node.ifs:
        yield source.start(condition), source.end(condition), "True", "filter dropped"


def _guard(node: ast.match_case, source: Source) -> Iterator[Change]:
    if node.guard is not None:
        for new in ("True", "False"):
            yield source.start(node.guard), source.end(node.guard), new, "condition"


def _call(node: ast.Call, source: Source) -> Iterator[Change]:
    name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
    if name in _TWINS:
        yield source.end(node.func) - len(name), source.end(node.func), _TWINS[name], "twin called"
    for first, second in pairwise(node.args if name not in _IN_ANY_ORDER else ()):
        if not isinstance(first, ast.Starred) and not isinstance(second, ast.Starred):
            between = source.content[source.end(first) : source.start(second)].decode()
            new = source.text(second) + between + source.text(first)
            yield source.start(first), source.end(second), new, "arguments swapped"
    for keyword in node.keywords:
        if keyword.arg not in _PROSE:
            yield from _without(keyword, source, "argument dropped")


def _elements(node: ast.Tuple | ast.List | ast.Set, source: Source) -> Iterator[Change]:
    if isinstance(node.ctx if not isinstance(node, ast.Set) else ast.Load(), ast.Load) and len(node.elts) > 2:
        for element in node.elts:
            yield from _without(element, source, "element dropped")


def _entries(node: ast.Dict, source: Source) -> Iterator[Change]:
    for key, value in zip(node.keys, node.values, strict=True):
        if key is not None:
            yield from _dropped(source.start(key), source.end(value), source, "entry dropped")


def _without(node: ast.expr | ast.keyword, source: Source, kind: str) -> Iterator[Change]:
    yield from _dropped(source.start(node), source.end(node), source, kind)


def _dropped(start: int, end: int, source: Source, kind: str) -> Iterator[Change]:
    """One item of a list, with the comma after it; the last may have none."""
    after = source.between(end, min(end + 200, len(source.content)))
    comma = after[0].end if after and after[0].text == "," else end
    yield start, comma, "", kind


def _context(node: ast.With | ast.AsyncWith, source: Source) -> Iterator[Change]:
    if all(item.optional_vars is None for item in node.items):
        header_end = source.end(node.items[-1].context_expr)
        yield source.start(node), header_end, "if True", "guard dropped"


def _handler(node: ast.ExceptHandler, source: Source) -> Iterator[Change]:
    first, last = node.body[0], node.body[-1]
    if not isinstance(first, ast.Raise):
        yield source.start(first), source.end(last), "raise", "handler dropped"


def _decorators(node: ast.FunctionDef | ast.AsyncFunctionDef, source: Source) -> Iterator[Change]:
    """Only calls are taken away: without a plain `@property` nothing works at all."""
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call):
            yield source.start(decorator) - 1, source.end(decorator), "", "decorator dropped"


def _lonely(node: ast.Expr, source: Source) -> Iterator[Change]:
    if isinstance(node.value, ast.Call | ast.Await | ast.Yield | ast.YieldFrom):
        yield from _statement(node, source)


_BY_NODE: dict[type[ast.AST], Callable[..., Iterator[Change]]] = {
    ast.Compare: _compare,
    ast.BinOp: _arithmetic,
    ast.BoolOp: _and_or,
    ast.UnaryOp: _unary,
    ast.Constant: _constant,
    ast.Return: _return,
    ast.Expr: _lonely,
    ast.Raise: _statement,
    ast.Assign: _assignment,
    ast.AugAssign: _added_up,
    ast.If: _branch,
    ast.IfExp: _branch,
    ast.While: _branch,
    ast.Break: _leap,
    ast.Continue: _leap,
    ast.comprehension: _filter,
    ast.match_case: _guard,
    ast.Call: _call,
    ast.Tuple: _elements,
    ast.List: _elements,
    ast.Set: _elements,
    ast.Dict: _entries,
    ast.With: _context,
    ast.AsyncWith: _context,
    ast.ExceptHandler: _handler,
    ast.FunctionDef: _decorators,
    ast.AsyncFunctionDef: _decorators,
}
