"""What an operator who interrupts a cell gets to see."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from runbook_lib.change.control import Control
from runbook_lib.change.journal import Journal
from runbook_lib.change.locks import RUN
from runbook_lib.errors import Stopped
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


def interrupt(*, times: int) -> None:
    for _ in range(times):
        signal.raise_signal(signal.SIGINT)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "changes" / "journal.jsonl", "20_greet")


@pytest.mark.usefixtures("shell")
def test_the_first_interrupt_asks_to_stop_and_the_second_cuts(journal: Journal) -> None:
    cut: list[str] = []
    control = Control(journal, 0)
    with (
        pytest.raises(Stopped, match=f"^interrupt: stopped after the step in hand -> {interrupted.AGAIN}$"),
        interrupted.after_the_step(journal, control.check, lambda: cut.append("cut")),
    ):
        signal.raise_signal(signal.SIGINT)
    assert [(event.what, event.detail) for event in journal.events()] == [("stop", {"signal": "interrupt"})]
    assert cut == []
    with (
        pytest.raises(KeyboardInterrupt),
        interrupted.after_the_step(journal, control.check, lambda: cut.append("cut")),
    ):
        interrupt(times=2)
    assert cut == ["cut"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.usefixtures("shell")
def test_without_an_interrupt_nothing_happens_and_nothing_is_written(journal: Journal) -> None:
    with interrupted.after_the_step(journal, pytest.fail, pytest.fail):
        pass
    assert journal.events() == []


@pytest.mark.usefixtures("shell")
def test_the_kernel_of_a_run_leaves_it_to_its_runner(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RUN, "token")
    with pytest.raises(KeyboardInterrupt), interrupted.after_the_step(journal, pytest.fail, pytest.fail):
        signal.raise_signal(signal.SIGINT)
    assert journal.events() == []


def test_outside_a_kernel_nothing_is_done() -> None:
    Shell.clear_instance()
    interrupted.tell_in_one_line()
