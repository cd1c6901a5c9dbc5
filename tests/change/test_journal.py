"""A journal shows every later touch, holds no secret, and is on the disk before anybody acts on it."""

import json
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.change import journal
from runbook_lib.change.journal import START, Journal, read
from runbook_lib.errors import RecordError
from runbook_lib.redaction import MASK, register
from runbook_lib.secrets import Secret

EVENTS = 5


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outputs" / "change" / "journal.jsonl"


@pytest.fixture
def lines(path: Path) -> list[str]:
    writer = Journal(path, "30_producers", clock=lambda: 1_763_920_000.25)
    for number in range(EVENTS):
        writer.write("intent", "73", act=f"step {number}", before=None)
    return path.read_text().splitlines()


def test_what_was_written_is_read_back(path: Path) -> None:
    writer = Journal(path, "30_producers", clock=lambda: 12.5)
    first = writer.write("intent", "73", act="create größe", mode=0o600, before={"active": "failed"})
    second = Journal(path, "40_consumers").write("gate")
    assert list(read(path)) == [first, second]
    assert (first.number, first.at, first.phase, first.what, first.host) == (1, 12.5, "30_producers", "intent", "73")
    assert first.detail == {"act": "create größe", "mode": 0o600, "before": {"active": "failed"}}
    assert (second.number, second.host, second.detail) == (2, None, {})
    assert "@" in first.by


def test_a_journal_that_was_never_written_is_empty(path: Path) -> None:
    assert list(read(path)) == []


def test_reading_one_that_is_whole_finds_nothing(lines: list[str], path: Path) -> None:
    assert [event.detail["act"] for event in read(path)] == [f"step {number}" for number in range(EVENTS)]
    assert len({json.loads(line)["chain"] for line in lines}) == EVENTS
    assert START not in lines[0]


def broken_at(path: Path, lines: list[str]) -> int:
    path.write_text("".join(f"{line}\n" for line in lines))
    with pytest.raises(RecordError) as caught:
        list(read(path))
    return int(caught.value.what.removeprefix(f"{path}:").split(":")[0])


@pytest.mark.parametrize("at", range(EVENTS))
@pytest.mark.parametrize(
    "key", [("at", 1.0), ("by", "x@y"), ("phase", "x"), ("what", "done"), ("host", "75"), ("detail", {}), ("number", 9)]
)
def test_an_edit_of_any_line_is_found(lines: list[str], path: Path, at: int, key: tuple[str, object]) -> None:
    lines[at] = json.dumps({**json.loads(lines[at]), key[0]: key[1]})
    assert broken_at(path, lines) == at + 1


@pytest.mark.parametrize("at", range(EVENTS))
def test_a_chain_that_was_made_up_is_found(lines: list[str], path: Path, at: int) -> None:
    lines[at] = json.dumps({**json.loads(lines[at]), "chain": "a" * 64})
    assert broken_at(path, lines) == at + 1


@pytest.mark.parametrize("at", range(EVENTS - 1))
def test_a_removed_line_is_found(lines: list[str], path: Path, at: int) -> None:
    """The last one's removal leaves a shorter journal that is whole; the record's digest of the file tells that."""
    del lines[at]
    assert broken_at(path, lines) == at + 1


@pytest.mark.parametrize("at", range(EVENTS + 1))
@pytest.mark.parametrize("copied", [0, EVENTS - 1])
def test_an_inserted_line_is_found(lines: list[str], path: Path, at: int, copied: int) -> None:
    lines.insert(at, lines[copied])
    assert broken_at(path, lines) in (at + 1, at + 2)


@pytest.mark.parametrize("at", range(EVENTS - 1))
def test_two_lines_that_changed_places_are_found(lines: list[str], path: Path, at: int) -> None:
    lines[at], lines[at + 1] = lines[at + 1], lines[at]
    assert broken_at(path, lines) == at + 1


def test_a_forged_beginning_is_found_by_its_number(lines: list[str], path: Path) -> None:
    """Whoever chains the rest anew still has to lie about every number."""
    content = json.loads(lines[1])
    del content["chain"]
    assert broken_at(path, [json.dumps({**content, "chain": journal._chain(START, content)})]) == 1


@pytest.mark.parametrize("line", ["", "{", "[]", "7", '{"number": 1}', "torn {"])
def test_a_line_that_is_none_is_found(lines: list[str], path: Path, line: str) -> None:
    assert broken_at(path, [*lines, line]) == EVENTS + 1


def test_an_event_after_an_edit_does_not_heal_it(lines: list[str], path: Path) -> None:
    lines[1] = lines[1].replace("step 1", "step x")
    path.write_text("".join(f"{line}\n" for line in lines))
    Journal(path, "p").write("done")
    assert broken_at(path, path.read_text().splitlines()) == 2


@pytest.mark.parametrize("edited", ["7\n", "[]\n", "\n", '{"number": 6, "at"\n'])
def test_nothing_is_appended_to_an_edited_journal(lines: list[str], path: Path, edited: str) -> None:
    path.write_text("".join(f"{line}\n" for line in lines) + edited)
    before = path.read_bytes()
    with pytest.raises(RecordError, match=f"{path}:6: no journal line"):
        Journal(path, "p").write("done")
    assert path.read_bytes() == before


