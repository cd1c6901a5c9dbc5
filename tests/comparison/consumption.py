"""What programs cost the machine: processor time and memory of a process and all that it started."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

Seconds = Mapping[str, float]


def family(pid: int) -> list[psutil.Process]:
    """Return a process and all living ones that come from it. Raises psutil.NoSuchProcess if it has ended."""
    first = psutil.Process(pid)
    return [first, *first.children(recursive=True)]


def processor_seconds(pid: int) -> float:
    """Return the processor time that a process and all that came from it have used, those that ended included."""
    total = 0.0
    for process in family(pid):
        with contextlib.suppress(psutil.NoSuchProcess):  # it ended this moment: its parent's children tell its time
            used = process.cpu_times()
            total += used.user + used.system + used.children_user + used.children_system
    return total


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident memory in bytes. ``shared_out``: what processes share is divided among them (PSS), not in each (RSS)."""

    resident: int
    shared_out: bool


def memory(pid: int) -> Memory:
    """Return what a process and all that came from it hold in memory: PSS where it may be read, else RSS."""
    alive = family(pid)
    try:
        return Memory(sum(process.memory_full_info().pss for process in alive), shared_out=True)
    except (psutil.AccessDenied, AttributeError):  # another login's processes; a system without PSS
        return Memory(sum(process.memory_info().rss for process in alive), shared_out=False)


class ProcessorMeter:
    """Counts processor time from its making on, by name, without what goes by while it is paused.

    ``read`` returns the seconds used so far, by name.
    """

    def __init__(self, read: Callable[[], Seconds]) -> None:
        self._read = read
        self._begun = dict(read())
        self._left_out = dict.fromkeys(self._begun, 0.0)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave out what is used in the body: what the measurement itself asks of those who are measured."""
        before = dict(self._read())
        yield
        for name, seconds in self._read().items():
            self._left_out[name] += seconds - before[name]

    def spent(self) -> dict[str, float]:
        """Return the seconds used since, by name."""
        now = self._read()
        return {name: now[name] - begun - self._left_out[name] for name, begun in self._begun.items()}
