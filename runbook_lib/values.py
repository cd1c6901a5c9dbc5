"""The frozen records that all rooms speak in. No I/O, no logic beyond asking a record about itself."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from runbook_lib.errors import RunbookError

T = TypeVar("T")


class Verdict(enum.StrEnum):
    """How a gate, a claim or a change ends. The words are those of the change record."""

    SUCCESSFUL = "Successful"
    INCONCLUSIVE = "Inconclusive"
    FAILED = "Failed"

    @classmethod
    def worst(cls, verdicts: Iterator[Verdict] | list[Verdict] | tuple[Verdict, ...]) -> Verdict:
        """Failed beats Inconclusive beats Successful; of nothing at all: Inconclusive."""
        seen = set(verdicts)
        if not seen:
            return cls.INCONCLUSIVE
        return next(v for v in (cls.FAILED, cls.INCONCLUSIVE, cls.SUCCESSFUL) if v in seen)


@dataclass(frozen=True, slots=True)
class Check:
    """One line of a gate: what was looked at, where, what was wanted, what was seen, and what to do if not."""

    name: str
    verdict: Verdict
    expected: str
    observed: str
    host: str | None = None
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim of the plan and how it ended. ``evidence`` names where in the record the numbers stand."""

    id: str
    claim: str
    expected: str
    observed: str
    evidence: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What a command on a host left behind. ``seconds``: wall clock, as seen from here."""

    status: int
    stdout: bytes
    stderr: bytes
    seconds: float

    @property
    def text(self) -> str:
        """Standard output as text; bytes that are no UTF-8 are shown escaped."""
        return self.stdout.decode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True)
class HostResult(Generic[T]):
    """What one host answered: a value or an error, never both. ``changed``: the host is not as it was before."""

    host: str
    value: T | None = None
    error: RunbookError | None = None
    changed: bool = False

    @property
    def failed(self) -> bool:
        """Whether this host ended in an error."""
        return self.error is not None

    def unwrap(self) -> T:
        """Return the value; raise the host's error if there is none."""
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]  # a task may itself return None


@dataclass(frozen=True, slots=True)
class FleetResult(Mapping[str, HostResult[T]], Generic[T]):
    """One result per host, in the order of the inventory."""

    results: tuple[HostResult[T], ...] = field(default=())

    def __getitem__(self, host: str) -> HostResult[T]:
        for result in self.results:
            if result.host == host:
                return result
        raise KeyError(host)

    def __iter__(self) -> Iterator[str]:
        return (result.host for result in self.results)

    def __len__(self) -> int:
        return len(self.results)

    @property
    def failed(self) -> tuple[HostResult[T], ...]:
        """Hosts that ended in an error."""
        return tuple(result for result in self.results if result.failed)

    @property
    def changed(self) -> tuple[HostResult[T], ...]:
        """Hosts that are not as they were before."""
        return tuple(result for result in self.results if result.changed)

    def unwrap(self) -> dict[str, T]:
        """Return host -> value; raise the first error if any host failed (its text names the other failed hosts)."""
        if self.failed:
            first, *others = self.failed
            if others and first.error is not None:
                also = ", ".join(result.host for result in others)
                raise type(first.error)(
                    f"{first.error.what} (also failed: {also})", remedy=first.error.remedy, host=first.host
                )
            first.unwrap()
        return {result.host: result.unwrap() for result in self.results}


@dataclass(frozen=True, slots=True)
class FileState:
    """A file on a host. ``mode``: permission bits (0o600); ``size``: bytes; absent files have no digest."""

    path: str
    exists: bool
    sha256: str = ""
    mode: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """A long wait, told while it lasts. ``until``: unix seconds when it ends at the latest, None if not known.

    ``done`` of ``total`` counts things (hosts, pairs, candles); total 0 means that nothing is counted.
    """

    what: str
    until: float | None = None
    done: int = 0
    total: int = 0
