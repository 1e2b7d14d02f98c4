"""A file's syntax tree, with the places of its nodes and tokens in bytes."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Token:
    """An operator or a keyword, and the bytes that it takes."""

    text: str
    start: int
    end: int


class Source:
    """One file of Python."""

    def __init__(self, path: str, content: bytes) -> None:
        self.path = path
        self.content = content
        self.tree = ast.parse(content)

    @cached_property
    def _lines(self) -> list[bytes]:
        return self.content.splitlines(keepends=True)

    @cached_property
    def _line_starts(self) -> list[int]:
        starts = [0]
        for line in self._lines:
            starts.append(starts[-1] + len(line))
        return starts

    def start(self, node: ast.expr | ast.stmt | ast.keyword | ast.pattern) -> int:
        """The node's first byte."""
        return self._line_starts[node.lineno - 1] + node.col_offset

    def end(self, node: ast.expr | ast.stmt | ast.keyword | ast.pattern) -> int:
        """The byte after the node's last."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._line_starts[node.end_lineno - 1] + node.end_col_offset

    def text(self, node: ast.expr | ast.stmt) -> str:
        """What is written there."""
        return self.content[self.start(node) : self.end(node)].decode()

    @cached_property
    def _tokens(self) -> list[Token]:
        return list(self._tokenized())

    def _tokenized(self) -> Iterator[Token]:
        for token in tokenize.tokenize(io.BytesIO(self.content).readline):
            if token.type in (tokenize.OP, tokenize.NAME):
                start = self._offset(*token.start)
                yield Token(token.string, start, start + len(token.string.encode()))

    def _offset(self, line: int, column: int) -> int:
        return self._line_starts[line - 1] + len(self._lines[line - 1].decode()[:column].encode())

    def between(self, start: int, end: int) -> list[Token]:
        """The operators and keywords from one byte to another."""
        return [token for token in self._tokens if start <= token.start and token.end <= end]
