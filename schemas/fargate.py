"""The task sizes that Fargate has [Fargate task definition differences: task CPU and memory]."""

from __future__ import annotations

_GIB = 1024
# CPU units -> the memory sizes in MiB that go with them, smallest first.
FARGATE_SIZES: dict[int, tuple[int, ...]] = {
    256: (512, 1 * _GIB, 2 * _GIB),
    512: tuple(gib * _GIB for gib in range(1, 5)),
    1024: tuple(gib * _GIB for gib in range(2, 9)),
    2048: tuple(gib * _GIB for gib in range(4, 17)),
    4096: tuple(gib * _GIB for gib in range(8, 31)),
    8192: tuple(gib * _GIB for gib in range(16, 61, 4)),
    16384: tuple(gib * _GIB for gib in range(32, 121, 8)),
}


def fits_fargate(cpu: int, memory: int) -> bool:
    """Whether Fargate runs a task of this many CPU units and MiB."""
    return memory in FARGATE_SIZES.get(cpu, ())


def next_fargate_size(cpu: int, memory: int, ceiling: int) -> tuple[int, int] | None:
    """The smallest size with at least twice the memory, within a ceiling in MiB; more CPU only where it must be.

    Falls back to the largest size under the ceiling that is still bigger, and to None where there is none.
    """
    bigger = [
        (units, mib)
        for units, memories in FARGATE_SIZES.items()
        for mib in memories
        if units >= cpu and memory < mib <= ceiling
    ]
    twice = [size for size in bigger if size[1] >= 2 * memory]
    largest = max((mib for _, mib in bigger), default=0)
    return min(twice or [size for size in bigger if size[1] == largest], default=None)
