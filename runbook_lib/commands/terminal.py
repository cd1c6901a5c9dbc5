"""What a headless run shows in the terminal: which notebook runs, what it waits for and how long still."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.status import Status

from runbook_lib.redaction import redact
from runbook_lib.values import Progress, Verdict

console = Console(highlight=False, soft_wrap=True)
MARKS = {Verdict.SUCCESSFUL: "[green]✔[/]", Verdict.INCONCLUSIVE: "[yellow]?[/]", Verdict.FAILED: "[red]✘[/]"}
PLAIN_EVERY_SECONDS = 15.0


class Waits:
    """Shows the wait of the moment: one line that changes on a terminal, a line now and then in a log."""

    def __init__(self, status: Status | None, title: str) -> None:
        self._status = status
        self._title = title
        self._last = ("", 0.0)

    def __call__(self, progress: Progress) -> None:
        """Show one step of a wait."""
        text = _plain(f"{self._title}: {sentence(progress)}")
        if self._status is not None:
            self._status.update(text)
            return
        what, at = self._last
        if what != progress.what or time.monotonic() - at >= PLAIN_EVERY_SECONDS:
            self._last = (progress.what, time.monotonic())
            console.print(f"  {text}")

    report = __call__

    def done(self, line: str) -> None:
        """Tell how a wait ended."""
        self._last = ("", 0.0)
        note(f"{self._title}: {line}")

    def begin(self, title: str) -> None:
        """Go on with the next step."""
        self._title = title
        self._last = ("", 0.0)
        if self._status is not None:
            self._status.update(_plain(title))

    def message(self, content: Mapping[str, Any]) -> None:
        """Show a wait that a notebook's cell has sent."""
        self(Progress(str(content["what"]), content.get("until"), int(content["done"]), int(content["total"])))


def sentence(progress: Progress) -> str:
    """Say what is waited for, how far it is and how long still."""
    counted = f" ({progress.done} of {progress.total})" if progress.total else ""
    left = f", {max(0, progress.until - time.time()):.0f} s left" if progress.until is not None else ""
    return f"waiting for {progress.what}{counted}{left}"


@contextmanager
def waiting(title: str) -> Iterator[Waits]:
    """Show waits under a title while the block runs."""
    if not console.is_terminal:
        yield Waits(None, title)
        return
    with console.status(_plain(title), spinner="dots") as status:
        yield Waits(status, title)


def gone() -> None:
    """Write into nothing from now on, but for what goes to a file: to a terminal that has hung up no line gets."""
    with Path(os.devnull).open("wb") as nothing:
        for stream in (1, 2):
            if not stat.S_ISREG(os.fstat(stream).st_mode):
                os.dup2(nothing.fileno(), stream)


def done(verdict: Verdict, text: str) -> None:
    """Print how a step ended."""
    console.print(f"{MARKS[verdict]} {_plain(text)}")


def say(text: str) -> None:
    """Print a line as it is."""
    console.print(_plain(text))


def note(text: str) -> None:
    """Print a line that judges nothing."""
    say(f"  {text}")


def verdict(found: Verdict, text: str) -> None:
    """Print the one line that says how all of it ended."""
    console.print(f"\n{MARKS[found]} [bold]{found}[/]: {_plain(text)}")


def _plain(text: str) -> str:
    """Return what a console shows as this very text, secrets masked: what hosts say may have brackets in it."""
    return escape(redact(text))
