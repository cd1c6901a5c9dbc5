"""The first Ctrl-C asks for an end, the second makes one; while a record is drawn up neither is heard."""

from __future__ import annotations

import os
import signal
import time
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runbook_lib.change.journal import Journal
from runbook_lib.change.locks import Holder, HostLocks, change_lock, holder
from runbook_lib.commands import at_work, terminal
from runbook_lib.errors import Unreachable


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.jsonl", "runbook")


def stops(journal: Journal) -> list[str]:
    return [event.detail["signal"] for event in journal.events() if event.what == "stop"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_is_written_down_and_the_second_cuts_off(journal: Journal, number: signal.Signals) -> None:
    def twice() -> None:
        with at_work.stopping(journal):
            os.kill(os.getpid(), number)
            deadline = time.monotonic() + 10
            while not stops(journal) and time.monotonic() < deadline:
                time.sleep(0.01)
            assert stops(journal) == [number.name]
            os.kill(os.getpid(), number)
            time.sleep(10)

    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt):
        twice()
    assert stops(journal) == [number.name]
    assert signal.getsignal(number) is before


def test_a_journal_that_is_being_written_is_waited_for(journal: Journal) -> None:
    """The signal comes while this very thread holds its lock: who wrote in the handler would wait for ever."""

    def clock() -> float:
        os.kill(os.getpid(), signal.SIGINT)
        return 1.0

    with at_work.stopping(journal):
        Journal(journal.path, "20_work", clock=clock).write("intent", "a")
    assert [event.what for event in journal.events()] == ["intent", "stop"]


def test_it_is_on_the_disk_before_the_run_says_how_it_ended(journal: Journal) -> None:
    with at_work.stopping(journal):
        os.kill(os.getpid(), signal.SIGTERM)
    assert stops(journal) == ["SIGTERM"]


@pytest.fixture
def hang_ups(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Return how often nothing was to be written any more; it is written all the same."""
    told: list[None] = []
    monkeypatch.setattr(terminal, "gone", lambda: told.append(None))
    return told


def test_a_record_is_drawn_up_undisturbed(hang_ups: list[None]) -> None:
    before = signal.getsignal(signal.SIGINT)
    with at_work.undisturbed():
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(os.getpid(), number)
    assert signal.getsignal(signal.SIGINT) is before
    assert len(hang_ups) == 1


def test_a_hang_up_stops_a_run_once_however_often_it_is_told(journal: Journal, hang_ups: list[None]) -> None:
    with at_work.stopping(journal):
        for number in (signal.SIGHUP, signal.SIGHUP):
            os.kill(os.getpid(), number)
    assert (stops(journal), len(hang_ups)) == (["SIGHUP"], 2)


def test_a_hang_up_that_was_ignored_from_the_beginning_stays_so(journal: Journal) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with at_work.stopping(journal), at_work.undisturbed():
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
    assert journal.events() == []


def test_what_a_notebook_waits_for_is_told_to_whoever_asks(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with change_lock(path, Holder.here("c", "runbook run", run="t")) as lock:
        listening = at_work.Listening(terminal.Waits(None, ""), lock)
        listening.begin("20_work")
        listening({"what": "3 candles", "until": 5.0, "done": 1, "total": 3})
        listening({"what": "3 candles", "until": 5.0, "done": 2, "total": 3})  # within the same second
        now = holder(path)
        assert now is not None
        assert (now.phase, now.waits_for, now.until) == ("20_work", "3 candles (1 of 3)", 5.0)
        listening({"what": "the paint", "until": None, "done": 0, "total": 0})
        assert (now := holder(path)) is not None
        assert (now.waits_for, now.until) == ("the paint", None)
        listening.begin("30_after")
        assert (now := holder(path)) is not None
        assert (now.phase, now.waits_for) == ("30_after", "")


def test_hosts_that_are_not_locked_are_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    locks = HostLocks(["a", "b"])
    locks.skipped["b"] = Unreachable("no answer", host="b")
    monkeypatch.setattr(at_work, "hosts_locked", lambda *_: nullcontext(locks))
    given: Any = SimpleNamespace(site=SimpleNamespace(hosts={"a": None, "b": None}))
    nobody: Any = None
    with at_work.Work(given, nobody, nobody).hosts():
        assert "b is not locked, and nothing is done there: no answer" in capsys.readouterr().out
