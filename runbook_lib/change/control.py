"""Live control of a run: pause, go, abort and stop are events that another process writes and the engine obeys."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Final, Literal, Protocol

from runbook_lib.change.journal import Event, Journal
from runbook_lib.errors import Aborted, ParamsError, RecordError, RunbookError, Stopped
from runbook_lib.values import Progress

Word = Literal["pause", "go", "abort", "stop"]

_LOOK_EVERY: Final = 1.0  # seconds between two looks at the journal while paused


class Reporter(Protocol):
    """Whoever is told of a wait."""

    def report(self, progress: Progress) -> None:
        """Say how things stand."""

    def done(self, line: str) -> None:
        """Say in one line how the wait ended."""


def request(journal: Journal, word: Word, **detail: str) -> Event:
    """Write what the runs of this change shall do: pause (why), go, abort (reason), stop (signal).

    Raises ParamsError for an abort without a reason: whoever reads the record must know.
    """
    if word == "abort" and not detail.get("reason", "").strip():
        raise ParamsError("an abort needs a reason", remedy="say it with --reason")
    return journal.write(word, **detail)


class Control:
    """What others have asked of this run. ``since``: number of the event that began it; older words were for others.

    Thread safe; a look at a journal to which nothing was added costs one system call.
    """

    def __init__(
        self,
        journal: Journal,
        since: int,
        report: Reporter | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._journal = journal
        self._since = since
        self._reporter = report
        self._sleep = sleep
        self._pausing = threading.Lock()
        self._looking = threading.Lock()
        self._size = 0  # bytes, at the last look
        self._read = 0  # bytes, of whole lines
        self._end: RunbookError | None = None
        self._pause: Event | None = None

    def check(self) -> None:
        """Come back when the next step may begin: at once, or when a pause is over.

        Raises Aborted or Stopped if that is what somebody asked for.
        """
        if self._obey() is None:
            return
        with self._pausing:  # of all hosts' threads one tells of the pause, the others wait for it
            self._wait()

    def watching(self, reporter: Reporter) -> Reporter:
        """Return a reporter that hands everything on, but ends the wait that it is told of on abort and stop."""
        return _Watching(reporter, self._obey)

    def _wait(self) -> None:
        told = False
        try:
            while (pause := self._obey()) is not None:
                if self._reporter is not None:
                    self._reporter.report(Progress(self._told(pause)))
                    told = True
                self._sleep(_LOOK_EVERY)
        finally:
            if told and self._reporter is not None:
                self._reporter.done("the pause is over")

    def _told(self, pause: Event) -> str:
        why = pause.detail.get("why") or "no reason given"
        return f"`runbook go --change {self._change}`; paused by {pause.by}: {why}"

    def _obey(self) -> Event | None:
        """Return the pause that holds, None if none does; raise if the run is to end."""
        with self._looking:
            self._look()
            if self._end is not None:
                raise type(self._end)(self._end.what, remedy=self._end.remedy)  # one for each thread
            return self._pause

    def _look(self) -> None:
        """Read what was added since the last look."""
        path = self._journal.path
        size = path.stat().st_size if path.exists() else 0
        if size == self._size:
            return
        if size < self._read:
            raise RecordError(
                f"{path}: has become shorter", remedy=f"it was edited; see `runbook report --change {self._change}`"
            )
        with path.open("rb") as file:
            file.seek(self._read)
            whole = file.read().rpartition(b"\n")[0]  # what has no line end is no event yet
        for line in whole.splitlines():
            self._take(self._event(line))
        self._read += len(whole) + 1 if whole else 0
        self._size = size

    def _event(self, line: bytes) -> Event:
        try:
            return Event(**json.loads(line))
        except (ValueError, TypeError):
            raise RecordError(
                f"{self._journal.path}: no journal line", remedy=f"see `runbook report --change {self._change}`"
            ) from None

    def _take(self, event: Event) -> None:
        if event.number <= self._since:
            return
        if event.what == "pause":
            self._pause = event
        elif event.what == "go":
            self._pause = None
        elif event.what == "abort":
            self._end = Aborted(f"aborted by {event.by}: {event.detail.get('reason')}", remedy=self._next)
        elif event.what == "stop" and self._end is None:
            signal = event.detail.get("signal", "stop")
            self._end = Stopped(f"{signal}: stopped after the step in hand", remedy=self._next)

    @property
    def _change(self) -> str:
        return self._journal.path.parent.name

    @property
    def _next(self) -> str:
        return f"go on with `runbook run --change {self._change} --resume`, or undo with `runbook rollback`"


class _Watching:
    def __init__(self, reporter: Reporter, obey: Callable[[], object]) -> None:
        self._reporter = reporter
        self._obey = obey

    def report(self, progress: Progress) -> None:
        self._obey()
        self._reporter.report(progress)

    def done(self, line: str) -> None:
        self._reporter.done(line)
