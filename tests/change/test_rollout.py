"""Batch after batch, until more hosts have failed than may."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook_lib.change.journal import Journal
from runbook_lib.change.rollout import NOT_REACHED, Attempt, batches, roll_out
from runbook_lib.errors import Aborted, ApplyFailed
from runbook_lib.values import Check, Verdict

HOSTS = ("75", "120", "121", "124")


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.jsonl", "40_consumers")


def attempt(host: str, verdict: Verdict | None = Verdict.SUCCESSFUL) -> Attempt:
    """Make one with a check of this verdict; None: it ended in an error before anything could be checked."""
    if verdict is None:
        return Attempt(host, "failed", 1.0, (), ApplyFailed("no", host=host))
    return Attempt(host, "changed", 1.0, (Check("fresh", verdict, "2 s", "3 s", host),))


class Work:
    """Fails on some hosts, each in a way of its own; ``done``: the batches that it was given."""

    def __init__(self, bad: dict[str, Verdict | None] | None = None) -> None:
        self._bad = bad or {}
        self.done: list[tuple[str, ...]] = []

    def __call__(self, batch: tuple[str, ...]) -> list[Attempt]:
        self.done.append(batch)
        return [attempt(host, self._bad.get(host, Verdict.SUCCESSFUL)) for host in batch]


@given(st.lists(st.text(), max_size=20), st.integers(1, 25))
def test_batches_keep_every_host_in_order(hosts: list[str], size: int) -> None:
    cut = batches(hosts, size)
    assert [host for batch in cut for host in batch] == hosts
    assert all(len(batch) == size for batch in cut[:-1])
    assert all(0 < len(batch) <= size for batch in cut)


def test_all_batches_are_done_and_journalled(journal: Journal) -> None:
    work = Work()
    found = roll_out(batches(HOSTS, 3), work, budget=0, journal=journal)
    assert work.done == [("75", "120", "121"), ("124",)]
    assert [(each.host, each.failed, each.reached) for each in found] == [(host, False, True) for host in HOSTS]
    assert [(event.what, event.detail) for event in journal.events()] == [
        ("batch", {"hosts": ["75", "120", "121"], "number": 1, "of": 2}),
        ("batch", {"hosts": ["124"], "number": 2, "of": 2}),
    ]


@pytest.mark.parametrize("how", [None, Verdict.FAILED, Verdict.INCONCLUSIVE])
def test_a_failure_stops_it_and_the_rest_is_left_alone(journal: Journal, how: Verdict | None) -> None:
    work = Work({"120": how})
    found = roll_out(batches(HOSTS, 1), work, budget=0, journal=journal)
    assert work.done == [("75",), ("120",)]
    assert [each.failed for each in found] == [False, True, False, False]
    assert [each.result == NOT_REACHED for each in found] == [False, False, True, True]
    assert len(journal.events()) == 2


def test_the_batch_in_hand_is_ended(journal: Journal) -> None:
    work = Work({"75": None})
    found = roll_out(batches(HOSTS, 2), work, budget=0, journal=journal)
    assert work.done == [("75", "120")]
    assert [each.result for each in found] == ["failed", "changed", NOT_REACHED, NOT_REACHED]


@pytest.mark.parametrize(("budget", "reached"), [(0, 1), (1, 2), (2, 3), (3, 4)])
def test_the_budget_counts_over_all_batches(journal: Journal, budget: int, reached: int) -> None:
    work = Work(dict.fromkeys(HOSTS))
    roll_out(batches(HOSTS, 1), work, budget=budget, journal=journal)
    assert len(work.done) == reached


def test_every_batch_is_allowed_first(journal: Journal) -> None:
    work = Work()

    def check() -> None:
        if len(work.done) == 2:
            raise Aborted("aborted by anna: enough")

    with pytest.raises(Aborted):
        roll_out(batches(HOSTS, 1), work, budget=0, journal=journal, check=check)
    assert work.done == [("75",), ("120",)]
    assert len(journal.events()) == 2


def test_nobody_is_asked_when_the_budget_is_spent(journal: Journal) -> None:
    """A pause would make an operator wait for nothing."""
    asked: list[int] = []
    work = Work({"75": None})
    roll_out(batches(HOSTS, 1), work, budget=0, journal=journal, check=lambda: asked.append(1))
    assert asked == [1]


def test_a_host_of_which_nothing_is_told_has_failed(journal: Journal) -> None:
    found = roll_out([("75", "120"), ("121",)], lambda batch: [attempt(batch[-1])], budget=0, journal=journal)
    assert [(each.host, each.failed) for each in found] == [("75", True), ("120", False), ("121", False)]
    assert not found[-1].reached
    assert "without a word" in str(found[0].error)


def test_of_no_hosts_nothing_is_done(journal: Journal) -> None:
    work = Work()
    assert roll_out(batches((), 1), work, budget=0, journal=journal) == ()
    assert work.done == []
