"""The container's entry point: reads JOBFERRY_INPUT, writes below JOBFERRY_OUTPUT, exits 0 only if all went well.

thumbnails --width 160        six renditions of every picture of the input
contact-sheet --columns 3     one sheet of all pictures of the input, and a manifest
report --seconds 2            a callback stage: works with heartbeats, then reports with its TASK_TOKEN
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time

import boto3

from deploy.examples.pictures.pictures import PNG, contact_sheet, thumbnails
from deploy.examples.pictures.store import Folder


def main() -> int:
    """Run one command."""
    options = _parse()
    match options.command:
        case "thumbnails":
            _thumbnails(options.width)
        case "contact-sheet":
            _contact_sheet(options.columns)
        case "report":
            _report(options.seconds)
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="pictures")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("thumbnails").add_argument("--width", type=int, default=160)
    commands.add_parser("contact-sheet").add_argument("--columns", type=int, default=3)
    commands.add_parser("report").add_argument("--seconds", type=float, default=1.0)
    return parser.parse_args()


def _thumbnails(width: int) -> None:
    output = Folder.of(os.environ["JOBFERRY_OUTPUT"])
    pictures = list(Folder.of(os.environ["JOBFERRY_INPUT"]).files())
    if not pictures:
        sys.exit(f"there is no picture at {os.environ['JOBFERRY_INPUT']}")
    for name, picture in pictures:
        print(f"read {name}, {len(picture):,} bytes", flush=True)
        for thumbnail, content in thumbnails(picture, width):
            print("wrote", output.write(thumbnail, content, PNG), flush=True)


def _contact_sheet(columns: int) -> None:
    output = Folder.of(os.environ["JOBFERRY_OUTPUT"])
    pictures = [
        (name, content) for name, content in Folder.of(os.environ["JOBFERRY_INPUT"]).files() if name.endswith(".png")
    ]
    print(f"laying out {len(pictures)} pictures in {columns} columns", flush=True)
    sheet = contact_sheet([content for _, content in pictures], columns)
    manifest = {
        "job_id": os.environ["JOBFERRY_JOB_ID"],
        "sheet": {"name": "contact-sheet.png", "bytes": len(sheet), "sha256": hashlib.sha256(sheet).hexdigest()},
        "pictures": [{"name": name, "sha256": hashlib.sha256(content).hexdigest()} for name, content in pictures],
    }
    print("wrote", output.write("contact-sheet.png", sheet, PNG))
    print("wrote", output.write("manifest.json", json.dumps(manifest, indent=2).encode(), "application/json"))


def _report(seconds: float) -> None:
    states = boto3.client("stepfunctions")
    token = os.environ["TASK_TOKEN"]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        states.send_task_heartbeat(taskToken=token)
        print("heartbeat sent", flush=True)
        time.sleep(0.5)
    report = {"job_id": os.environ["JOBFERRY_JOB_ID"], "user": os.environ.get("JOBFERRY_USER", "")}
    states.send_task_success(taskToken=token, output=json.dumps(report))
    print(f"reported {json.dumps(report)}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
