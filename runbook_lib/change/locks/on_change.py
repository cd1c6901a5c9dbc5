"""The lock of a change: a file in its folder on the operator's machine."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from runbook_lib.change.locks.who import Holder, refuse_others
from runbook_lib.errors import RecordError

_MOST: Final = 1 << 16  # bytes


class ChangeLock:
    """The lock of a change while this run holds it. Thread safe.

    ``lock``: the open file; None where another process of the same run holds it and tells of itself.
    """

    def __init__(self, path: Path, lock: int | None, holder: Holder) -> None:
        self._path = path
        self._lock = lock
        self._holder = holder
        self._telling = threading.Lock()

    def tell(self, *, phase: str | None = None, waits_for: str | None = None, until: float | None = None) -> None:
        """Write how far the work is, for whoever asks. ``until`` belongs to ``waits_for``; what is not given stays."""
        with self._telling:
            if phase is not None:
                self._holder = replace(self._holder, phase=phase)
            if waits_for is not None:
                self._holder = replace(self._holder, waits_for=waits_for, until=until)
            if self._lock is not None:
                with suppress(OSError), _turn(self._path):  # news, no evidence: a full disk stops nothing here
                    _write(self._lock, self._holder.text)

    def end(self) -> None:
        """Let it go, and tell nothing more: from now on it may be somebody else's."""
        with self._telling:
            if self._lock is not None:
                fcntl.flock(self._lock, fcntl.LOCK_UN)  # a child that was forked may have the file open still
            self._lock = None


@contextmanager
def change_lock(path: Path, holder: Holder) -> Iterator[ChangeLock]:
    """Hold the lock of a change; if another process of the same run has it, share it.

    Raises Locked, naming the first, if another run holds it.
    """
    with ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = stack.enter_context(_opened(path, os.O_RDWR | os.O_CREAT))
            with _turn(path):
                ours, first = _try(lock, fcntl.LOCK_EX), _content(lock)
                if ours:
                    _write(lock, holder.text)
        except OSError as error:
            raise RecordError(f"{path}: cannot be locked: {error}", remedy="check space and permissions") from None
        if not ours:
            refuse_others(first, holder)
        held = ChangeLock(path, lock if ours else None, holder)
        stack.callback(held.end)
        yield held


def holder(path: Path) -> Holder | None:
    """Return who holds the lock of a change; None if nobody does, or whoever did is dead."""
    if not path.exists():
        return None
    try:
        with _turn(path, fcntl.LOCK_SH), _opened(path, os.O_RDONLY) as lock:
            return None if _try(lock, fcntl.LOCK_SH) else Holder.read(_content(lock))
    except OSError as error:
        raise RecordError(f"{path}: cannot be looked at: {error}", remedy="check permissions") from None


@contextmanager
def _turn(path: Path, how: int = fcntl.LOCK_EX) -> Iterator[None]:
    """Hold the lock's second file for a moment; what it is there for is told in this package's own words."""
    with _opened(path.with_name(f"{path.name}.turn"), os.O_RDONLY | os.O_CREAT) as file:
        fcntl.flock(file, how)
        yield


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    file = os.open(path, flags, 0o644)
    try:
        yield file
    finally:
        os.close(file)


def _try(lock: int, how: int) -> bool:
    try:
        fcntl.flock(lock, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _content(lock: int) -> str:
    return os.pread(lock, _MOST, 0).decode("utf-8", "replace")


def _write(lock: int, text: str) -> None:
    os.ftruncate(lock, os.pwrite(lock, text.encode(), 0))  # in this order: a full disk takes what it has room for
