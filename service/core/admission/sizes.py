"""What a request gives its stages instead of what the catalogue has for their images: within the images' limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from schemas.catalog import Image
from schemas.fargate import FARGATE_SIZES, fits_fargate
from schemas.job import StageSize
from schemas.notification import Problem
from schemas.plan import Stage


def sized(
    stages: Sequence[Stage], sizes: Mapping[str, StageSize], images: Mapping[str, Image]
) -> tuple[tuple[Stage, ...], list[Problem]]:
    """The stages with the sizes that were asked for, and what is wrong with those."""
    given, problems = list(stages), list[Problem]()
    for key, size in sizes.items():
        meant = _meant(key, stages)
        if not meant:
            problems.append(_no_such_stage(key, stages))
        for number in meant:
            image = images[stages[number].image]
            memory, cpu = _asked(size, image)
            found = list(_problems(f"sizes.{key}", size, image, memory, cpu))
            problems.extend(problem for problem in found if problem not in problems)
            update = {"memory": memory, "cpu": cpu, "max_memory": max(memory, stages[number].max_memory)}
            given[number] = given[number].model_copy(update=update)
    return tuple(given), problems


def _meant(key: str, stages: Sequence[Stage]) -> list[int]:
    """The stages of this name; where none has it, the one of this number."""
    named = [number for number, stage in enumerate(stages) if stage.name == key]
    if named or not key.isascii() or not key.isdecimal():
        return named
    return [int(key) - 1] if 1 <= int(key) <= len(stages) else []


def _asked(size: StageSize, image: Image) -> tuple[int, int]:
    memory = image.memory if size.memory is None else size.memory
    if size.cpu is not None or not image.on_fargate or fits_fargate(image.cpu, memory):
        return memory, image.cpu if size.cpu is None else size.cpu
    # As a retry after out-of-memory does: more CPU only where Fargate has no such size with less.
    with_it = [cpu for cpu, memories in FARGATE_SIZES.items() if memory in memories]
    return memory, min((cpu for cpu in with_it if cpu > image.cpu), default=max(with_it, default=image.cpu))


def _problems(path: str, size: StageSize, image: Image, memory: int, cpu: int) -> Iterator[Problem]:
    most_memory, most_cpu = image.max_memory or image.memory, image.max_cpu or image.cpu
    if memory > most_memory:
        yield Problem(
            field=f"{path}.memory",
            message=f"{memory} MiB are more than the image may have",
            remedy=f"Give at most {most_memory} MiB, or raise max_memory in the catalogue.",
        )
    if size.cpu is not None and cpu > most_cpu:
        yield Problem(
            field=f"{path}.cpu",
            message=f"{cpu} CPU units are more than the image may have",
            remedy=f"Give at most {most_cpu}, or raise max_cpu in the catalogue.",
        )
    if image.on_fargate and not fits_fargate(cpu, memory):
        yield Problem(
            field=path,
            message=f"Fargate has no size of {cpu} CPU units with {memory} MiB",
            remedy=_fargate_has(cpu),
        )


def _fargate_has(cpu: int) -> str:
    memories = FARGATE_SIZES.get(cpu)
    if memories is None:
        return f"Use one of these numbers of CPU units: {', '.join(map(str, FARGATE_SIZES))}."
    return f"With {cpu} CPU units it has {', '.join(map(str, memories))} MiB."


def _no_such_stage(key: str, stages: Sequence[Stage]) -> Problem:
    names = ", ".join(dict.fromkeys(stage.name for stage in stages[:20]))
    return Problem(
        field=f"sizes.{key}",
        message="the job has no stage of this name or number",
        remedy=f"Use one of {names}, or a number from 1 to {len(stages)}.",
    )
