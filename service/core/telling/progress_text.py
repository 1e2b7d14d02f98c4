"""Progress for a person: the e-mail's subject and text."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.progress import JobProgress, Setback, StageProgress, Wait
from service.core.telling.failure_words import SURE, in_words
from service.core.telling.letter import named, subject_line


def subject_of_progress(told: JobProgress) -> str:
    """One line for an inbox."""
    why = f" ({told.failure.failure_class})" if told.failure else ""
    return subject_line(f"{told.job_id}: {_headline(told)}{why}")


def progress_as_text(told: JobProgress) -> str:
    """The whole message as a letter."""
    return "\n".join(_lines(told)) + "\n"


def _headline(told: JobProgress) -> str:
    where = f"stage {told.stage.stage} of {told.stages_count}" if told.stage else ""
    match told.status:
        case "STARTED":
            return "started again" if told.redrive_count else "started"
        case "STAGE_FINISHED":
            return f"{where} finished"
        case "RETRYING":
            return f"{where} is tried again"
        case "WAITING":
            return f"{where} waits for capacity"


def _lines(told: JobProgress) -> Iterator[str]:
    if told.stage is None:
        stages = f"{told.stages_count} stage{'' if told.stages_count == 1 else 's'}"
        again = f" again (redrive {told.redrive_count})" if told.redrive_count else ""
        yield f'Your job "{told.job_id}" has started{again}. It has {stages}.'
    else:
        yield f'In your job "{told.job_id}", {_headline(told)}.'
        yield ""
        yield _wait(told.waiting) if told.waiting else _attempt(told.stage)
    if told.waiting:
        yield f"  Why: {in_words(told.waiting.failure_class)}."
        yield f"  Evidence: {told.waiting.evidence}"
    if told.failure:
        yield from _setback(told.failure)
    yield ""
    if told.execution_console_url:
        yield f"The execution: {told.execution_console_url}"
    yield f"Notification {told.id}"


def _wait(waits: Wait) -> str:
    times = "once" if waits.tries == 1 else f"{waits.tries} times"
    return f"It waits since {waits.first_refused_at}, and was tried {times}; nothing is wrong with the job."


def _attempt(stage: StageProgress) -> str:
    code = f"exit code {stage.exit_code}" if stage.exit_code is not None else "no exit code is known"
    return f"Stage {stage.stage} ({named(stage)}), attempt {stage.attempt}: {code}"


def _setback(failure: Setback) -> Iterator[str]:
    yield f"  Why: {in_words(failure.failure_class)}. This is {SURE[failure.confidence]}."
    yield f"  Evidence: {failure.evidence}"
