"""One run at a time on a change: proved with real processes, one of which is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO

import pytest

from runbook_lib.change.locks import Holder, change_lock, holder
from runbook_lib.errors import Locked, RecordError

FIRST = Holder("2025-11-23-lab", "anna", 4711, "desk", "aaaa", 1_763_900_000.0, "runbook run --site lab")
SECOND = replace(FIRST, by="bert", pid=4712, run="bbbb")
ANNA = (
    "anna is at work on change 2025-11-23-lab since 2025-11-23 12:13:20 UTC"
    " (runbook run --site lab; process 4711 on desk)"
)
HOLD = """
import sys
from pathlib import Path
from runbook_lib.change.locks import Holder, change_lock
with change_lock(Path(sys.argv[1]), Holder.here("2025-11-23-lab", "runbook run --site lab", run="cccc")) as lock:
    lock.tell(phase="30_producers")
    print("held", flush=True)
    sys.stdin.read()
print("free", flush=True)
"""


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "outputs" / "2025-11-23-lab" / ".lock"


def said(process: subprocess.Popen[str]) -> str:
    stream: IO[str] | None = process.stdout
    assert stream is not None
    return stream.readline().strip()


@contextmanager
def another_process(lock: Path) -> Iterator[subprocess.Popen[str]]:
    """Have a process that holds the lock until its input ends; it is killed in the end."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert said(process) == "held"
            yield process
        finally:
            process.kill()


def test_nobody_holds_what_was_never_locked(lock: Path) -> None:
    assert holder(lock) is None
    assert not lock.parent.exists()


def test_the_second_is_refused_and_told_who_was_first(lock: Path) -> None:
    with change_lock(lock, FIRST):
        assert holder(lock) == FIRST
        with pytest.raises(Locked) as caught, change_lock(lock, SECOND):
            pass
        assert holder(lock) == FIRST
    assert caught.value.what == ANNA
    assert "`runbook status --change 2025-11-23-lab`" in caught.value.remedy
    assert caught.value.exit_code == 13


def test_it_is_free_again_afterwards(lock: Path) -> None:
    with change_lock(lock, FIRST):
        pass
    assert holder(lock) is None
    with change_lock(lock, SECOND):
        assert holder(lock) == SECOND


def test_it_is_free_again_after_an_error(lock: Path) -> None:
    with pytest.raises(RecordError), change_lock(lock, FIRST):
        raise RecordError("torn")
    assert holder(lock) is None


def test_a_process_of_the_same_run_shares_it_and_leaves_it_to_the_first(lock: Path) -> None:
    kernel = replace(FIRST, pid=4713, command="kernel")
    with change_lock(lock, FIRST):
        with change_lock(lock, kernel) as shared:
            shared.tell(phase="of the kernel")
            assert holder(lock) == FIRST
        assert holder(lock) == FIRST
    assert holder(lock) is None


def test_two_who_belong_to_no_run_are_not_of_one_run(lock: Path) -> None:
    with (
        change_lock(lock, replace(FIRST, run="")),
        pytest.raises(Locked),
        change_lock(lock, replace(SECOND, run="")),
    ):
        pass


def test_how_far_it_is_can_be_told_while_it_is_held(lock: Path) -> None:
    with change_lock(lock, FIRST) as held:
        held.tell(phase="30_producers")
        held.tell(waits_for="3 candles", until=1_763_900_180.0)
        assert holder(lock) == replace(FIRST, phase="30_producers", waits_for="3 candles", until=1_763_900_180.0)
        held.tell(phase="40_consumers")
        assert holder(lock) == replace(FIRST, phase="40_consumers", waits_for="3 candles", until=1_763_900_180.0)
        held.tell(waits_for="")
        assert holder(lock) == replace(FIRST, phase="40_consumers")


def test_who_has_let_go_tells_nothing_more(lock: Path) -> None:
    with change_lock(lock, FIRST) as first:
        pass
    with change_lock(lock, SECOND):
        first.tell(phase="late")
        assert holder(lock) == SECOND


def test_no_reader_ever_sees_half_of_it(lock: Path) -> None:
    """One thread rewrites it, longer and shorter in turn; readers find a whole one or nobody, never anything else."""
    over = threading.Event()
    seen: list[str] = []
    wrong: list[object] = []

    def read() -> None:
        while not over.is_set():
            found = holder(lock)
            if found is None or replace(found, phase="") != FIRST or set(found.phase) - {"x"}:
                wrong.append(found)
            else:
                seen.append(found.phase)

    with change_lock(lock, FIRST) as held:
        readers = [threading.Thread(target=read) for _ in range(2)]
        for reader in readers:
            reader.start()
        for number in range(100):
            held.tell(phase="x" * (number * 7919 % 6_000))
        over.set()
        for reader in readers:
            reader.join()
    assert wrong == []
    assert len(set(seen)) > 3


def test_of_many_who_come_at_once_one_gets_it(lock: Path) -> None:
    start, leave = threading.Barrier(8), threading.Event()
    got: list[int] = []
    refused: list[str] = []

    def come(number: int) -> None:
        start.wait()
        try:
            with change_lock(lock, replace(FIRST, pid=number, run=f"run {number}")):
                got.append(number)
                leave.wait(10)
        except Locked as error:
            refused.append(error.what)
            if len(refused) == 7:
                leave.set()

    threads = [threading.Thread(target=come, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 1
    assert len(refused) == 7
    assert all(f"process {got[0]} on desk" in what for what in refused)


def test_another_process_is_named_and_followed_when_it_ends(lock: Path) -> None:
    with another_process(lock) as process:
        with pytest.raises(Locked, match=f"process {process.pid} on "), change_lock(lock, FIRST):
            pass
        found = holder(lock)
        assert found is not None
        assert (found.pid, found.phase) == (process.pid, "30_producers")
        assert process.stdin is not None
        process.stdin.close()
        assert said(process) == "free"
        assert holder(lock) is None


def test_a_killed_holder_is_known_to_be_dead_at_once(lock: Path) -> None:
    with another_process(lock) as process:
        assert holder(lock) is not None
        process.kill()
        process.wait()
        left = Holder.read(lock.read_text())
        assert left is not None
        assert left.pid == process.pid  # nobody tidied up: the file still names the dead
        assert holder(lock) is None
        with change_lock(lock, FIRST):
            assert holder(lock) == FIRST


def test_a_forked_child_that_lives_on_does_not_keep_it(lock: Path) -> None:
    script = f"import os, time{HOLD}".replace("    sys.stdin.read()", "    child = os.fork() or time.sleep(30)")
    with subprocess.Popen(
        [sys.executable, "-c", f"{script}print(child, flush=True)", str(lock)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert [said(process), said(process)] == ["held", "free"]
        child = int(said(process))
        try:
            assert Path(f"/proc/{child}").exists()
            assert holder(lock) is None
        finally:
            os.kill(child, signal.SIGKILL)


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "outputs").write_text("a file")
    with (
        pytest.raises(RecordError, match=r"\.lock: cannot be locked: .* -> check space and permissions"),
        change_lock(tmp_path / "outputs" / "x" / ".lock", FIRST),
    ):
        pass
