"""A cell that its operator interrupts ends after the step in hand, and says so in one line.

Where in this library it waited helps nobody.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Final

from IPython.core.getipython import get_ipython

from runbook_lib.change import control
from runbook_lib.change.journal import Journal
from runbook_lib.errors import RunbookError, Stopped
from runbook_lib.runner import lifeline

AGAIN: Final = "what was done is in the journal; run this notebook again when you are ready"
SAID: Final = f"stopped by the operator -> {AGAIN}"


def tell_in_one_line() -> None:
    """Do so from now on in this kernel; outside one, do nothing."""
    shell = get_ipython()
    if shell is not None:
        shell.set_custom_exc((KeyboardInterrupt,), _show)  # type: ignore[no-untyped-call]  # IPython's own


@contextmanager
def after_the_step(journal: Journal, check: Callable[[], None], cut: Callable[[], None]) -> Iterator[None]:
    """Let an interrupt end what hosts are being changed by after the step in hand; a second one calls ``cut``.

    Without this it would end the cell alone, and the threads that change hosts would go on unseen and unlocked.
    ``check`` raises Stopped once the journal says so. A kernel of a run is not concerned: its runner hears interrupts.
    """
    if get_ipython() is None or lifeline.this_run() is not None:
        yield
        return
    asked: list[threading.Thread] = []

    def ask() -> None:
        try:
            control.request(journal, "stop", signal="interrupt")
        except RunbookError:
            cut()  # what cannot be told must not go on

    def heard(_number: int, _frame: FrameType | None) -> None:
        if asked:
            raise KeyboardInterrupt
        # in a thread of its own: what was interrupted may itself be writing the journal
        asked.append(threading.Thread(target=ask, daemon=True))
        asked[0].start()

    before = signal.signal(signal.SIGINT, heard)
    try:
        yield
        if asked:
            asked[0].join()
            check()
    except Stopped as stopped:
        raise Stopped(stopped.what, remedy=AGAIN if asked else stopped.remedy) from None
    except KeyboardInterrupt:
        cut()
        raise
    finally:
        signal.signal(signal.SIGINT, before)


def _show(
    shell: Any,  # noqa: ANN401 - IPython ships no types
    kind: type[BaseException],
    _error: BaseException,
    _trace: TracebackType | None,
    tb_offset: int | None = None,  # noqa: ARG001 - IPython hands it over by this name
) -> list[str]:
    lines = [f"\x1b[1;31m{kind.__name__}\x1b[0m: {SAID}"]
    shell._showtraceback(kind, KeyboardInterrupt(SAID), lines)  # noqa: SLF001 - IPython has no public way to show it
    return lines
