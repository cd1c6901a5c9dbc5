import os
import stat
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from runbook_lib.freqtrade.feed import disk
from runbook_lib.freqtrade.feed.disk import LIVING_SECONDS, STALE_SECONDS, other_writer, replace


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state.json"


def test_a_file_is_written_whole_and_others_may_read_it(file: Path) -> None:
    before = os.umask(0o022)
    try:
        replace(file, "first")
        replace(file, "second")
    finally:
        os.umask(before)
    assert file.read_text() == "second"
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert list(file.parent.iterdir()) == [file]


def test_two_bots_never_write_into_each_others_half(file: Path) -> None:
    done, torn = threading.Event(), [0]

    def read() -> None:
        while not done.is_set():
            with suppress(FileNotFoundError):
                torn[0] += file.read_text() not in {"a" * 200_000, "b" * 200_000}

    def write(letter: str) -> None:
        for _ in range(150):
            with suppress(OSError):
                replace(file, letter * 200_000)

    reader, writers = threading.Thread(target=read), [threading.Thread(target=write, args=(each,)) for each in "ab"]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    reader.join()
    assert torn == [0]
    assert list(file.parent.iterdir()) == [file]


def test_half_that_is_being_written_just_now_is_nobody_s_to_sweep(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    half = file.with_name("state.json.tmp")
    half.write_text("ha")

    def looked_at_and_written_a_moment_later() -> float:
        now = time_of_day()
        os.utime(half, (now, now + 0.001))
        return now

    time_of_day = time.time
    monkeypatch.setattr(disk.time, "time", looked_at_and_written_a_moment_later)
    with pytest.raises(FileExistsError):
        replace(file, "whole")
    assert half.read_text() == "ha"


def test_half_of_a_file_that_a_dead_bot_left_is_swept_away(file: Path) -> None:
    half = file.with_name("state.json.tmp")
    half.write_text("ha")
    with pytest.raises(FileExistsError):
        replace(file, "whole")
    for off in (-STALE_SECONDS, 3600.0):  # as old, or from before the clock was set
        half.write_text("ha")
        os.utime(half, (time.time() + off, time.time() + off))
        replace(file, "whole")
        assert file.read_text() == "whole"
        assert list(file.parent.iterdir()) == [file]


def test_another_bot_counts_as_long_as_it_writes(file: Path) -> None:
    assert other_writer(file, "mine", 100.0) is None
    file.write_text('{"name": "theirs", "written": 100.0}')
    assert other_writer(file, "mine", 100.0 + LIVING_SECONDS - 1) == "theirs"
    assert other_writer(file, "mine", 100.0 + LIVING_SECONDS) is None
    assert other_writer(file, "theirs", 101.0) is None


@pytest.mark.parametrize("content", ["", "{", "[]", "7", "{}", '{"name": "theirs", "written": "soon"}', "\0"])
def test_what_is_no_state_tells_of_no_bot(file: Path, content: str) -> None:
    file.write_text(content)
    assert other_writer(file, "mine", 0.0) is None
    file.write_bytes(b"\xff")
    assert disk.other_writer(file, "mine", 0.0) is None
