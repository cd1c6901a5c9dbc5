"""Long waits, told while they last: one line that is rewritten in a notebook, an occasional line elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, Self, TextIO, TypeVar

from runbook_lib.redaction import redact
from runbook_lib.values import Progress

T = TypeVar("T")
Clock = Callable[[], float]
Sleep = Callable[[float], None]


def steady() -> Clock:
    """Return a clock that shows unix seconds and goes on evenly, whatever becomes of the machine's own.

    A machine's clock may be set in the middle of a wait, forth or back; a wait must neither end at once nor never.
    """
    ahead = time.time() - time.monotonic()
    return lambda: ahead + time.monotonic()


MIME: Final = "application/vnd.runbook.progress+json"
LINE_EVERY: Final = 5.0  # seconds between two lines on a terminal


class Reporter(Protocol):
    """Whoever wants to hear about a wait."""

    def report(self, progress: Progress) -> None:
        """Say how things stand; called as often as anything changes."""

    def done(self, line: str) -> None:
        """Say in one line how the wait ended; the next report begins a new wait."""


class Silent:
    """Hears everything, says nothing, remembers all of it: for tests and for callers with a display of their own."""

    def __init__(self) -> None:
        self.reports: list[Progress] = []
        self.lines: list[str] = []

    def report(self, progress: Progress) -> None:
        """Remember."""
        self.reports.append(progress)

    def done(self, line: str) -> None:
        """Remember."""
        self.lines.append(line)


@dataclass(slots=True)
class Lines:
    """Writes plain lines, one every few seconds at most, and always the last one."""

    stream: TextIO | None = None  # standard error, looked up when written to
    clock: Clock = time.time
    every: float = LINE_EVERY  # seconds
    _last: tuple[str, float] | None = field(default=None, init=False)

    def report(self, progress: Progress) -> None:
        """Write a line if the wait is new or the last line is old."""
        now = self.clock()
        if self._last is None or self._last[0] != progress.what or abs(now - self._last[1]) >= self.every:
            self._last = (progress.what, now)
            self._write(sentence(progress, now))

    def done(self, line: str) -> None:
        """Write the last line."""
        self._last = None
        self._write(line)

    def _write(self, line: str) -> None:
        print(redact(line), file=self.stream or sys.stderr, flush=True)


@dataclass(slots=True)
class Display:
    """Rewrites one output of a notebook cell. The runner reads the same message from its JSON part."""

    clock: Clock = time.time
    _handle: Any = field(default=None, init=False)

    def report(self, progress: Progress) -> None:
        """Rewrite the line."""
        state = {"what": redact(progress.what), "until": progress.until, "done": progress.done, "total": progress.total}
        self._show({"text/plain": redact(sentence(progress, self.clock())), MIME: state})

    def done(self, line: str) -> None:
        """Leave the last line; it carries no JSON part, so that nobody takes it for a wait."""
        self._show({"text/plain": redact(line)})
        self._handle = None

    def _show(self, bundle: dict[str, object]) -> None:
        from IPython.display import display  # noqa: PLC0415 - half a second that only notebooks need to pay

        if self._handle is None:
            self._handle = display(bundle, raw=True, display_id=True)  # type: ignore[no-untyped-call]  # IPython's own
        else:
            self._handle.update(bundle, raw=True)


def reporter() -> Reporter:
    """Return the reporter that fits the place: a notebook's cell or a terminal."""
    return Display() if in_kernel() else Lines()


def in_kernel() -> bool:
    """Whether this code runs in a notebook's kernel."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


class Waiting:
    """One wait, from its first report to its last line, as the body of a ``with``."""

    def __init__(self, what: str, to: Reporter | None = None, *, clock: Clock | None = None) -> None:
        self.what = what
        self._to = to if to is not None else reporter()
        self._clock = clock or steady()
        self._began = self._clock()
        self._last = Progress(what)

    def __enter__(self) -> Self:
        return self

    def report(self, progress: Progress) -> None:
        """Tell how things stand."""
        self._last = progress
        self._to.report(progress)

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        spent = duration(self._clock() - self._began)
        if kind is None and (not self._last.total or self._last.done >= self._last.total):
            self._to.done(f"waited {spent} for {self.what}")
            return
        counted = f": {self._last.done} of {self._last.total}" if self._last.total else ""
        self._to.done(f"gave up waiting for {self.what} after {spent}{counted}")


def wait_until(  # noqa: PLR0913 - the clock and the sleep are there for tests
    what: str,
    condition: Callable[[], T | None],
    *,
    seconds: float,
    every: float = 1.0,
    reporter: Reporter | None = None,
    clock: Clock | None = None,
    sleep: Sleep = time.sleep,
) -> T | None:
    """Ask ``condition`` every ``every`` seconds until it is true; None when it was not within ``seconds``.

    It is asked at least once, and once more at the very end. The caller says what a None means.
    """
    clock = clock or steady()
    until = clock() + seconds
    with Waiting(what, reporter, clock=clock) as waiting:
        while True:
            answer = condition()
            if answer:
                waiting.report(Progress(what, until, 1, 1))
                return answer
            now = clock()
            waiting.report(Progress(what, until, 0, 1))
            if now >= until:
                return None
            sleep(min(every, until - now))


def countdown(
    what: str,
    until: float,
    reporter: Reporter | None = None,
    *,
    clock: Clock | None = None,
    sleep: Sleep = time.sleep,
) -> None:
    """Wait for a moment that is known (unix seconds), telling every second how long still.

    ``clock``: by which that moment was told; waits one after the other share one that is `steady`.
    """
    clock = clock or steady()
    with Waiting(what, reporter, clock=clock) as waiting:
        while (now := clock()) < until:
            waiting.report(Progress(what, until))
            sleep(min(1.0, until - now))


def sentence(progress: Progress, now: float) -> str:
    """Say what is waited for, how far it is, and how long still at most; no time is named that is not known."""
    parts = [f"waiting for {progress.what}"]
    if progress.total > 1:
        parts.append(f"{progress.done} of {progress.total}")
    if progress.until is not None:
        parts.append(f"at most {duration(max(0.0, progress.until - now))} still")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """Write a span of time as a person says it: 0.4 s, 42 s, 3 min 05 s, 1 h 02 min."""
    if seconds < 10 and round(seconds, 1) != round(seconds):
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
