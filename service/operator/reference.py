"""`python -m service.operator.reference`: writes docs/cli.md, every verb with its options, exit codes and examples.

With `--check` nothing is written; the exit status is 1 where the page is not what the parser says.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from service.operator.arguments import command_line
from service.operator.handbook import EXIT_CODES, Entry, Verb, sentence, verbs_of

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
_BEGINNING = """\
# The command line

Every verb of `jobferry`, as its `--help` has it; `python -m service.operator.reference` makes this page of the parser.

A verb that asks after a deployment takes `--stack NAME`, a CloudFormation stack; without it the worker's variables
name one, such as those of `.jobferry/local.env`. It acts with your own AWS credentials, and no server stands in
between. Tables are drawn on a terminal; piped they are lines of fields, with tabs between them and without a head.
`--json` prints what a program should read: one JSON document, and with `logs -f` one for each time that there is
something new. Its fields may grow and never change.

## Exit codes

| | |
|---|---|
{codes}

## Completion

`jobferry completion` prints a script for bash, zsh or fish, which completes verbs, options, choices and file names.
The shell reads it when it starts, and starts no Python to complete a word:

```
echo 'eval "$(jobferry completion bash)"' >> ~/.bashrc
jobferry completion zsh > ~/.zfunc/_jobferry      # a folder of your fpath
jobferry completion fish > ~/.config/fish/completions/jobferry.fish
```

## Verbs

{verbs}
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page, or with `--check` compare it."""
    checks = "--check" in (sys.argv[1:] if arguments is None else arguments)
    wanted = page(command_line({}))
    if not checks:
        PAGE.write_text(wanted, encoding="utf-8")
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == wanted:
        return 0
    print("docs/cli.md is not what the parser says: run `python -m service.operator.reference`.")
    return 1


def page(parser: argparse.ArgumentParser) -> str:
    """The whole page."""
    verbs = list(verbs_of(parser))
    head = _BEGINNING.format(
        codes="\n".join(f"| {code} | {said} |" for code, said in EXIT_CODES.items()),
        verbs="\n".join(
            f"- [`{verb.words}`](#{_anchor(verb)}): {verb.does}" for verb in verbs if not verb.begins_others
        ),
    )
    return "\n".join((head, *(_section(verb) for verb in verbs if not verb.begins_others)))


def _anchor(verb: Verb) -> str:
    return f"jobferry-{verb.words.replace(' ', '-')}"


def _section(verb: Verb) -> str:
    return "\n\n".join((f"## jobferry {verb.words}", *_paragraphs(verb))) + "\n"


def _paragraphs(verb: Verb) -> Iterator[str]:
    yield _plain(verb.parser.description or sentence(verb.does))
    actions = [action for action in verb.parser._actions if action.dest != "help"]
    yield f"```\n{_usage(verb, actions)}\n```"
    if rows := [_row(verb.parser, action) for action in actions]:
        yield "\n".join(("| | |", "|---|---|", *rows))
    own = (verb.parser.epilog or "").partition("exit codes:")[0].strip()
    if own:
        yield _plain(own)
    if verb.entry is not None:
        yield from _handbook(verb.entry)


def _handbook(entry: Entry) -> Iterator[str]:
    yield "\n".join(("Exit codes:", "", *(f"- {code}: {said}" for code, said in entry.exit_codes.items())))
    yield "\n".join(("```", *entry.examples, "```"))


def _plain(text: str) -> str:
    """Lines that a terminal takes as they are; Markdown would take an asterisk for its own."""
    return text.replace("*", r"\*")


def _usage(verb: Verb, actions: Sequence[argparse.Action]) -> str:
    """Without its options, which the table has, but for those that must be said."""
    options = ["[options]"] if any(action.option_strings and not action.required for action in actions) else []
    required = [
        f"{action.option_strings[-1]} {_value(action)}"
        for action in actions
        if action.option_strings and action.required
    ]
    given = [_positional(action) for action in actions if not action.option_strings]
    return " ".join(("jobferry", verb.words, *options, *required, *given))


def _positional(action: argparse.Action) -> str:
    value = _value(action)
    return f"[{value}]" if action.nargs in ("?", "*") else value


def _row(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    takes = f" {_value(action)}" if action.option_strings and action.nargs != 0 else ""
    names = ", ".join(f"`{name}{takes}`" for name in action.option_strings) or f"`{_value(action)}`"
    said = _help(parser, action)
    return f"| {names} | {said} |"


def _help(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    values = {**vars(action), "prog": parser.prog}
    said = _plain((action.help or "") % values)
    choices = f"{': ' if said else ''}{' or '.join(map(str, action.choices))}" if action.choices is not None else ""
    return f"{said}{choices}".replace("|", r"\|")


def _value(action: argparse.Action) -> str:
    if isinstance(action.metavar, str):
        return action.metavar
    return action.dest.upper()


if __name__ == "__main__":
    sys.exit(main())
