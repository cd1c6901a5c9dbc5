"""A hold point lets pass when somebody has approved it, and says who, when and how."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook_lib.change import holds
from runbook_lib.change.holds import Hold, approval, approve, ask, require
from runbook_lib.change.journal import Journal
from runbook_lib.errors import Held

QUESTION = "Shall the consumers be changed?"


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    ticks: Iterator[float] = iter(range(1000, 2000))
    return Journal(tmp_path / "2025-11-23-lab" / "journal.jsonl", "40_consumers", clock=lambda: next(ticks))


def test_what_nobody_approved_holds_and_the_question_is_in_the_journal(journal: Journal) -> None:
    with pytest.raises(Held) as caught:
        require(journal, "before_consumers", QUESTION)
    assert caught.value.what == f"waits for an approval of before_consumers: {QUESTION}"
    assert "`runbook run --change 2025-11-23-lab --resume --approve before_consumers`" in caught.value.remedy
    (asked,) = journal.events()
    assert (asked.what, asked.detail) == ("hold", {"hold": "before_consumers", "question": QUESTION})


def test_an_approval_lets_pass_and_tells_who_when_and_how(journal: Journal) -> None:
    event = approve(journal, "before_consumers", "--approve")
    passed = require(journal, "before_consumers", QUESTION)
    assert passed == Hold("before_consumers", QUESTION, event.by, 1000.0, "--approve")
    assert passed.approved
    assert [each.what for each in journal.events()] == ["approved"]


def test_an_approval_is_for_one_hold_point(journal: Journal) -> None:
    approve(journal, "before_consumers", "go")
    with pytest.raises(Held):
        require(journal, "before_rest", "And the rest?")


def test_the_last_approval_counts(journal: Journal) -> None:
    approve(journal, "before_rest", "--approve")
    last = approve(journal, "before_rest", "JupyterLab")
    assert approval(journal.events(), "before_rest") == last


TAKES_BACK = [
    ("stale", {"why": "w"}),
    ("abort", {"reason": "no"}),
    ("rolled back", {}),
    ("put back", {"why": "it did not come up"}),
    ("gate", {"gate": "canary", "verdict": "Failed"}),
    ("gate", {"gate": "canary", "verdict": "Inconclusive"}),
    ("ended", {"error": "StalePlan"}),
    ("planned", {"plan": "40_consumers"}),
]


@pytest.mark.parametrize(("what", "detail"), TAKES_BACK)
def test_what_makes_it_another_change_takes_it_back(journal: Journal, what: str, detail: dict[str, str]) -> None:
    approve(journal, "before_rest", "--approve")
    journal.write(what, **detail)
    assert approval(journal.events(), "before_rest") is None
    with pytest.raises(Held):
        require(journal, "before_rest", QUESTION)
    again = approve(journal, "before_rest", "go")
    assert approval(journal.events(), "before_rest") == again


def test_nothing_else_takes_it_back(journal: Journal) -> None:
    event = approve(journal, "before_rest", "--approve")
    for what in ("pause", "go", "stop", "run", "opened", "intent", "done", "failed", "hold"):
        journal.write(what, hold="another")
    journal.write("gate", gate="canary", verdict="Successful")
    for error in (None, "Held", "Stopped", "RunError", "Unreachable"):
        journal.write("ended", error=error)
    assert approval(journal.events(), "before_rest") == event


def test_an_open_question_is_asked_once(journal: Journal) -> None:
    for _ in range(3):
        assert not ask(journal, "before_rest", QUESTION).approved
    assert [each.what for each in journal.events()] == ["hold"]


def test_a_question_is_asked_again_after_it_was_overtaken(journal: Journal) -> None:
    ask(journal, "before_rest", QUESTION)
    approve(journal, "before_rest", "go")
    journal.write("rolled back")
    ask(journal, "before_rest", QUESTION)
    ask(journal, "before_rest", "Another question?")
    assert [each.what for each in journal.events()] == ["hold", "approved", "rolled back", "hold", "hold"]


@pytest.mark.parametrize(("what", "detail"), TAKES_BACK)
def test_a_question_is_asked_again_when_its_answer_was_taken_back(
    journal: Journal, what: str, detail: dict[str, str]
) -> None:
    ask(journal, "before_rest", QUESTION)
    journal.write(what, **detail)
    ask(journal, "before_rest", QUESTION)
    assert [each.what for each in journal.events()] == ["hold", what, "hold"]


def test_looking_writes_nothing(journal: Journal) -> None:
    assert holds.look(journal.events(), "before_rest", QUESTION) == Hold("before_rest", QUESTION)
    assert not journal.path.exists()
