"""The API as an OpenAPI document: `python -m service.api.export` writes it beside the schemas; `--check` compares."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from service.api.app import Serving, build_app
from service.tracking.case import CaseFiles
from service.tracking.steering import Steering
from service.tracking.submission import Submission
from service.tracking.tracker import Tracker

DOCUMENT = Path(__file__).resolve().parents[2] / "schemas" / "openapi.json"


def text() -> str:
    """The document. The routes are looked at and not asked, so there is nothing behind them."""
    app = build_app(Serving(cast(Tracker, None), cast(Submission, None), cast(Steering, None), cast(CaseFiles, None)))
    return json.dumps(app.openapi(), indent=2, ensure_ascii=False) + "\n"


def main(arguments: Sequence[str]) -> int:
    """Write or check, and answer with the exit status."""
    if "--check" not in arguments:
        DOCUMENT.write_text(text(), encoding="utf-8")
        return 0
    if not DOCUMENT.exists() or DOCUMENT.read_text(encoding="utf-8") != text():
        sys.stderr.write(f"Not current: {DOCUMENT.name}. Run python -m service.api.export.\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
