"""What an operator who interrupts a cell gets to see."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from runbook_lib.runner import interrupted


class Shell(InteractiveShell):
    """A notebook's shell that keeps what it would show of an error."""

    shown: tuple[str, ...] = ()

    def _showtraceback(self, etype: type[BaseException], evalue: BaseException, stb: list[str]) -> None:
        self.shown = (etype.__name__, str(evalue), *stb)


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    yield Shell.instance(ipython_dir=str(tmp_path), config=Config({"HistoryManager": {"enabled": False}}))
    Shell.clear_instance()


def test_an_interrupt_is_one_line_and_the_cell_has_failed(shell: Shell) -> None:
    interrupted.tell_in_one_line()
    result = shell.run_cell("raise KeyboardInterrupt")  # type: ignore[no-untyped-call]  # IPython's own
    assert isinstance(result.error_in_exec, KeyboardInterrupt)
    name, said, *lines = shell.shown
    assert (name, said) == ("KeyboardInterrupt", interrupted.SAID)
    assert len(lines) == 1
    assert interrupted.SAID in lines[0]


def test_what_nobody_foresaw_keeps_its_traceback(shell: Shell) -> None:
    interrupted.tell_in_one_line()
    shell.run_cell("raise ValueError('why')")  # type: ignore[no-untyped-call]  # IPython's own
    assert any("Traceback" in line for line in shell.shown)


def test_outside_a_kernel_nothing_is_done() -> None:
    Shell.clear_instance()
    interrupted.tell_in_one_line()
