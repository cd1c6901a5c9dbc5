"""A cell that its operator interrupts says so in one line; where in this library it waited helps nobody."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Final

from IPython.core.getipython import get_ipython

SAID: Final = "stopped by the operator -> what was done is in the journal; run this notebook again when you are ready"


def tell_in_one_line() -> None:
    """Do so from now on in this kernel; outside one, do nothing."""
    shell = get_ipython()
    if shell is not None:
        shell.set_custom_exc((KeyboardInterrupt,), _show)  # type: ignore[no-untyped-call]  # IPython's own


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
