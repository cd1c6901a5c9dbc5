"""A change goes on where it stopped, is not begun twice, and not touched once it was rolled back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from village import FORWARD, Village, back, fails, work

from runbook_lib.change import holds
from runbook_lib.change.journal import Journal
from runbook_lib.errors import (
    Aborted,
    ApplyFailed,
    GateFailed,
    GateInconclusive,
    Held,
    Locked,
    RunError,
    StalePlan,
    Stopped,
)

Type = Callable[..., Any]


def test_a_whole_run_says_who_runs_what_and_how_it_ended(village: Village, type_in: Type) -> None:
    ended = type_in("run")
    assert (ended.code, village.ran) == (0, list(FORWARD))
    events = village.events()
    begun, last = events[0], events[-1]
    assert begun.what == "run"
    assert begun.detail["notebooks"] == list(FORWARD)
    assert begun.detail["resume"] is False
    assert begun.detail["command"] == "runbook run --site village --runbook book --change c"
    assert begun.detail["named"] == ["--site", "params/village.yaml", "--runbook", "book"]
    assert last.what == "ended"
    assert last.detail == {
        "run": begun.detail["run"],
        "verdict": "Successful",
        "why": "30_after says: all is well",
        "error": None,
    }
    assert village.predicate()["verdict"] == "Successful"


def test_hosts_are_locked_unless_it_is_a_dry_run(village: Village, type_in: Type, locked: list[list[str]]) -> None:
    type_in("run", "--dry-run")
    assert locked == []
    type_in("run")
    assert locked == [["a", "b"]]
    assert village.ran == ["10_look", "20_work", *FORWARD]


@pytest.mark.parametrize(
    ("error", "code", "verdict"),
    [
        (Held("waits for an approval of before_work", remedy="approve it"), 11, "Inconclusive"),
        (Aborted("aborted by x: it rains", remedy="go on"), 12, "Inconclusive"),
        (Locked("x is at work here", remedy="wait"), 13, "Inconclusive"),
        (Stopped("SIGTERM: stopped", remedy="go on"), 130, "Inconclusive"),
        (GateInconclusive("gate x: too little", remedy="wait"), 7, "Inconclusive"),
        (GateFailed("gate x: 3 differ", remedy="mend"), 6, "Failed"),
        (ApplyFailed("disk full", remedy="make room"), 5, "Failed"),
        (RunError("the kernel died", remedy="run it again"), 8, "Failed"),
    ],
)
def test_each_kind_of_ending_has_its_status_its_verdict_and_its_sentence(
    village: Village, type_in: Type, error: Any, code: int, verdict: str
) -> None:
    village.acts["20_work"] = fails(error)
    ended = type_in("run")
    assert ended.code == code
    assert f"{verdict}: {error.what}" in ended.out
    assert ended.out.count("`runbook run --change c --site params/village.yaml --runbook book --resume") == 1
    predicate = village.predicate()
    assert predicate["verdict"] == verdict
    assert predicate["sentence"].startswith(f"{error.what} -> ")
    assert predicate["not_run"] == ["30_after"]
    assert village.events()[-1].detail["error"] == type(error).__name__


def test_resume_goes_on_with_the_first_that_did_not_complete(village: Village, type_in: Type) -> None:
    village.acts["20_work"] = fails(ApplyFailed("disk full"), work)
    assert type_in("run").code == 5
    village.acts["20_work"] = work
    village.ran.clear()
    ended = type_in("run", "--resume")
    assert (ended.code, village.ran) == (0, ["20_work", "30_after"])
    assert village.predicate()["verdict"] == "Successful"
    assert [path.name for path in village.folder().path.glob("earlier/*/*")] == ["20_work.ipynb"]
    first = datetime.fromtimestamp(village.events()[0].at, UTC)
    assert datetime.fromisoformat(village.predicate()["started"]) == first  # of the change, not of this run


def test_of_a_change_that_is_done_resume_says_so_and_does_nothing(village: Village, type_in: Type) -> None:
    type_in("run")
    before = village.events()
    village.ran.clear()
    ended = type_in("run", "--resume")
    assert (ended.code, village.ran) == (0, [])
    assert "every notebook ran to its end; nothing was done now" in ended.out
    assert "Successful: 30_after says: all is well" in ended.out
    assert village.events() == before


def test_a_record_that_a_crash_kept_from_being_drawn_up_is_drawn_up_by_resume(village: Village, type_in: Type) -> None:
    type_in("run")
    village.folder().record.unlink()
    village.ran.clear()
    ended = type_in("run", "--resume")
    assert (ended.code, village.ran) == (0, [])
    assert village.predicate()["verdict"] == "Successful"
    assert village.events()[-1].what == "ended"


def test_a_run_that_was_cut_off_before_its_first_notebook_is_resumed(village: Village, type_in: Type) -> None:
    village.folder().create()
    Journal(village.folder().journal, "runbook").write("run", run="r", pid=1, notebooks=[*FORWARD], dry_run=False)
    assert type_in("run", "--resume").code == 0
    assert village.ran == list(FORWARD)


def test_what_ran_in_a_dry_run_alone_did_not_complete(village: Village, type_in: Type) -> None:
    type_in("run", "--dry-run")
    village.acts["20_work"] = fails(GateFailed("no"))
    type_in("run", "--only", "20_work")
    village.ran.clear()
    village.acts["20_work"] = work
    assert type_in("run", "--resume").code == 0
    assert village.ran == list(FORWARD)


def test_a_notebook_that_cannot_be_read_did_not_complete(village: Village, type_in: Type) -> None:
    village.acts["30_after"] = fails(GateFailed("no"))
    type_in("run")
    (village.folder().notebooks / "20_work.ipynb").write_text('{"cells": [')
    village.ran.clear()
    village.acts["30_after"] = work
    assert type_in("run", "--resume").code == 0
    assert village.ran == ["20_work", "30_after"]


def test_nothing_to_resume_is_said_and_leaves_nothing(village: Village, type_in: Type) -> None:
    ended = type_in("run", "--resume")
    assert ended.code == 9
    assert "no such change" in ended.err
    assert not village.folder().path.exists()
    type_in("run", "--dry-run")
    ended = type_in("run", "--resume")
    assert (ended.code, ended.err) == (
        2,
        "runbook: change c was not begun -> `runbook run --change c` begins it\n",
    )


@pytest.mark.parametrize("words", [(), ("--dry-run",), ("--dry-run", "--only", "10_look")])
def test_a_change_that_was_begun_is_not_begun_again(village: Village, type_in: Type, words: tuple[str, ...]) -> None:
    type_in("run")
    before = village.events()
    ended = type_in("run", *words)
    assert ended.code == 2
    assert "change c was begun: hosts are not as they were -> --resume goes on with it" in ended.err
    assert village.events() == before
    assert village.predicate()["verdict"] == "Successful"


def test_one_notebook_of_it_may_run_again(village: Village, type_in: Type) -> None:
    type_in("run")
    assert type_in("run", "--only", "10_look").code == 0
    assert village.ran == [*FORWARD, "10_look"]


def test_how_things_were_before_is_not_looked_at_again_once_they_are_changed(village: Village, type_in: Type) -> None:
    manifest = village.root / "book" / "runbook.yaml"
    manifest.write_text(manifest.read_text() + "before_changes: [10_look]\n")
    assert type_in("run", "--only", "10_look").code == 0
    assert type_in("run", "--only", "10_look").code == 0
    type_in("run")
    seen = (village.folder().notebooks / "10_look.ipynb").read_bytes()
    ended = type_in("run", "--only", "10_look")
    assert ended.code == 2
    assert "10_look sees how hosts were before the change, and they are changed by now" in ended.err
    assert (village.folder().notebooks / "10_look.ipynb").read_bytes() == seen


def test_what_stopped_before_anything_was_changed_may_begin_again(village: Village, type_in: Type) -> None:
    village.acts["10_look"] = fails(GateFailed("unfit"))
    type_in("run")
    village.acts["10_look"] = lambda _journal: None
    assert type_in("run").code == 0


@pytest.mark.parametrize("words", [(), ("--resume",), ("--only", "10_look")])
def test_after_a_rollback_the_change_is_over(village: Village, type_in: Type, words: tuple[str, ...]) -> None:
    type_in("run")
    type_in("rollback")
    village.ran.clear()
    ended = type_in("run", *words)
    assert ended.code == 2
    assert "change c was rolled back at" in ended.err
    assert "begin another --change" in ended.err
    assert village.ran == []


def test_a_rollback_that_has_begun_is_finished_first(village: Village, type_in: Type) -> None:
    village.acts["20_work"] = fails(ApplyFailed("disk full"), work)
    type_in("run")
    village.acts["90_back"] = fails(Stopped("SIGINT"), back_half)
    assert type_in("rollback").code == 130
    ended = type_in("run", "--resume")
    assert (ended.code, ended.err) == (
        2,
        "runbook: change c is half rolled back -> `runbook rollback --change c` finishes it\n",
    )
    village.acts["90_back"] = back
    assert type_in("rollback").code == 0


def back_half(journal: Journal) -> None:
    journal.write("undo", "a", kind="file", key="file:x", act="remove x")


def test_a_host_that_was_put_back_by_itself_does_not_end_the_change(village: Village, type_in: Type) -> None:
    def put_back(journal: Journal) -> None:
        work(journal)
        journal.write("put back", "a", why="it did not come up")
        back_half(journal)

    village.acts["20_work"] = fails(GateFailed("not well"), put_back)
    type_in("run")
    village.acts["20_work"] = work
    assert type_in("run", "--resume").code == 0


def test_words_that_contradict_each_other_are_refused(village: Village, type_in: Type) -> None:
    assert "--resume goes with neither --only nor --dry-run" in type_in("run", "--resume", "--dry-run").err
    assert "90_back undoes a change -> use `runbook rollback`" in type_in("run", "--only", "90_back").err
    assert not village.folder().path.exists()


def test_approvals_named_beforehand_are_in_the_journal_before_anything_runs(village: Village, type_in: Type) -> None:
    type_in("run", "--approve", "before_work")
    (approved,) = [event for event in village.events() if event.what == "approved"]
    assert approved.detail == {"hold": "before_work", "how": "--approve"}
    assert approved.number == 2


def test_a_dry_run_approves_nothing_for_the_run_after_it(village: Village, type_in: Type) -> None:
    ended = type_in("run", "--dry-run", "--approve", "all")
    assert (ended.code, ended.err) == (
        2,
        "runbook: --approve does not go with --dry-run -> leave it out: a dry run asks nobody\n",
    )
    assert not village.folder().path.exists()
    assert type_in("run", "--dry-run").code == 0
    assert "approved" not in village.what()


def test_all_means_those_that_are_asked_on_the_way(village: Village, type_in: Type) -> None:
    type_in("run", "--approve", "all")
    assert [e.detail["hold"] for e in village.events() if e.what == "approved"] == ["before_work"]
    type_in("rollback", "--approve", "all")
    assert [e.detail["hold"] for e in village.events() if e.what == "approved"] == ["before_work", "before_back"]


@pytest.mark.parametrize("name", ["before_wrok", "before_back"])
def test_an_approval_that_nothing_asks_for_is_refused_with_those_that_are(
    village: Village, type_in: Type, name: str
) -> None:
    ended = type_in("run", "--approve", name)
    assert (ended.code, ended.err) == (
        2,
        f"runbook: no hold point {name} is asked here -> there are: before_work\n",
    )
    assert not village.folder().path.exists()


def test_an_approval_that_the_one_notebook_does_not_ask_for_is_refused(village: Village, type_in: Type) -> None:
    ended = type_in("run", "--only", "10_look", "--approve", "before_work")
    assert (ended.code, ended.err) == (2, "runbook: no hold point before_work is asked here -> there are: none\n")
    assert not village.folder().path.exists()
    assert type_in("run", "--only", "20_work", "--approve", "before_work").code == 0


def test_what_resume_has_behind_it_is_not_approved_for_another_day(village: Village, type_in: Type) -> None:
    village.acts["30_after"] = fails(GateFailed("no"))
    type_in("run")
    village.acts["30_after"] = lambda _journal: None
    assert type_in("run", "--resume", "--approve", "before_wrok").code == 2
    assert type_in("run", "--resume", "--approve", "before_work").code == 0
    assert "approved" not in village.what()


def asks(journal: Journal) -> None:
    holds.require(journal, "before_work", "May work begin?")
    work(journal)


def gate(verdict: str) -> Callable[[Journal], None]:
    def judged(journal: Journal) -> None:
        journal.write("gate", gate="fit", verdict=verdict)

    return judged


def test_what_was_approved_beforehand_is_asked_again_after_a_gate_that_failed(village: Village, type_in: Type) -> None:
    village.acts["20_work"] = fails(GateFailed("unfit"), gate("Failed"))
    assert type_in("run", "--approve", "before_work").code == 6
    village.acts["20_work"] = asks
    assert type_in("run", "--resume").code == 11
    assert "intent" not in village.what()
    assert type_in("run", "--resume", "--approve", "before_work").code == 0


@pytest.mark.parametrize(
    ("error", "before"),
    [(Stopped("SIGTERM"), gate("Successful")), (RunError("the kernel died"), work), (Held("a later one"), asks)],
)
def test_what_only_interrupts_a_change_leaves_its_approvals(
    village: Village, type_in: Type, error: Any, before: Callable[[Journal], None]
) -> None:
    village.acts["20_work"] = fails(error, before)
    assert type_in("run", "--approve", "before_work").code == type(error).exit_code
    village.acts["20_work"] = asks
    assert type_in("run", "--resume").code == 0


def test_a_plan_that_no_longer_fits_is_approved_anew(village: Village, type_in: Type) -> None:
    village.acts["20_work"] = fails(StalePlan("the saved plan no longer fits"))
    assert type_in("run", "--approve", "before_work").code == 5
    village.acts["20_work"] = asks
    assert type_in("run").code == 11


def test_a_change_stays_with_its_runbook_and_its_site(village: Village, type_in: Type) -> None:
    type_in("run")
    site = village.root / "params" / "village.yaml"
    (village.root / "params" / "town.yaml").write_text(site.read_text().replace("site: village", "site: town"))
    ended = type_in("run", "--resume", "--site", "town")
    assert "change c was begun on site village, not on town" in ended.err
    manifest = village.root / "book" / "runbook.yaml"
    manifest.write_text(manifest.read_text().replace("A village", "Another"))
    ended = type_in("rollback")
    assert "change c was begun with another runbook: A village" in ended.err
    assert village.ran == list(FORWARD)


@pytest.mark.parametrize(
    ("word", "code", "said"),
    [
        ({"what": "abort", "reason": "it rains"}, 12, "it rains"),
        ({"what": "stop", "signal": "SIGTERM"}, 130, "SIGTERM: stopped after the step in hand"),
    ],
)
def test_what_is_asked_while_one_notebook_ends_keeps_the_next_from_beginning(
    village: Village, type_in: Type, word: dict[str, str], code: int, said: str
) -> None:
    def asked(journal: Journal) -> None:
        journal.write(**word)

    village.acts["20_work"] = asked
    ended = type_in("run")
    assert (ended.code, village.ran) == (code, ["10_look", "20_work"])
    predicate = village.predicate()
    assert (predicate["verdict"], predicate["not_run"]) == ("Inconclusive", ["30_after"])
    assert said in predicate["sentence"]
    assert "--resume` goes on" in predicate["sentence"]
