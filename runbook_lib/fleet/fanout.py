"""The same task on many hosts at the same time; one result per host, whatever happens on any of them."""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from runbook_lib.errors import HostError, RunbookError
from runbook_lib.fleet.session import Session
from runbook_lib.redaction import redact
from runbook_lib.values import FleetResult, HostResult

T = TypeVar("T")
_log = logging.getLogger(__name__)


class Observer(Protocol):
    """Told what happens while it happens. Calls come one at a time, from any thread."""

    def on_start(self, host: str) -> None:
        """Work on a host begins."""

    def on_done(self, result: HostResult[Any]) -> None:
        """Work on a host has ended, well or not."""


def fan_out(
    task: Callable[[Session], T],
    hosts: Sequence[str],
    session_of: Callable[[str], Session],
    *,
    parallel: int,
    observers: Sequence[Observer] = (),
) -> FleetResult[T]:
    """Run ``task`` on every host, at most ``parallel`` at a time, and return the results in the order of ``hosts``.

    A result counts as changed if the task's value has an attribute ``changed`` that is true.
    """
    turn = threading.Lock()

    def tell(call: Callable[[Observer], None]) -> None:
        with turn:
            for observer in observers:
                try:
                    call(observer)
                except Exception:  # noqa: BLE001 - logged; whoever looks on must not stop the work
                    _log.exception("an observer failed; the work goes on")

    def work(host: str) -> HostResult[T]:
        tell(lambda observer: observer.on_start(host))
        result = _attempt(task, host, session_of)
        tell(lambda observer: observer.on_done(result))
        return result

    with _pool(min(parallel, len(hosts)) or 1) as pool:
        return FleetResult(tuple(pool.map(work, hosts)))


def _attempt(task: Callable[[Session], T], host: str, session_of: Callable[[str], Session]) -> HostResult[T]:
    try:
        value = task(session_of(host))
    except RunbookError as error:
        if error.host is None:
            error.host = host
        return HostResult(host, error=error)
    except Exception as error:  # noqa: BLE001 - a bug on one host must not lose what the others did
        return HostResult(host, error=_folded(error, host))
    return HostResult(host, value=value, changed=bool(getattr(value, "changed", False)))


def _folded(error: Exception, host: str) -> HostError:
    """Wrap what nobody expected; its traceback stays with it, in one line and as its cause."""
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    way = " > ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames)
    wrapped = HostError(
        redact(f"unexpected {type(error).__name__}: {error} (at {way})"), remedy="report this bug", host=host
    )
    wrapped.__cause__ = error
    return wrapped


@contextmanager
def _pool(size: int) -> Iterator[ThreadPoolExecutor]:
    """Lend a pool that, interrupted, starts nothing more and waits for nobody: closing the fleet ends what runs."""
    pool = ThreadPoolExecutor(size, thread_name_prefix="fleet")
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()
