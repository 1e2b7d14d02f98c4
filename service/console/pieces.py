"""The parts of a job's page as things that change one by one, and what is sent of those that have changed.

Each part stands in the element of its name, which htmx swaps out of band: as a whole, or item by item.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from markupsafe import Markup

Kind = Literal["html", "rows", "svg"]
# What a parser wants around rows of a table, and around what is drawn, and what carries some of them.
_AROUND: Mapping[Kind, tuple[str, str, str]] = {
    "html": ("", "div", ""),
    "rows": ("<table>", "tbody", "</table>"),
    "svg": ("<svg>", "g", "</svg>"),
}
_DIGEST = 6


@dataclass(frozen=True)
class Piece:
    """Items by their ids, between `before` and `after`: each is one element, whose first attribute its id is."""

    before: str = ""
    items: Mapping[str, str] = field(default_factory=dict)
    after: str = ""
    kind: Kind = "html"

    @property
    def html(self) -> Markup:
        """All of it, made by templates, which have escaped what is in it."""
        return Markup(f"{self.before}{''.join(self.items.values())}{self.after}")

    @property
    def digest(self) -> str:
        """Another one for another content."""
        return hashlib.sha256(self.html.encode()).hexdigest()[:_DIGEST]


def shown_as(pieces: Mapping[str, Piece]) -> str:
    """What a page shows, as short as its stream is told it."""
    return "".join(piece.digest for piece in pieces.values())


def known_of(pieces: Mapping[str, Piece], shown: str) -> dict[str, Piece]:
    """Those of the pieces that a page shows already."""
    digests = (shown[at : at + _DIGEST] for at in range(0, len(shown), _DIGEST))
    both = zip(pieces.items(), digests, strict=False)
    return {name: piece for (name, piece), digest in both if piece.digest == digest}


def changes(name: str, shown: Piece | None, piece: Piece) -> str:
    """What makes the one of the other, as elements that htmx swaps out of band; nothing where nothing changed."""
    if shown is None or _frame(shown) != _frame(piece) or not _can_follow(shown, piece):
        return swapped(name, piece.html) if shown is None or shown.html != piece.html else ""
    gone = (f'<div hx-swap-oob="delete:#{key}"></div>' for key in shown.items if key not in piece.items)
    return "".join((*gone, *_changed(shown, piece), *_added(shown, piece)))


def swapped(name: str, html: str) -> str:
    """What htmx puts where the element of its name is."""
    return f'<div id="{name}" hx-swap-oob="innerHTML">{html}</div>'


def _frame(piece: Piece) -> tuple[str, str, Kind]:
    return piece.before, piece.after, piece.kind


def _can_follow(shown: Piece, piece: Piece) -> bool:
    """Whether what stays keeps its order, and what is new has something before it."""
    kept = [key for key in shown.items if key in piece.items]
    return bool(kept) and kept == [key for key in piece.items if key in shown.items] and next(iter(piece.items)) in kept


def _changed(shown: Piece, piece: Piece) -> Iterator[str]:
    start, tag, end = _AROUND[piece.kind]
    wrap = (f"{start}<{tag}>", f"</{tag}>{end}") if start else ("", "")
    for key, html in piece.items.items():
        if key in shown.items and shown.items[key] != html:
            yield wrap[0] + html.replace(' id="', ' hx-swap-oob="true" id="', 1) + wrap[1]


def _added(shown: Piece, piece: Piece) -> Iterator[str]:
    """Each run of new ones, behind what it follows."""
    start, tag, end = _AROUND[piece.kind]
    for after, run in _runs(piece.items, shown.items):
        new = "".join(piece.items[key] for key in run)
        yield f'{start}<{tag} hx-swap-oob="afterend:#{after}">{new}</{tag}>{end}'


def _runs(keys: Iterable[str], known: Mapping[str, str]) -> Iterator[tuple[str, list[str]]]:
    after, run = "", list[str]()
    for before, key in pairwise(("", *keys)):
        if key in known:
            if run:
                yield after, run
            run = []
        else:
            after = after if run else before
            run.append(key)
    if run:
        yield after, run
