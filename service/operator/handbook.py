"""What the help says of each verb beside its options: what its exit codes mean, and how it is typed."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

# Of every command, where it says nothing else: so that a script needs one table.
EXIT_CODES = {
    0: "succeeded",
    1: "failed, or there is no such thing",
    2: "usage, or AWS cannot be asked",
    3: "the request is rejected",
    4: "waited for too long",
    130: "left by Ctrl-C",
    141: "nobody reads what is printed, as behind `| head`",
}
_USAGE = "no such option or value"
_SILENT = f"{_USAGE}; no deployment is named, or AWS cannot be asked"
_NO_JOB = "there is no such job"


@dataclass(frozen=True)
class Entry:
    """One verb's part; each example is a line of a shell."""

    exit_codes: Mapping[int, str]
    examples: tuple[str, ...]


HANDBOOK: Mapping[str, Entry] = {
    "worker": Entry({0: "drained after SIGTERM", 2: "a setting is missing or wrong"}, ("jobferry worker",)),
    "health": Entry(
        {0: "the worker is ready", 1: "it is not, or does not answer", 2: _USAGE},
        ("jobferry health", "jobferry health --port 8123"),
    ),
    "local": Entry(
        {0: "stopped by Ctrl-C or SIGTERM", 1: "it cannot start, or a part of it ended by itself", 2: _USAGE},
        (
            "jobferry local",
            "jobferry local --catalog catalog.yaml --images images.yaml --keep .jobferry/state",
            "jobferry local --quotas default --quota vcpus=24",
        ),
    ),
    "demo": Entry(
        {0: "every claim held", 1: "one did not", 2: _USAGE},
        ("jobferry demo", "jobferry demo --json > notifications.jsonl"),
    ),
    "doctor": Entry(
        {0: "nothing is wrong, as far as these credentials may look", 1: "something is wrong", 2: _SILENT},
        ("jobferry doctor --stack jobferry", "jobferry doctor --stack jobferry --json"),
    ),
    "catalog check": Entry(
        {0: "every image fits its task definition", 1: "one does not", 2: _SILENT},
        ("jobferry catalog check --stack jobferry", "jobferry catalog check --stack jobferry --catalog catalog.yaml"),
    ),
    "catalog new": Entry(
        {0: "written", 1: "something is in the way; nothing was written over", 2: _USAGE},
        (
            "jobferry catalog new thumbs",
            "jobferry catalog new thumbs --catalog mine/catalog.yaml --images mine/images.yaml",
        ),
    ),
    "console": Entry(
        {0: "stopped by Ctrl-C or SIGTERM", 2: f"{_SILENT}; the address cannot be served at"},
        ("jobferry console --stack jobferry", "jobferry console --stack jobferry --port 0"),
    ),
    "completion": Entry(
        {0: "printed", 2: _USAGE},
        (
            'eval "$(jobferry completion bash)"',
            "jobferry completion zsh > ~/.zfunc/_jobferry",
            "jobferry completion fish > ~/.config/fish/completions/jobferry.fish",
        ),
    ),
    "submit": Entry(
        {
            0: "it was sent, or would be admitted; with --wait or --follow: the job succeeded",
            1: "with --wait or --follow: the job failed, timed out or was aborted",
            2: f"{_SILENT}; the request cannot be read; with --validate-only: the catalogue is out of reach",
            3: "it would be rejected, or was",
            4: "with --wait or --follow: not over within --timeout; the job goes on",
            130: "left by Ctrl-C; the job goes on, unless it was cancelled",
        },
        (
            "jobferry submit -f request.json",
            "jobferry submit -f request.json --follow",
            "jobferry submit -f request.json --wait --timeout 2h",
            "jobferry submit -f request.json --validate-only --json",
            """echo '{"stages": [{"image": "image_1", "command": ["echo", "hello"]}]}' | jobferry submit --wait""",
        ),
    ),
    "jobs": Entry(
        {0: "listed, be it none", 2: f"{_SILENT}; the cursor is of another list"},
        (
            "jobferry jobs",
            "jobferry jobs --tenant web --status failed --since 2h",
            "jobferry jobs --all-tenants --status open",
            "jobferry jobs --type thumbnails --label album=summer --limit 200 --json",
        ),
    ),
    "show": Entry(
        {0: "shown, however the job is", 1: _NO_JOB, 2: _SILENT},
        ("jobferry show thumbs-42", "jobferry show thumbs-42 --json"),
    ),
    "why": Entry(
        {0: "said", 1: _NO_JOB, 2: _SILENT}, ("jobferry why thumbs-42", "jobferry why thumbs-42 --tenant web --json")
    ),
    "logs": Entry(
        {0: "printed", 1: f"{_NO_JOB}, or no such log", 2: _SILENT},
        (
            "jobferry logs thumbs-42",
            "jobferry logs thumbs-42 -f",
            "jobferry logs thumbs-42 --stage 2 --attempt 1 --container sidecar",
        ),
    ),
    "cancel": Entry(
        {0: "asked for", 1: "there is nothing to be cancelled", 2: _SILENT},
        (
            "jobferry cancel thumbs-42",
            'jobferry cancel thumbs-42 --tenant web --reason "wrong input"',
            "jobferry cancel --all status:running type:thumbs",
        ),
    ),
    "redrive": Entry(
        {0: "asked for", 1: f"{_NO_JOB}, or it cannot be redriven", 2: _SILENT},
        (
            "jobferry redrive thumbs-42",
            'jobferry redrive thumbs-42 --reason "the bucket is back"',
            "jobferry redrive --all status:failed since:2h --yes",
        ),
    ),
    "rerun": Entry(
        {
            0: "it was sent, or would be admitted; with --wait or --follow: the new job succeeded",
            1: f"{_NO_JOB}; with --wait or --follow: the new job failed, timed out or was aborted; "
            "with --all and --wait: as of bulk",
            2: _SILENT,
            3: "the changed request would be rejected, or was",
            4: "with --wait or --follow: not over within --timeout; the job goes on",
            130: "left by Ctrl-C; the new job goes on, unless it was cancelled",
        },
        (
            "jobferry rerun thumbs-42 --follow",
            "jobferry rerun thumbs-42 --memory 2=8192 --reason 'it ran out of memory'",
            "jobferry rerun --all status:failed class:out_of_memory since:2h --memory 2=8192 --wait",
        ),
    ),
    "bulk": Entry(
        {
            0: "shown, or asked to stop; with --wait: it is over, and each job took it",
            1: "there is no such bulk, with --wait within a minute; with --wait: some jobs refused, or it was stopped",
            2: _SILENT,
            4: "with --wait: not over within --timeout; it goes on",
        },
        ("jobferry bulk 3f0c9a --wait", "jobferry bulk 3f0c9a --stop"),
    ),
    "case": Entry(
        {0: "written", 1: _NO_JOB, 2: f"{_SILENT}; the file cannot be written"},
        ("jobferry case thumbs-42", "jobferry case thumbs-42 --logs whole -o thumbs.zip"),
    ),
    "replay": Entry(
        {
            0: "all is decided as it was then",
            1: "something is not",
            2: f"{_USAGE}; the file cannot be read; nothing of it could be decided again",
        },
        ("jobferry replay case-thumbs-42.zip", "jobferry replay case-thumbs-42.zip --json"),
    ),
    "plan": Entry(
        {0: "it would run", 2: f"{_USAGE}; there is nothing to plan from", 3: "it would be rejected"},
        (
            "jobferry plan -f request.json --catalog catalog.yaml",
            """echo '{"stages": [{"image": "image_1", "command": ["echo", "hello"]}]}' | jobferry plan""",
            """jobferry plan -f request.json --prices '{"FARGATE": {"vcpu_hour": 0.05, "gb_hour": 0.005}}'""",
        ),
    ),
    "dlq list": Entry(
        {0: "listed, be it none", 2: _SILENT}, ("jobferry dlq list --stack jobferry", "jobferry dlq list --json")
    ),
    "dlq show": Entry(
        {0: "shown", 1: "there is no such message", 2: _SILENT},
        ("jobferry dlq show 6f2b0c1e-8d1f-4c57-9f3a-1f0d6a1b2c3d --stack jobferry",),
    ),
    "dlq replay": Entry(
        {0: "sent back", 1: "there is no such message", 2: f"{_SILENT}; neither a message nor --all was named"},
        ("jobferry dlq replay 6f2b0c1e-8d1f-4c57-9f3a-1f0d6a1b2c3d", "jobferry dlq replay --all --stack jobferry"),
    ),
    "dlq drop": Entry(
        {
            0: "deleted",
            1: "there is no such message, or it is to stay after all",
            2: f"{_SILENT}; nobody can be asked and --yes was not said",
        },
        (
            "jobferry dlq drop 6f2b0c1e-8d1f-4c57-9f3a-1f0d6a1b2c3d",
            "jobferry dlq drop 6f2b0c1e-8d1f-4c57-9f3a-1f0d6a1b2c3d --yes",
        ),
    ),
}


