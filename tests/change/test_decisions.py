"""A decision is about what was shown to whoever made it, and about nothing that came later."""

from __future__ import annotations

from typing import Any

import pytest

from runbook_lib.change.decisions import UNSEEN, Decided, decided, found
from runbook_lib.change.journal import START, Event
from runbook_lib.change.origin import Standing

ONE, TWO = ("1" * 64, 0o640), ("2" * 64, 0o640)


def event(what: str, host: str | None = "73", **detail: Any) -> Event:
    return Event(0, 0.0, "freqai@here", "90_rollback", what, host, detail, START)


def said(decision: str, path: str = "a", host: str = "73", **more: Any) -> Event:
    return event("decided", host, path=path, decision=decision, how="--keep", **more)


def edited(now: Standing, path: str = "a", host: str = "73") -> Event:
    return event("edited", host, path=path, now=None if now is None else list(now))


RUN, ENDED, UNDONE = event("run", None), event("ended", None), event("undone", key="file:a")


def test_the_last_decision_on_a_file_of_a_host_counts_until_it_is_carried_out() -> None:
    assert decided([], "73") == {}
    told = [said("keep"), said("overwrite"), said("keep", "b"), said("keep", "a", "75")]
    assert {path: each.decision for path, each in decided(told, "73").items()} == {"a": "overwrite", "b": "keep"}
    assert decided([said("overwrite"), UNDONE], "73") == {}
    assert decided([edited(ONE), said("overwrite"), UNDONE], "73", spent=True) == {"a": Decided("overwrite", ONE)}


@pytest.mark.parametrize(
    ("events", "on"),
    [
        ([edited(ONE), RUN, said("keep")], ONE),  # a flag: what the plan before it found
        ([edited(ONE), edited(TWO), RUN, said("keep")], TWO),
        ([edited(ONE), RUN, said("keep"), edited(TWO)], ONE),  # and nothing that was found later
        ([edited(None), RUN, said("keep"), edited(TWO)], None),
        ([RUN, said("keep"), edited(ONE), ENDED, RUN, edited(TWO)], ONE),  # nobody had looked: the first look counts
        ([RUN, said("keep")], UNSEEN),
        ([edited(ONE, "b"), edited(ONE, host="75"), RUN, said("keep")], UNSEEN),
        ([edited(ONE), said("keep", on=list(TWO))], TWO),  # JupyterLab: what was shown above the question
        ([edited(ONE), said("keep", on=None)], None),
        ([edited(ONE), UNDONE, said("keep")], UNSEEN),  # that edit is no more
    ],
)
def test_it_is_about_what_was_shown(events: list[Event], on: Standing) -> None:
    assert decided(events, "73") == {"a": Decided("keep", on)}


@pytest.mark.parametrize("end", [ENDED, RUN])
def test_a_run_that_ends_without_a_look_leaves_nothing_decided(end: Event) -> None:
    assert decided([RUN, said("overwrite"), end, edited(ONE)], "73") == {}


def test_it_counts_for_that_alone_or_for_the_first_look() -> None:
    assert [Decided("keep", ONE).counts(now) for now in (ONE, TWO, (ONE[0], 0o600), None)] == [
        True,
        False,
        False,
        False,
    ]
    assert all(Decided("keep").counts(now) for now in (ONE, TWO, None))
    assert Decided("keep", None).counts(None)


def test_what_was_found_last_is_known_until_the_file_is_put_back() -> None:
    events = [edited(ONE), edited(TWO), edited(None, "b"), edited(ONE, "a", "75")]
    assert found(events, "73") == {"a": TWO, "b": None}
    assert found([*events, UNDONE], "73") == {"b": None}
