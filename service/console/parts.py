"""A job's page as its pieces: what the templates make of each part, item by item where it has many."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from jinja2 import Environment

from schemas.tracking import JobEvent, StepView
from service.console.drawing import BAR_HEIGHT, BAR_WIDTH, Graph, Timeline, kind_of
from service.console.job import JobView
from service.console.pieces import Piece

_PLAIN = ("head", "actions", "failure", "facts")


@dataclass(frozen=True)
class Parts:
    """Renders them."""

    templates: Environment

    def of_job(self, view: JobView, given: Mapping[str, Any]) -> dict[str, Piece]:
        """All that changes, by the ids of the elements that it stands in; `given` is what every template is."""
        here = quote(view.title)
        known = {**given, "view": view, "here": here}
        plain = {name: Piece(self.templates.get_template(f"job/{name}.html").render(known)) for name in _PLAIN}
        return {**plain, **self._drawn(view), "steps": self.steps(view, here), "events": self.events(view, here)}

    def _drawn(self, view: JobView) -> dict[str, Piece]:
        if view.graph is None:
            return {}
        passed = Piece(f"{view.job.stages_passed} of {len(view.job.stages)} passed")
        return {"passed": passed, "graph": self._graph(view.graph), **self._timeline(view.timeline)}

    def steps(self, view: JobView, here: str) -> Piece:
        """The last steps, and a link to those before."""
        return Piece(self._frame("steps", view, here), self.step_items(view.steps, f"{here}/"))

    def step_items(self, steps: tuple[StepView, ...], at: str) -> dict[str, str]:
        """Steps as items; their own pages are below `at`."""
        return {f"step-{step.step}": self._item("step", step, at) for step in steps}

    def events(self, view: JobView, here: str) -> Piece:
        """The last events, and a link to those before."""
        return Piece(self._frame("events", view, here), self.event_items(view.events), "</tbody></table>", "rows")

    def event_items(self, events: tuple[JobEvent, ...]) -> dict[str, str]:
        """Events as rows."""
        keys = (f"e-{hashlib.sha256(event.name.encode()).hexdigest()[:10]}" for event in events)
        return {key: self._item("event", key, event) for key, event in zip(keys, events, strict=True)}

    def _graph(self, graph: Graph) -> Piece:
        return Piece(self._frame("graph", graph), dict(self._graph_items(graph)), "</svg>", "svg")

    def _graph_items(self, graph: Graph) -> Iterator[tuple[str, str]]:
        yield "g-to-come", self._item("path", "g-to-come", "edge", graph.to_come)
        yield "g-taken", self._item("path", "g-taken", "edge taken", graph.taken)
        for node in graph.nodes:
            yield node.key, self._item("node", node)
        for status, path in graph.dots.items():
            yield f"d-{status}", self._item("path", f"d-{status}", f"dots s-{status}", path)
        yield "g-end", self._item("end", graph)

    def _timeline(self, timeline: Timeline | None) -> dict[str, Piece]:
        if timeline is None:
            return {"bars": Piece(), "scale": Piece(), "attempts": Piece()}
        paths = {
            f"p-{kind}": self._item("path", f"p-{kind}", f"t-{kind_of(kind)}", path)
            for kind, path in timeline.paths.items()
        }
        rows = {bar.key: self._item("bar", bar) for bar in timeline.bars}
        return {
            "bars": Piece(self._frame("bars"), paths, "</g></defs></svg>", "svg"),
            "scale": Piece(self._frame("scale", timeline, BAR_WIDTH, BAR_HEIGHT)),
            "attempts": Piece(
                self._frame("attempts"), rows, f"</tbody></table>{self._frame('left_out', timeline)}", "rows"
            ),
        }

    def _item(self, name: str, *given: Any) -> str:
        return self._made("job/items.html", name, given)

    def _frame(self, name: str, *given: Any) -> str:
        return self._made("job/frames.html", name, given)

    def _made(self, template: str, name: str, given: tuple[Any, ...]) -> str:
        return str(getattr(self.templates.get_template(template).module, name)(*given))
