"""Which mistakes are made in a line of code, and which lines are left alone."""

from __future__ import annotations

import pytest

from tests.mutants.mutators import mutations_of


def mutants(code: str) -> list[str]:
    """Each mutant of some code, as the line that is changed."""
    content = code.encode()
    found = [item for item in mutations_of("a.py", content) if item.is_python(content)]
    changed = [item.changed_code(content).splitlines() for item in found]
    return [next(line[2:] for line in lines if line.startswith("+ ")) for lines in changed]


CASES = {
    "a boundary": ("x = a < b", ["x = a <= b", "x = a >= b"]),
    "a comparison": ("x = a is not (b)", ["x = a is (b)"]),
    "a chain": ("x = a == b not in c", ["x = a != b not in c", "x = a == b in c"]),
    "arithmetic": ("x = (now()) - at", ["x = (now()) + at"]),
    "a sum": ("x += a", ["pass", "x -= a"]),
    "what is joined": ("x += [a]", ["pass"]),
    "logic": ("x = a and (b)", ["x = True and (b)", "x = a or (b)", "x = a and (True)"]),
    "what counts as nothing": ("x = a or 0", ["x = False or 0", "x = a and 0", "x = a or 1"]),
    "negation": ("x = not a", ["x =  a"]),
    "a number": ("x = 3", ["x = 4"]),
    "a truth": ("x = True", ["x = False"]),
    "a word": ("x = 'ECS'", ["x = 'XXECS'"]),
    "a sentence": ("x = 'No such image.'", []),
    "arguments": ("x = f(a, b=c)", ["x = f(a, )"]),
    "a description": ("x = f(a, description=b)", []),
    "swapped": ("x = f(a, b)", ["x = f(b, a)"]),
    "a twin": ("x = min(a, b)", ["x = max(a, b)"]),
    "a call": ("f()", ["pass"]),
    "what is logged": ("log.info('event', n=1 + 2)", []),
    "a type": ("Kind = Literal['a', 'b'] | None", []),
    "an annotation": ("x: Literal['a']", []),
    "a row of a table": ("x = [a, b, c]", ["x = [ b, c]", "x = [a,  c]", "x = [a, b, ]"]),
    "letters of many bytes": ("x = 'ü', a < b", ["x = 'XXü', a < b", "x = 'ü', a <= b", "x = 'ü', a >= b"]),
}


@pytest.mark.parametrize(("code", "expected"), CASES.values(), ids=CASES)
def test_one_line(code: str, expected: list[str]) -> None:
    """A line's mutants, from left to right."""
    assert mutants(code) == expected


BLOCKS = {
    "a branch": ("if a:\n    b = c", ["if False:", "if True:"]),
    "a guard": ("with suppress(E):\n    a = b", ["if True:"]),
    "a handler": ("try:\n    a = b\nexcept E:\n    a = c", ["raise"]),
    "an answer": ("def f() -> int:\n    return a", ["return None"]),
    "a default": ("def f(x: int = 5) -> None:\n    '''Prose.'''", ["def f(x: int = 6) -> None:"]),
    "an await": ("async def f() -> None:\n    await g()", ["pass"]),
    "a case": ("match a:\n    case B() if c:\n        d = e", ["case B() if False:", "case B() if True:"]),
    "a leap": ("for a in b:\n    continue", ["break"]),
    "a filter": ("x = [a for a in b if c]", ["x = [a for a in b if True]"]),
    "a validator": ("@validates('a')\ndef f() -> None:\n    '''Prose.'''", ["", "@validates('XXa')"]),
    "types alone": ("if TYPE_CHECKING:\n    x = 1", []),
}


@pytest.mark.parametrize(("code", "expected"), BLOCKS.values(), ids=BLOCKS)
def test_a_block(code: str, expected: list[str]) -> None:
    """The line that is changed in each of its mutants."""
    assert mutants(code) == expected


def test_a_mutation_knows_its_statement_and_when_it_runs() -> None:
    """What runs at import is noticed by other tests than what runs in a function."""
    code = b"A = 1\n\n\ndef f(\n    x: int = 2,\n) -> int:\n    return g(\n        3,\n    )\n"
    found = [(item.line, item.first, item.last, item.at_import, item.new) for item in mutations_of("a.py", code)]
    assert (1, 1, 1, True, "2") in found
    assert (5, 4, 6, True, "3") in found
    assert (8, 7, 9, False, "4") in found
