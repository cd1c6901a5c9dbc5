"""A roll-out goes over the fleet in batches, and stops when more hosts have failed than it may cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from runbook_lib.change.journal import Journal
from runbook_lib.errors import ApplyFailed, RunbookError
from runbook_lib.values import Check, Verdict

NOT_REACHED: Final = "not reached"


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of one host, in words (``result``), wall clock ``seconds`` and what was looked at afterwards."""

    host: str
    result: str
    seconds: float | None = None
    checks: tuple[Check, ...] = ()
    error: RunbookError | None = None

    @property
    def reached(self) -> bool:
        """Whether the roll-out came to this host at all."""
        return self.result != NOT_REACHED

    @property
    def failed(self) -> bool:
        """Whether it counts against the failure budget: an error, or a check that did not succeed."""
        return self.error is not None or any(check.verdict is not Verdict.SUCCESSFUL for check in self.checks)


def batches(hosts: Iterable[str], size: int) -> tuple[tuple[str, ...], ...]:
    """Cut hosts into batches of at most ``size``, in their order."""
    every = tuple(hosts)
    return tuple(every[start : start + size] for start in range(0, len(every), size))


def roll_out(
    batches: Sequence[tuple[str, ...]],
    work: Callable[[tuple[str, ...]], Sequence[Attempt]],
    *,
    budget: int,
    journal: Journal,
    check: Callable[[], None] = lambda: None,
) -> tuple[Attempt, ...]:
    """Work on one batch after the other; return what became of every host, in the order of the batches.

    ``budget``: hosts that may fail. When one more has, the batch in hand is ended and later ones are not reached.
    ``check`` is called before each batch, and may wait or raise.
    """
    attempts: list[Attempt] = []
    for number, batch in enumerate(batches, 1):
        if sum(attempt.failed for attempt in attempts) > budget:
            attempts += [Attempt(host, NOT_REACHED) for host in batch]
            continue
        check()
        journal.write("batch", hosts=list(batch), number=number, of=len(batches))
        attempts += _of_each(batch, work(batch))
    return tuple(attempts)


def _of_each(batch: tuple[str, ...], attempts: Sequence[Attempt]) -> list[Attempt]:
    """Return one attempt for each host of the batch; one of which nothing was told has failed."""
    told = {attempt.host: attempt for attempt in attempts}
    untold = ApplyFailed("its batch ended without a word on it", remedy="report this bug; observe the host anew")
    return [told.get(host) or Attempt(host, "failed", error=untold) for host in batch]
