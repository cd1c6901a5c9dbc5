"""What another terminal is told of a change, and what it may say to a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from village import Village, fails, work

from runbook_lib.change import holds
from runbook_lib.change.journal import Journal
from runbook_lib.change.locks import ChangeLock, Holder, change_lock
from runbook_lib.errors import Aborted, ApplyFailed, Held, Stopped

Type = Callable[..., Any]
AtWork = Callable[[], AbstractContextManager[ChangeLock]]


@pytest.fixture
def at_work(village: Village) -> AtWork:
    """Be a run of change c for a while."""

    @contextmanager
    def begin() -> Iterator[ChangeLock]:
        folder = village.folder().create()
        folder.keep(village.root / "params/village.yaml", village.root / "book/runbook.yaml")
        holder = Holder.here("c", "runbook run --change c", run="t0ken")
        with change_lock(folder.lock, holder) as lock:
            Journal(folder.journal, "runbook").write(
                "run", run="t0ken", pid=1, notebooks=["10_look"], resume=False, command="runbook run", named=[]
            )
            yield lock

    return begin


def test_a_run_tells_where_it_is_and_what_it_waits_for(village: Village, type_in: Type, at_work: AtWork) -> None:
    with at_work() as lock:
        lock.tell(phase="20_work", waits_for="3 candles (1 of 3)", until=32_503_680_000.0)
        journal = Journal(village.folder().journal, "20_work")
        journal.write("intent", "a", kind="file", key="file:x", act="create x")
        said = type_in("status").out
    assert "c: running since " in said
    assert ": 20_work, by " in said
    assert "waits for: 3 candles (1 of 3), at most " in said
    assert "host a: cut off, or at it now: create x" in said
    assert "host b: not reached" in said
    assert "next: `runbook pause --change c`" in said


def test_pause_and_go_are_written_where_the_run_reads(village: Village, type_in: Type, at_work: AtWork) -> None:
    with at_work():
        assert type_in("pause", "--why", "lunch").code == 0
        said = type_in("status").out
        assert "c: paused since " in said
        assert "paused by " in said
        assert ": lunch" in said
        again = type_in("pause")
        assert (again.code, "is paused already" in again.err) == (2, True)
        assert type_in("go").code == 0
        assert "c: running since " in type_in("status").out
        ended = type_in("go")
        assert (ended.code, "change c is running, not paused" in ended.err) == (2, True)
    assert village.what() == ["run", "pause", "go"]
    assert village.events()[1].detail == {"why": "lunch"}


def test_abort_needs_a_reason_and_is_told(village: Village, type_in: Type, at_work: AtWork) -> None:
    with at_work():
        assert type_in("abort").code == 2
        blank = type_in("abort", "--reason", "  ")
        assert (blank.code, "an abort needs a reason" in blank.err) == (2, True)
        assert village.what() == ["run"]
        assert type_in("abort", "--reason", "it rains").code == 0
        assert "c: ending since " in (said := type_in("status").out)
        assert "to be aborted, says " in said
    assert village.events()[1].detail == {"reason": "it rains"}


@pytest.mark.parametrize(("verb", "what"), [("pause", "pause"), ("go", "go on with")])
def test_a_word_that_nobody_would_hear_is_refused(village: Village, type_in: Type, verb: str, what: str) -> None:
    village.acts["20_work"] = fails(Held("waits for an approval", remedy="approve"))
    type_in("run")
    before = village.events()
    ended = type_in(verb)
    assert ended.code == 2
    assert f"nothing to {what}: change c is held: waits for an approval -> `runbook run --change c" in ended.err
    assert village.events() == before


@pytest.mark.parametrize("end", [None, ApplyFailed("disk full")])
def test_what_has_ended_otherwise_is_not_aborted(village: Village, type_in: Type, end: Any) -> None:
    village.acts["20_work"] = work if end is None else fails(end)
    type_in("run")
    before = village.events()
    ended = type_in("abort", "--reason", "x")
    assert (ended.code, "nothing to abort: change c is ended: " in ended.err) == (2, True)
    type_in("rollback")
    before = village.events()
    ended = type_in("abort", "--reason", "x")
    assert ended.code == 2
    assert village.events() == before


def asks(journal: Journal) -> None:
    holds.require(journal, "before_work", "May work begin?")
    work(journal)


def test_a_held_change_is_told_no_and_why(village: Village, type_in: Type) -> None:
    village.acts["20_work"] = asks
    assert type_in("run").code == 11
    assert "`runbook abort --change c --site params/village.yaml --runbook book --reason WHY`" in type_in("status").out
    assert type_in("abort", "--reason", " ").code == 2
    assert "abort" not in village.what()

    ended = type_in("abort", "--reason", "the wrong night")
    assert ended.code == 0
    assert "what was approved counts no more" in ended.out
    (said,) = [event for event in village.events() if event.what == "abort"]
    told = f"aborted by {said.by}: the wrong night"
    assert said.detail == {"reason": "the wrong night"}
    assert f"Inconclusive: {told} -> `runbook run --change c" in ended.out
    assert "c: aborted since " in (status := type_in("status").out)
    assert told in status
    assert f"Inconclusive: {told} -> " in type_in("report").out
    assert f"Inconclusive: {told} -> " in type_in("report", "--anew").out
    assert village.predicate()["not_run"] == ["30_after"]

    again = type_in("abort", "--reason", "still")
    assert (again.code, "nothing to abort: change c is aborted" in again.err) == (2, True)
    assert type_in("run", "--resume").code == 11
    assert type_in("run", "--resume", "--approve", "before_work").code == 0
    assert "all is well" in type_in("report").out


def test_an_abort_takes_back_what_a_stopped_change_was_given(village: Village, type_in: Type) -> None:
    village.acts["20_work"] = fails(Stopped("SIGTERM: stopped"))
    type_in("run", "--approve", "all")
    assert type_in("abort", "--reason", "it rains").code == 0
    village.acts["20_work"] = asks
    assert type_in("run", "--resume").code == 11


def test_a_change_whose_runner_is_gone_is_aborted(village: Village, type_in: Type, at_work: AtWork) -> None:
    with at_work():
        Journal(village.folder().journal, "10_look").write("opened", site="village", dry_run=False)
    assert type_in("abort", "--reason", "it rains").code == 0
    assert "c: aborted since " in type_in("status").out
    assert village.predicate()["not_run"] == ["10_look", "20_work", "30_after"]


def test_a_rollback_that_is_held_is_told_no(village: Village, type_in: Type) -> None:
    type_in("run")
    village.acts["90_back"] = fails(Held("waits for an approval of before_back"))
    type_in("rollback")
    assert type_in("abort", "--reason", "it stays").code == 0
    assert "next: `runbook rollback --change c" in type_in("status").out


@pytest.mark.usefixtures("village")
@pytest.mark.parametrize("verb", ["status", "pause", "go"])
def test_a_change_that_is_none_is_refused(type_in: Type, verb: str) -> None:
    ended = type_in(verb, "--change", "none")
    assert (ended.code, "no such change" in ended.err) == (9, True)


@pytest.mark.parametrize(
    ("error", "state", "then"),
    [
        (Held("waits"), "held since", "--resume --approve before_work` goes on"),
        (Stopped("SIGINT: stopped"), "stopped since", "--resume` goes on; `runbook rollback --change c"),
        (Aborted("aborted by x: y"), "aborted since", "--resume` goes on; `runbook rollback --change c"),
        (ApplyFailed("disk full"), "ended since", "--resume` goes on; `runbook rollback --change c"),
    ],
)
def test_what_stopped_it_and_how_to_go_on_is_told_afterwards(
    village: Village, type_in: Type, error: Any, state: str, then: str
) -> None:
    def act(journal: Journal) -> None:
        if isinstance(error, Held):
            journal.write("hold", hold="before_work", question="May work begin?")
        else:
            work(journal)
        raise error

    village.acts["20_work"] = act
    type_in("run")
    said = type_in("status").out
    assert f"c: {state}" in said
    assert error.what in said
    assert then in said
    assert "--site params/village.yaml --runbook book" in said


def test_the_last_host_of_a_failed_run_is_named_with_its_failure(village: Village, type_in: Type) -> None:
    def act(journal: Journal) -> None:
        work(journal)
        journal.write("intent", "b", kind="unit", key="unit:u", act="restart u")
        journal.write("failed", "b", kind="unit", key="unit:u", act="restart u", why="it fell over")
        raise ApplyFailed("it fell over", host="b")

    village.acts["20_work"] = act
    type_in("run")
    said = type_in("status").out
    assert "host a: done at " in said
    assert "host b: failed: restart u: it fell over" in said


def test_a_runner_that_is_gone_is_told(village: Village, type_in: Type, at_work: AtWork) -> None:
    with at_work():
        Journal(village.folder().journal, "10_look").write("opened", site="village", dry_run=False)
    said = type_in("status").out
    assert "c: cut off since " in said
    assert "in 10_look: process 1 of " in said
    assert "next: `runbook run --change c --resume` goes on" in said


def test_all_changes_have_a_line_each(village: Village, type_in: Type, runbook: Type) -> None:
    assert "no change in " in runbook("status", "--site", "village").out
    type_in("run")
    type_in("rollback")
    type_in("run", "--change", "d", "--dry-run")
    village.folder("e").create().journal.write_text("no journal\n")
    said = runbook("status", "--site", "village").out
    assert "c: rolled back since " in said
    assert "d: ended since " in said
    assert "e: cannot be read: " in said
