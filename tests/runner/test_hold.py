"""Who lets a hold point pass is asked, once, and written down; anything but go goes nowhere."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import start_new_kernel

from runbook_lib.change import holds
from runbook_lib.change.journal import Journal
from runbook_lib.change.origin import Standing
from runbook_lib.errors import Aborted, Held, ParamsError
from runbook_lib.runner import hold

QUESTION = "May work begin?"
NOW = ("0" * 64, 0o644)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "c" / "journal.jsonl", "20_work")


class Person:
    """Answers, and remembers what was asked; None: nobody is there."""

    def __init__(self, answer: str | None) -> None:
        self.answer = answer
        self.asked: list[str] = []

    def __call__(self, question: str) -> str | None:
        self.asked.append(question)
        return self.answer


def what(journal: Journal) -> list[str]:
    return [event.what for event in journal.events()]


def test_go_goes_on_and_says_who_and_when(journal: Journal) -> None:
    person = Person("go")
    view = hold.pass_(journal, "before_work", QUESTION, dry_run=False, ask=person)
    assert view.hold.approved
    assert (view.hold.name, view.hold.how) == ("before_work", "JupyterLab")
    assert what(journal) == ["hold", "approved"]
    assert person.asked == ["May work begin? Type go, or abort and why:"]
    assert QUESTION in str(view)
    assert journal.events()[-1].by in str(view)


def test_what_was_approved_is_not_asked_again(journal: Journal) -> None:
    holds.approve(journal, "before_work", "--approve")
    person = Person("no")
    view = hold.pass_(journal, "before_work", QUESTION, dry_run=False, ask=person)
    assert (view.hold.how, person.asked) == ("--approve", [])
    assert what(journal) == ["approved"]


@pytest.mark.parametrize("answer", ["", "yes", "goo", "later"])
def test_any_other_answer_holds_and_can_be_given_again(journal: Journal, answer: str) -> None:
    with pytest.raises(Held, match="run this cell again"):
        hold.pass_(journal, "before_work", QUESTION, dry_run=False, ask=Person(answer))
    assert what(journal) == ["hold"]
    assert hold.pass_(journal, "before_work", QUESTION, dry_run=False, ask=Person("GO")).hold.approved


def test_abort_ends_it_for_a_reason(journal: Journal) -> None:
    with pytest.raises(Aborted, match="it rains"):
        hold.pass_(journal, "before_work", QUESTION, dry_run=False, ask=Person("abort it rains"))
    assert journal.events()[-1].detail == {"reason": "it rains"}


def test_an_abort_without_a_reason_is_none(journal: Journal) -> None:
    with pytest.raises(ParamsError, match="needs a reason"):
        hold.pass_(journal, "before_work", QUESTION, dry_run=False, ask=Person("abort"))
    assert what(journal) == ["hold"]


def test_headless_it_waits_for_a_later_run(journal: Journal) -> None:
    with pytest.raises(Held, match="--resume --approve before_work"):
        hold.pass_(journal, "before_work", QUESTION, dry_run=False, ask=Person(None))
    assert what(journal) == ["hold"]


def test_a_dry_run_asks_nobody(journal: Journal) -> None:
    person = Person("abort x")
    view = hold.pass_(journal, "before_work", QUESTION, dry_run=True, ask=person)
    assert (view.dry_run, person.asked, what(journal)) == (True, [], [])
    assert "a dry run goes on without one" in str(view)


def test_nobody_sits_at_a_process_that_is_no_notebook() -> None:
    assert hold.someone_there("?") is None


@pytest.mark.parametrize(("answer", "decision"), [("overwrite", "overwrite"), ("Keep", "keep")])
def test_a_decision_is_asked_once(journal: Journal, answer: str, decision: str) -> None:
    assert hold.decide(journal, "a", "x.json", NOW, dry_run=False, ask=Person(answer)) == decision
    again = Person("overwrite" if decision == "keep" else "keep")
    assert hold.decide(journal, "a", "x.json", NOW, dry_run=False, ask=again) == decision
    assert again.asked == []
    (event,) = journal.events()
    assert (event.what, event.host, event.detail["decision"]) == ("decided", "a", decision)
    assert event.detail["on"] == list(NOW)


@pytest.mark.parametrize("then", [("1" * 64, 0o644), ("0" * 64, 0o600), None])
def test_a_decision_is_of_what_was_shown_and_another_edit_is_asked_about_anew(journal: Journal, then: Standing) -> None:
    assert hold.decide(journal, "a", "x", NOW, dry_run=False, ask=Person("overwrite")) == "overwrite"
    assert hold.decide(journal, "a", "x", then, dry_run=False, ask=Person(None)) is None
    assert hold.decide(journal, "a", "x", then, dry_run=False, ask=Person("keep")) == "keep"
    assert hold.decide(journal, "a", "x", then, dry_run=False, ask=Person(None)) == "keep"


def test_a_decision_is_of_one_file_on_one_host(journal: Journal) -> None:
    journal.write("decided", "a", path="x", decision="keep", how="--keep")
    assert hold.decide(journal, "a", "x", NOW, dry_run=False, ask=Person(None)) == "keep"
    assert hold.decide(journal, "b", "x", NOW, dry_run=False, ask=Person(None)) is None
    assert hold.decide(journal, "a", "y", NOW, dry_run=False, ask=Person(None)) is None
    journal.write("decided", "a", path="x", decision="overwrite", how="--overwrite")
    assert hold.decide(journal, "a", "x", NOW, dry_run=False, ask=Person(None)) == "overwrite"


def test_an_answer_that_is_no_decision_decides_nothing(journal: Journal) -> None:
    with pytest.raises(Held, match="a: x waits for a decision"):
        hold.decide(journal, "a", "x", NOW, dry_run=False, ask=Person("maybe"))
    assert what(journal) == []


def test_a_dry_run_decides_nothing(journal: Journal) -> None:
    assert hold.decide(journal, "a", "x", NOW, dry_run=True, ask=Person("keep")) is None
    assert what(journal) == []


CELL = """
from runbook_lib.runner import hold
print("answer:", hold.someone_there("May work begin?"))
"""


@pytest.fixture(scope="module")
def kernel() -> Iterator[BlockingKernelClient]:
    environment = {name: value for name, value in os.environ.items() if name != "RUNBOOK_RUN"}
    manager, client = start_new_kernel(kernel_name="python3", env=environment)
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def said(kernel: BlockingKernelClient, cell: str, *, typed: str | None) -> tuple[list[str], str]:
    """Run a cell; return what its person was asked, and what it printed."""
    asked: list[str] = []
    printed: list[str] = []

    def answer(message: dict[str, Any]) -> None:
        asked.append(message["content"]["prompt"])
        kernel.input(typed or "")

    def hear(message: dict[str, Any]) -> None:
        printed.append(message["content"].get("text", ""))

    kernel.execute_interactive(
        cell, allow_stdin=typed is not None, stdin_hook=answer, output_hook=hear, timeout=60, store_history=False
    )
    return asked, "".join(printed).strip()


def test_in_jupyterlab_a_person_is_asked(kernel: BlockingKernelClient) -> None:
    assert said(kernel, CELL, typed=" go ") == (["May work begin? "], "answer: go")


def test_a_kernel_that_nobody_sits_at_asks_nobody(kernel: BlockingKernelClient) -> None:
    assert said(kernel, CELL, typed=None) == ([], "answer: None")


def test_a_kernel_of_a_run_asks_nobody(kernel: BlockingKernelClient) -> None:
    cell = f"import os; os.environ['RUNBOOK_RUN'] = 't'{CELL}del os.environ['RUNBOOK_RUN']"
    assert said(kernel, cell, typed="go") == ([], "answer: None")
