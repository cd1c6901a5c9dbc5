"""What other processes write into the journal is obeyed: a pause at steps, abort and stop in waits, too."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runbook_lib.change.control import Control, request
from runbook_lib.change.journal import Journal
from runbook_lib.errors import Aborted, ParamsError, RecordError, RunbookError, Stopped
from runbook_lib.values import Progress


class Told:
    """Remembers what it is told; ``meanwhile`` happens at each report."""

    def __init__(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        self.reports: list[str] = []
        self.lines: list[str] = []
        self._meanwhile = meanwhile

    def report(self, progress: Progress) -> None:
        self.reports.append(progress.what)
        self._meanwhile()

    def done(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "2025-11-23-lab" / "journal.jsonl", "40_consumers")


def control(journal: Journal, since: int = 0, *, told: Told | None = None, naps: list[float] | None = None) -> Control:
    """Make one whose every nap is written down and over at once; nobody naps for ever."""
    napped = naps if naps is not None else []

    def nap(seconds: float) -> None:
        napped.append(seconds)
        assert len(napped) < 10

    return Control(journal, since, told, sleep=nap)


def test_without_a_word_a_step_may_begin(journal: Journal) -> None:
    asked = control(journal)
    asked.check()
    journal.write("intent", "75", act="replace x")
    asked.check()


def test_an_abort_names_who_and_why_and_what_to_do(journal: Journal) -> None:
    event = request(journal, "abort", reason="the exchange bans us")
    with pytest.raises(Aborted) as caught:
        control(journal).check()
    assert caught.value.what == f"aborted by {event.by}: the exchange bans us"
    assert "runbook run --change 2025-11-23-lab --resume" in caught.value.remedy


@pytest.mark.parametrize("reason", [{}, {"reason": ""}, {"reason": "  "}])
def test_an_abort_without_a_reason_is_refused_and_not_written(journal: Journal, reason: dict[str, str]) -> None:
    with pytest.raises(ParamsError, match="an abort needs a reason -> say it with --reason"):
        request(journal, "abort", **reason)
    assert journal.events() == []


def test_a_signal_stops_and_says_so(journal: Journal) -> None:
    request(journal, "stop", signal="SIGTERM")
    with pytest.raises(Stopped, match="SIGTERM: stopped after the step in hand -> go on with `runbook run --change"):
        control(journal).check()


@pytest.mark.parametrize("order", [("abort", "stop"), ("stop", "abort")])
def test_an_abort_weighs_more_than_a_stop(journal: Journal, order: tuple[str, str]) -> None:
    for word in order:
        request(journal, word, reason="enough", signal="SIGINT")  # type: ignore[arg-type]  # both are words of control
    with pytest.raises(Aborted):
        control(journal).check()


@pytest.mark.parametrize("word", ["pause", "abort", "stop"])
def test_what_was_said_to_an_earlier_run_is_over(journal: Journal, word: str) -> None:
    request(journal, word, why="then", reason="then", signal="SIGINT")  # type: ignore[arg-type]  # a word of control
    began = journal.write("run", run="b", resume=True)
    asked = control(journal, began.number)
    asked.check()
    request(journal, "abort", reason="now")
    with pytest.raises(Aborted, match="now"):
        asked.check()


def test_a_pause_blocks_until_go_and_is_told_the_while(journal: Journal) -> None:
    def go_on_the_third() -> None:
        if len(told.reports) == 3:
            request(journal, "go")

    told, naps = Told(go_on_the_third), list[float]()
    pause = request(journal, "pause", why="the network team asked")
    control(journal, told=told, naps=naps).check()
    assert told.reports == [f"`runbook go --change 2025-11-23-lab`; paused by {pause.by}: the network team asked"] * 3
    assert told.lines == ["the pause is over"]
    assert naps == [1.0] * 3


def test_a_pause_that_was_lifted_is_not_even_told(journal: Journal) -> None:
    told = Told()
    request(journal, "pause", why="x")
    request(journal, "go")
    control(journal, told=told).check()
    assert (told.reports, told.lines) == ([], [])


@pytest.mark.parametrize(("word", "kind"), [("abort", Aborted), ("stop", Stopped)])
def test_a_pause_is_broken_by_abort_and_stop(journal: Journal, word: str, kind: type[RunbookError]) -> None:
    told = Told(lambda: request(journal, word, reason="no", signal="SIGINT"))  # type: ignore[arg-type]  # as above
    request(journal, "pause")
    with pytest.raises(kind):
        control(journal, told=told).check()
    assert told.lines == ["the pause is over"]


def test_a_wait_is_broken_by_abort_and_stop_but_not_by_a_pause(journal: Journal) -> None:
    told = Told()
    watching = control(journal, told=Told()).watching(told)
    watching.report(Progress("3 candles"))
    request(journal, "pause", why="x")
    watching.report(Progress("2 candles"))
    request(journal, "stop", signal="SIGTERM")
    with pytest.raises(Stopped):
        watching.report(Progress("1 candle"))
    watching.done("gave up")
    assert (told.reports, told.lines) == (["3 candles", "2 candles"], ["gave up"])


def test_every_event_is_read_once(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look costs what is new; where nothing is, not even the file is opened."""
    seen: list[int] = []
    take = Control._take
    monkeypatch.setattr(Control, "_take", lambda self, event: seen.append(event.number) or take(self, event))
    asked = control(journal)
    for number in range(1, 5):
        journal.write("intent", "75", act=f"step {number}")
        journal.write("done", "75", act=f"step {number}")
        asked.check()
        with monkeypatch.context() as patched:
            patched.setattr(Path, "open", None)
            asked.check()
    assert seen == list(range(1, 9))


