"""How an error tells itself: one line, masked, on a terminal as in a notebook's cell."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from runbook_lib import __main__ as command_line
from runbook_lib import redaction
from runbook_lib.errors import GateError, GateFailed, HostError, RunbookError

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


class Shell(InteractiveShell):
    """A notebook's shell that keeps what it would show of an error."""

    shown: tuple[str, ...] = ()

    def _showtraceback(self, etype: type[BaseException], evalue: BaseException, stb: list[str]) -> None:
        self.shown = (etype.__name__, str(evalue), *stb)


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    yield Shell.instance(ipython_dir=str(tmp_path), config=Config({"HistoryManager": {"enabled": False}}))
    Shell.clear_instance()


def test_an_error_is_one_line_with_host_and_remedy() -> None:
    assert str(HostError("no answer", remedy="look at the network", host="73")) == (
        "73: no answer -> look at the network"
    )
    assert str(RunbookError("odd")) == "odd"


def test_a_registered_secret_is_masked_whoever_writes_the_error() -> None:
    redaction.register("correct-horse-battery")
    error = HostError("login refused for correct-horse-battery", remedy="not correct-horse-battery", host="73")
    assert "horse" not in str(error)
    assert "horse" not in str(error.args)
    assert "horse" not in "".join(error._render_traceback_())


def test_an_error_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(HostError("no answer", remedy="wait", host="73")))  # noqa: S301 - our own bytes
    assert (type(error), str(error)) == (HostError, "73: no answer -> wait")


def test_a_cell_that_fails_shows_the_error_and_no_traceback(shell: Shell) -> None:
    source = "from runbook_lib.errors import GateFailed\nraise GateFailed('gate x: 3', remedy='mend it', host='73')"
    result = shell.run_cell(source)  # type: ignore[no-untyped-call]  # IPython's own
    assert isinstance(result.error_in_exec, GateFailed)  # the cell has failed for whoever runs it
    name, said, *lines = shell.shown
    assert (name, said) == ("GateFailed", "73: gate x: 3 -> mend it")
    assert [line.replace("\x1b[1;31m", "").replace("\x1b[0m", "") for line in lines] == [
        "GateFailed: 73: gate x: 3",
        "-> mend it",
    ]


def test_an_error_that_nobody_foresaw_keeps_its_traceback(shell: Shell) -> None:
    shell.run_cell("raise ValueError('why')")  # type: ignore[no-untyped-call]  # IPython's own
    assert any("Traceback" in line for line in shell.shown)


def every(kind: type[RunbookError]) -> Iterator[type[RunbookError]]:
    """Return a branch of the tree: an error and all that are made of it."""
    yield kind
    for branch in kind.__subclasses__():
        yield from every(branch)


def test_every_exit_status_is_documented_and_no_other() -> None:
    (section,) = re.findall(r"(?ms)^## Exit statuses\n(.*?)^## ", README)
    words = " ".join(section.partition("`report` and `status`")[0].split())
    documented = [int(entry.partition(" ")[0]) for entry in words.split(" · ")]
    assert documented == sorted({0, command_line.INTERRUPTED, *(kind.exit_code for kind in every(RunbookError))})
    assert {kind for kind in every(RunbookError) if kind.exit_code == 1} == {RunbookError, GateError}  # never raised
