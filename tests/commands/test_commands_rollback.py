"""A rollback is a run of its own notebook; after it, the record is the rollback's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from village import Village, fails, work

from runbook_lib.errors import EditedSince, GateFailed, Held

Type = Callable[..., Any]


def test_after_a_rollback_the_record_speaks_of_it(village: Village, type_in: Type) -> None:
    village.acts["20_work"] = fails(GateFailed("3 differ"), work)
    assert type_in("run").code == 6
    ended = type_in("rollback")
    assert ended.code == 0
    assert "Successful: 90_back says: all is well" in ended.out
    predicate = village.predicate()
    assert (predicate["verdict"], predicate["sentence"]) == ("Successful", "90_back says: all is well")
    assert predicate["not_run"] == []
    run = [event for event in village.events() if event.what == "run"][-1]
    assert run.detail["notebooks"] == ["90_back"]


def test_a_rollback_that_waits_is_held_and_says_how_to_go_on(village: Village, type_in: Type) -> None:
    type_in("run")
    village.acts["90_back"] = fails(Held("waits for an approval of before_back", remedy="approve"))
    ended = type_in("rollback")
    assert ended.code == 11
    assert village.predicate()["verdict"] == "Inconclusive"


def test_a_gate_that_fails_after_the_undo_fails_the_record(village: Village, type_in: Type) -> None:
    type_in("run")
    undo = village.acts["90_back"]
    village.acts["90_back"] = fails(GateFailed("requests are not back"), undo)
    assert type_in("rollback").code == 6
    predicate = village.predicate()
    assert (predicate["verdict"], predicate["sentence"]) == ("Failed", "requests are not back")


def test_decisions_are_in_the_journal_before_anything_runs(village: Village, type_in: Type) -> None:
    type_in("run")
    type_in("rollback", "--overwrite", "a:bot/x.json", "--keep", "b:y", "--keep", "b:y")
    decided = [(event.host, event.detail) for event in village.events() if event.what == "decided"]
    assert decided == [
        ("a", {"path": "bot/x.json", "decision": "overwrite", "how": "--overwrite"}),
        ("b", {"path": "y", "decision": "keep", "how": "--keep"}),
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--overwrite", "z:x"), "--overwrite z:x: no HOST:PATH -> the hosts are a, b"),
        (("--keep", "a"), "--keep a: no HOST:PATH"),
        (("--keep", "a:x", "--overwrite", "a:x"), "a:x is to be kept and overwritten -> decide for one"),
        (("--approve", "before_work"), "no hold point before_work is asked here -> there are: before_back"),
    ],
)
def test_what_cannot_be_meant_is_refused(village: Village, type_in: Type, words: tuple[str, ...], said: str) -> None:
    type_in("run")
    before = village.events()
    ended = type_in("rollback", *words)
    assert ended.code == 2
    assert said in ended.err
    assert village.events() == before


def test_an_edit_that_nobody_has_decided_on_is_told_with_its_status(village: Village, type_in: Type) -> None:
    type_in("run")
    village.acts["90_back"] = fails(EditedSince("x was edited since", remedy="--overwrite a:x, or --keep a:x"))
    ended = type_in("rollback")
    assert ended.code == 5
    assert village.predicate()["sentence"] == "x was edited since -> --overwrite a:x, or --keep a:x"


def test_what_changed_nothing_needs_no_rollback(village: Village, type_in: Type) -> None:
    assert "no such change" in type_in("rollback").err
    type_in("run", "--dry-run")
    assert "change c has changed nothing" in type_in("rollback").err
    assert village.ran == ["10_look", "20_work"]


def test_a_runbook_without_one_says_so(village: Village, type_in: Type) -> None:
    type_in("run")
    manifest = village.root / "book" / "runbook.yaml"
    manifest.write_text(manifest.read_text().replace("rollback: 90_back\n", ""))
    ended = type_in("rollback")
    assert ended.code == 2
    assert "has no rollback" in ended.err


def test_the_report_can_be_drawn_up_again_and_says_the_same(village: Village, type_in: Type) -> None:
    type_in("run")
    type_in("rollback")
    said = village.predicate()
    assert type_in("report", "--anew").code == 0
    again = village.predicate()
    assert [again[key] for key in ("verdict", "sentence", "not_run", "dry_run")] == [
        said[key] for key in ("verdict", "sentence", "not_run", "dry_run")
    ]
