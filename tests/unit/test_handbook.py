"""What `--help` and docs/cli.md say of each verb is what the parser takes."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from service.operator import reference
from service.operator.arguments import command_line
from service.operator.handbook import EXIT_CODES, HANDBOOK, verbs_of

VERBS = {verb.words: verb for verb in verbs_of(command_line({}))}
EXAMPLES = [example for entry in HANDBOOK.values() for example in entry.examples]


def test_the_page_of_verbs_is_what_the_parser_says() -> None:
    """`python -m service.operator.reference` writes it."""
    assert reference.main(["--check"]) == 0


def test_a_page_that_is_not_so_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And the remedy is named; written anew, it is so again."""
    monkeypatch.setattr(reference, "PAGE", tmp_path / "cli.md")
    assert reference.main(["--check"]) == 1
    assert "python -m service.operator.reference" in capsys.readouterr().out
    assert (reference.main([]), reference.main(["--check"])) == (0, 0)


def test_every_verb_has_its_part_of_the_handbook_and_nothing_else_has() -> None:
    """Exit codes and examples; `dlq` and `catalog` only begin others."""
    assert set(HANDBOOK) == {words for words, verb in VERBS.items() if not verb.begins_others}


def test_an_exit_code_means_one_thing() -> None:
    """A script needs no table for each verb: none has a code that is not of all."""
    assert {code for entry in HANDBOOK.values() for code in entry.exit_codes} <= set(EXIT_CODES)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_can_be_typed(example: str) -> None:
    """Each is taken as it stands."""
    words = shlex.split(example.removeprefix('eval "$(').removesuffix(')"'))
    typed = words[words.index("jobferry") + 1 :]
    typed = typed[: typed.index(">")] if ">" in typed else typed
    assert command_line({}).parse_args(typed).command == typed[0]


@pytest.mark.parametrize("words", HANDBOOK)
def test_the_help_of_a_verb_ends_with_its_codes_and_examples(words: str) -> None:
    """A line each, as they stand in the handbook."""
    told = VERBS[words].parser.format_help()
    entry = HANDBOOK[words]
    assert [f"  {code}  {said}" for code, said in entry.exit_codes.items() if f"\n  {code}  {said}\n" not in told] == []
    assert told.endswith("".join(f"\n  {example}" for example in entry.examples) + "\n")


def test_the_page_does_not_depend_on_whose_shell_writes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker's own port is not on it."""
    monkeypatch.setenv("JOBFERRY_HEALTH_PORT", "8123")
    assert "8123)" not in reference.page(command_line({}))
    assert command_line().parse_args(["health"]).port == 8123