@dataclass(frozen=True)
class Verb:
    """What is typed after `jobferry`, such as `dlq list`, its line in the list of verbs, and what reads its options."""

    words: str
    does: str
    parser: argparse.ArgumentParser

    @property
    def entry(self) -> Entry | None:
        """Its part of the handbook; None for words that only begin others, such as `dlq`."""
        return HANDBOOK.get(self.words)

    @property
    def begins_others(self) -> bool:
        """Whether it does nothing itself."""
        return any(isinstance(action, argparse._SubParsersAction) for action in self.parser._actions)


def verbs_of(parser: argparse.ArgumentParser, before: str = "") -> Iterator[Verb]:
    """Every verb, in the order of the help; those that begin others before them."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            lines = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, below in action.choices.items():
                words = f"{before}{name}"
                yield Verb(words, lines[name], below)
                yield from verbs_of(below, f"{words} ")


def with_handbook(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The same parser, whose help tells of exit codes and examples."""
    for verb in verbs_of(parser):
        verb.parser.formatter_class = _Help
        verb.parser.description = verb.parser.description or sentence(verb.does)
        if verb.entry is not None:
            own = (verb.parser.epilog,) if verb.parser.epilog else ()
            verb.parser.epilog = "\n\n".join((*own, *_epilog(verb.entry)))
    return parser


def sentence(does: str) -> str:
    """A line of the list of verbs, as one says it of the verb alone."""
    return f"{does[0].upper()}{does[1:]}."


def _epilog(entry: Entry) -> Iterator[str]:
    yield "\n".join(("exit codes:", *(f"  {code}  {meaning}" for code, meaning in entry.exit_codes.items())))
    yield "\n".join(("examples:", *(f"  {example}" for example in entry.examples)))


class _Help(argparse.HelpFormatter):
    """Fills what is one line; leaves what has lines of its own."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if "\n" not in text:
            return super()._fill_text(text, width, indent)
        return "\n".join(f"{indent}{line}" for line in text.splitlines())
