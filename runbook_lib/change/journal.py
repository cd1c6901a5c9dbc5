"""The journal of a change: one line of JSON per event, on disk before the act, each chained to the one before it.

A line's ``chain`` is the SHA-256 of the previous line's chain and the line's own content, so that a line that was
altered, removed or put in between breaks every chain after it.

A tail without a line end is what a power cut in mid-write leaves. Whoever wrote it never came back from `write`, so
nothing that it announced was done: it is no event. Readers pass over it; the next writer cuts it off and says so.
"""

from __future__ import annotations

import fcntl
import getpass
import hashlib
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from runbook_lib.errors import RecordError
from runbook_lib.redaction import redact

START = "0" * 64
ACTED_ON: Final = {
    "acts", "after", "before", "check", "decision", "folders", "gate", "hold", "hosts", "key", "kind", "last", "leaves",
    "made", "mode_after", "mode_before", "mode_to", "name", "now", "on", "original", "path", "restarts", "rewritten",
    "root", "scope", "since", "to", "undo", "unit", "units", "verdict", "written",
}  # fmt: skip
"""What a resumed run or a rollback acts on: it stands there as it is, or the event is refused."""
TORN = "torn"
"""The event that tells of a tail which was cut off; ``bytes``: how many."""
_NEW_FOLDERS: Final = 3
"""The change's folder, that of all changes and the project's own: the first two may be as new as the journal."""


@dataclass(frozen=True, slots=True)
class Event:
    """One line. ``at``: unix seconds; ``what``: intent, done, gate ...; ``detail``: JSON-able, without secrets."""

    number: int
    at: float
    by: str
    phase: str
    what: str
    host: str | None
    detail: dict[str, Any]
    chain: str


class Journal:
    """Appends events; every event is on the disk when `write` returns."""

    def __init__(self, path: Path, phase: str, *, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._phase = phase
        self._clock = clock

    @property
    def path(self) -> Path:
        """Where it is kept."""
        return self._path

    def events(self) -> list[Event]:
        """Return all events so far, those of other writers too; see `read`."""
        return list(read(self._path))

    def write(self, what: str, host: str | None = None, **detail: Any) -> Event:  # noqa: ANN401 - any JSON
        """Append one event and wait until the disk has it. Text in ``detail`` is redacted.

        Raises RecordError when it cannot be kept, or a secret stands in what is acted on later (ACTED_ON): then nothing
        may be done that it would have announced.
        """
        try:
            return self._append(what, host, detail)
        except OSError as error:
            raise RecordError(
                f"{self._path}: cannot be written: {error}", remedy="check space and permissions"
            ) from None

    def _append(self, what: str, host: str | None, detail: dict[str, Any]) -> Event:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            whole, tail = _lines(file.read())
            number, chain = len(whole), self._last_chain(whole)
            if tail:
                file.truncate(sum(len(line) + 1 for line in whole))
                torn = self._event(number + 1, chain, TORN, None, {"bytes": len(tail)})
                number, chain = torn.number, torn.chain
                file.write(_line(torn))
            event = self._event(number + 1, chain, what, host, detail)
            file.write(_line(event))
            file.flush()
            os.fsync(file.fileno())
        if not whole:
            for folder in self._path.parents[:_NEW_FOLDERS]:
                _sync_folder(folder)
        return event

    def _event(self, number: int, previous: str, what: str, host: str | None, detail: dict[str, Any]) -> Event:
        content: dict[str, Any] = {
            "number": number,
            "at": self._clock(),
            "by": f"{getpass.getuser()}@{socket.gethostname()}",
            "phase": self._phase,
            "what": what,
            "host": host,
            "detail": self._masked(what, detail),
        }
        return Event(**content, chain=_chain(previous, content))

    def _masked(self, what: str, detail: dict[str, Any]) -> dict[str, Any]:
        told = json.loads(json.dumps(detail))
        masked: dict[str, Any] = json.loads(redact(json.dumps(detail)))
        spoilt = sorted(name for name in ACTED_ON & told.keys() if masked.get(name) != told[name])
        if spoilt:
            raise RecordError(
                f"{self._path}: a secret stands in {', '.join(spoilt)} of event {what}, which is read again to undo it",
                remedy="a secret that is a word like any other cannot be masked: choose a longer one",
            )
        return masked

    def _last_chain(self, lines: list[bytes]) -> str:
        if not lines:
            return START
        try:
            return str(json.loads(lines[-1])["chain"])
        except (ValueError, KeyError, TypeError):
            raise RecordError(
                f"{self._path}:{len(lines)}: no journal line", remedy="the journal was torn or edited"
            ) from None


def read(path: Path) -> Iterator[Event]:
    """Yield the events of a journal; a tail without a line end is none.

    Raises RecordError at the first line that is not chained to the one before it.
    """
    previous = START
    if not path.exists():
        return
    for number, line in enumerate(_lines(path.read_bytes())[0], 1):
        try:
            content = json.loads(line)
            chain = content.pop("chain")
            event = Event(**content, chain=chain)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise RecordError(f"{path}:{number}: no journal line", remedy="the journal was torn or edited") from None
        if chain != _chain(previous, content) or event.number != number:
            raise RecordError(f"{path}:{number}: chain is broken", remedy="this line or one before it was edited")
        previous = chain
        yield event


def _line(event: Event) -> bytes:
    return json.dumps(asdict(event)).encode() + b"\n"


def _lines(data: bytes) -> tuple[list[bytes], bytes]:
    """Return the lines that have an end, and what comes after the last of them."""
    *whole, tail = data.split(b"\n")
    return whole, tail


def _sync_folder(folder: Path) -> None:
    """Put the names of what is new in it on the disk, too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _chain(previous: str, content: dict[str, Any]) -> str:
    return hashlib.sha256((previous + json.dumps(content, sort_keys=True)).encode()).hexdigest()