def test_half_a_line_is_no_word_yet(journal: Journal) -> None:
    """Another process is about to write it, or lost its power while it did; then the next event replaces it."""
    asked = control(journal)
    journal.write("run", run="a")
    asked.check()
    whole = journal.path.read_bytes()
    request(journal, "abort", reason="no")
    line = journal.path.read_bytes()
    journal.path.write_bytes(line[:-1])
    asked.check()
    journal.path.write_bytes(line)
    with pytest.raises(Aborted):
        asked.check()
    journal.path.write_bytes(line[:-20])
    other = control(journal)
    other.check()
    journal.write("intent", "75", act="replace x")
    other.check()
    assert [event.what for event in journal.events()] == ["run", "torn", "intent"]
    assert journal.path.read_bytes().startswith(whole)


def test_a_journal_that_was_edited_meanwhile_stops_the_run(journal: Journal) -> None:
    journal.write("run", run="a")
    asked = control(journal)
    asked.check()
    with journal.path.open("ab") as file:
        file.write(b"by hand\n")
    with pytest.raises(RecordError, match=r"journal\.jsonl: no journal line"):
        asked.check()
    journal.path.write_bytes(b"")
    with pytest.raises(RecordError, match=r"journal\.jsonl: has become shorter"):
        asked.check()


def test_all_threads_obey_a_pause_and_one_of_them_tells(journal: Journal) -> None:
    """Every host's thread comes to its next step while paused; none passes before the go, all do after it."""
    told, at_work, go = Told(), threading.Semaphore(0), threading.Event()
    passed: list[int] = []

    def nap(_: float) -> None:
        at_work.release()
        assert go.wait(10)

    def step(host: int) -> None:
        asked.check()
        passed.append(host)

    asked = Control(journal, 0, told, sleep=nap)
    request(journal, "pause")
    with ThreadPoolExecutor(6) as pool:
        steps = [pool.submit(step, host) for host in range(6)]
        assert at_work.acquire(timeout=10)
        assert passed == []
        request(journal, "go")
        go.set()
        for each in steps:
            each.result(10)
    assert sorted(passed) == list(range(6))
    assert len(told.reports) == 1


def test_each_thread_gets_an_error_of_its_own(journal: Journal) -> None:
    """Fan-out writes the host's name into it."""
    request(journal, "abort", reason="no")
    asked, errors = control(journal), list[Aborted]()
    for _ in range(2):
        with pytest.raises(Aborted) as caught:
            asked.check()
        errors.append(caught.value)
    assert errors[0] is not errors[1]


def test_a_word_of_another_process_is_heard(journal: Journal) -> None:
    asked = control(journal, journal.write("run", run="a").number)
    asked.check()
    script = (
        "import sys; from pathlib import Path; from runbook_lib.change.control import request;"
        "from runbook_lib.change.journal import Journal;"
        "request(Journal(Path(sys.argv[1]), 'control'), 'abort', reason='from the other terminal')"
    )
    subprocess.run([sys.executable, "-c", script, str(journal.path)], check=True)
    with pytest.raises(Aborted, match="from the other terminal"):
        asked.check()
