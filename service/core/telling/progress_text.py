"""Progress for a person: the e-mail's subject and text."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.progress import JobProgress, Setback, StageProgress, Wait
from service.core.telling.failure_words import SURE, in_words
from service.core.telling.letter import named, subject_line


def subject_of_progress(progress: JobProgress) -> str:
    """One line for an inbox."""
    why = f" ({progress.failure.failure_class})" if progress.failure else ""
    return subject_line(f"{progress.job_id}: {_headline(progress)}{why}")


def progress_as_text(progress: JobProgress) -> str:
    """The whole message as a letter."""
    return "\n".join(_lines(progress)) + "\n"


def _headline(progress: JobProgress) -> str:
    where = f"stage {progress.stage.stage} of {progress.stages_count}" if progress.stage else ""
    match progress.status:
        case "STARTED":
            return "started again" if progress.redrive_count else "started"
        case "STAGE_FINISHED":
            return f"{where} finished"
        case "RETRYING":
            return f"{where} is tried again"
        case "WAITING":
            return f"{where} waits for capacity"


def _lines(progress: JobProgress) -> Iterator[str]:
    if progress.stage is None:
        stages = f"{progress.stages_count} stage{'' if progress.stages_count == 1 else 's'}"
        again = f" again (redrive {progress.redrive_count})" if progress.redrive_count else ""
        yield f'Your job "{progress.job_id}" has started{again}. It has {stages}.'
    else:
        yield f'In your job "{progress.job_id}", {_headline(progress)}.'
        yield ""
        yield _wait(progress.waiting) if progress.waiting else _attempt(progress.stage)
    if progress.waiting:
        yield f"  Why: {in_words(progress.waiting.failure_class)}."
        yield f"  Evidence: {progress.waiting.evidence}"
    if progress.failure:
        yield from _setback(progress.failure)
    yield ""
    if progress.execution_console_url:
        yield f"The execution: {progress.execution_console_url}"
    yield f"Notification {progress.id}"


def _wait(waits: Wait) -> str:
    times = "once" if waits.tries == 1 else f"{waits.tries} times"
    return f"It waits since {waits.first_refused_at}, and was tried {times}; nothing is wrong with the job."


def _attempt(stage: StageProgress) -> str:
    code = f"exit code {stage.exit_code}" if stage.exit_code is not None else "no exit code is known"
    return f"Stage {stage.stage} ({named(stage)}), attempt {stage.attempt}: {code}"


def _setback(failure: Setback) -> Iterator[str]:
    yield f"  Why: {in_words(failure.failure_class)}. This is {SURE[failure.confidence]}."
    yield f"  Evidence: {failure.evidence}"