def test_a_power_cut_at_any_byte_of_a_line_leaves_the_events_before_it(lines: list[str], path: Path) -> None:
    whole = path.read_bytes()
    last = len(lines[-1]) + 1
    before = list(read(path))[:-1]
    for cut in range(1, last):
        path.write_bytes(whole[: len(whole) - last + cut])
        assert list(read(path)) == before, "what has no line end was never announced"
        assert Journal(path, "p").events() == before, "reading mends nothing"
        event = Journal(path, "p").write("done")
        *kept, torn, again = read(path)
        assert (kept, again) == (before, event)
        assert (torn.what, torn.host, torn.detail) == ("torn", None, {"bytes": cut})


def test_a_power_cut_in_the_very_first_line_leaves_an_empty_journal(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\0" * 512)
    assert list(read(path)) == []
    Journal(path, "p").write("done")
    assert [(event.number, event.what, event.detail) for event in read(path)] == [
        (1, "torn", {"bytes": 512}),
        (2, "done", {}),
    ]


def test_a_journal_that_is_being_written_can_be_read(lines: list[str], path: Path) -> None:
    with path.open("ab") as half:
        half.write('{"what": "größe'.encode()[:-1])
        half.flush()
        assert len(list(read(path))) == len(lines)


def test_a_journal_tells_its_events_and_its_place(path: Path) -> None:
    writer = Journal(path, "30_producers")
    assert (writer.path, writer.events()) == (path, [])
    mine = writer.write("intent", "73")
    others = Journal(path, "40_consumers").write("pause", why="lunch")
    assert writer.events() == [mine, others]


@pytest.mark.usefixtures("_unregistered")
def test_no_secret_is_written(path: Path) -> None:
    token = "v3ry-s3cret-t0ken/with\"quotes'"
    Secret(token)
    event = Journal(path, "p").write("intent", text=f"ws_token {token}", nested={"list": [token]}, ws_token="abcdefgh1")
    assert event.detail == {"text": f"ws_token {MASK}", "nested": {"list": [MASK]}, "ws_token": MASK}
    assert "v3ry" not in path.read_text()
    assert list(read(path)) == [event]


@pytest.fixture
def _unregistered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runbook_lib.redaction._registered", {})


@pytest.mark.usefixtures("_unregistered")
@pytest.mark.parametrize(
    ("secret", "detail", "spoilt"),
    [
        ("freqtrade", {"key": "file:freqtrade/config.json", "path": "freqtrade/config.json", "act": "x"}, "key, path"),
        ("active", {"unit": "bot.service", "before": {"active": "active", "enabled": True}}, "before"),
        ("t0k3n-of-mine", {"check": "true", "undo": "curl -d t0k3n-of-mine bot"}, "undo"),
    ],
)
def test_a_secret_in_what_an_undo_reads_is_refused_before_anything_is_done(
    path: Path, secret: str, detail: dict[str, Any], spoilt: str
) -> None:
    register(secret)
    with pytest.raises(RecordError, match=f"a secret stands in {spoilt} of event intent") as refused:
        Journal(path, "p").write("intent", **detail)
    assert f"{secret} " not in str(refused.value)
    assert not list(read(path))
    Journal(path, "p").write("failed", why=f"it said {secret}")
    assert secret not in path.read_text()


def write_some(path: Path, name: str, times: int) -> None:
    writer = Journal(path, name)
    for number in range(times):
        writer.write("intent", detail_number=number)


def test_two_writers_at_once_keep_one_chain(path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    writers = [fork.Process(target=write_some, args=(path, name, 25)) for name in ("one", "other")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(30)
        assert writer.exitcode == 0
    events = list(read(path))
    assert [event.number for event in events] == list(range(1, 51))
    for name in ("one", "other"):
        assert [event.detail["detail_number"] for event in events if event.phase == name] == list(range(25))


def spy_on_fsync(monkeypatch: pytest.MonkeyPatch, path: Path) -> list[tuple[str, int]]:
    """Note which file or folder was synced, and how many whole lines the journal had at that moment."""
    synced: list[tuple[str, int]] = []
    real: Callable[[int], None] = os.fsync

    def fsync(handle: int) -> None:
        name = next(each.name for each in (path, *path.parents) if os.path.samestat(each.stat(), os.fstat(handle)))
        synced.append((name, path.read_bytes().count(b"\n")))
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    return synced


def test_the_disk_has_an_event_before_write_returns(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = spy_on_fsync(monkeypatch, path)
    writer = Journal(path, "p")
    writer.write("intent")
    # a new file's name is on the disk only with its folder, and that one's with the folder above
    above = [path.parent.name, path.parents[1].name, path.parents[2].name]
    assert synced == [("journal.jsonl", 1), *((folder, 1) for folder in above)]
    writer.write("done")
    assert synced[4:] == [("journal.jsonl", 2)]


def test_an_event_that_the_disk_refused_stops_the_run(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RecordError, match=r"cannot be written: .*No space"):
        Journal(path, "p").write("intent")
